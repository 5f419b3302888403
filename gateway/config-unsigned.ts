import type { Fault } from '../functions/contract/settings.ts'
import type { Config } from './config.ts'
import { isLoopbackUrl } from './config-values.ts'

/** Who reaches a function that checks no signature can route calls, and who answers in its place too. */

/**
 * Functions that nobody could tell from an impostor.
 * @param known what is wrong already: a secret that cannot be read is not missed as well
 */
export function unsignedFaults(config: Config, known: readonly Fault[]): Fault[] {
  const { functions, push } = config
  const isRead = (setting: string) => known.every((fault) => fault.setting !== setting)
  if (!isRead('FUNCTIONS_UNSIGNED') || !isRead('WEBHOOK_SECRET')) return []
  const urls: [setting: string, url: string | undefined][] = [
    ['FUNCTIONS', functions.source.kind === 'url' ? functions.source.url : undefined],
    ['FUNCTIONS_FALLBACK_URL', functions.fallbackUrl],
    ['PUSH_URL', push.url],
  ]
  return urls.flatMap(([setting, url]) => (url === undefined ? [] : faultOf(setting, url, functions)))
}

function faultOf(setting: string, url: string, { webhookSecret, unsigned }: Config['functions']): Fault[] {
  const isHere = isLoopbackUrl(url)
  if (isHere && unsigned.loopback) return []
  if (webhookSecret === undefined) return [{ setting: 'WEBHOOK_SECRET', message: missing(setting, url, isHere) }]
  if (!unsigned.answers || url.startsWith('https:')) return []
  const message = `FUNCTIONS_UNSIGNED: expected answers only where the function is asked over https, but ${setting} is ${new URL(url).origin}; take it out, or use https`
  return [{ setting: 'FUNCTIONS_UNSIGNED', message }]
}

function missing(setting: string, url: string, isHere: boolean): string {
  const needed = `WEBHOOK_SECRET: expected a secret, since ${setting} is ${new URL(url).origin} and both sides have to know who speaks; got nothing`
  const remedy = 'Make one with: echo whsec_$(openssl rand -base64 32), and give it to the function too'
  return isHere ? `${needed}. ${remedy}; or set FUNCTIONS_UNSIGNED=loopback on both sides` : `${needed}. ${remedy}`
}
