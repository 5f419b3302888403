import type { Clock } from '../contract/clock.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { reasonOf } from '../contract/reason.ts'
import { ConsoleProvider } from './console.ts'
import { failed, unsupported } from './outcome.ts'
import type { PushLog, PushProvider } from './provider.ts'
import { webhookProvider } from './webhook.ts'

export interface SendOptions {
  /** By `pn-provider`; default none. */
  providers?: Readonly<Record<string, PushProvider>>
  /** Where pushes of every other provider are POSTed. */
  webhookUrl?: string | undefined
  /** `whsec_…`: signs what goes to the webhook. */
  secret?: string | undefined
  /** Milliseconds the webhook may take; default 5000. */
  timeoutMs?: number | undefined
  log: PushLog
  clock: Clock
}

/**
 * Sends each push by the provider it names; failing that to the webhook; failing that, and where there is no provider at all, to the
 * console. Always resolves; no token is in `error`, nor in any line of the log.
 * @throws TypeError when the webhook's URL or the secret cannot be used
 */
export function createSend(options: SendOptions): (message: PushMessage) => Promise<PushResult> {
  const { providers = {}, log } = options
  const otherwise = otherProvider(options)
  return async (message) => {
    const provider = Object.hasOwn(providers, message.provider) ? providers[message.provider]! : otherwise
    const result = await sent(provider, message)
    // The console provider writes its own line.
    if (!(provider instanceof ConsoleProvider)) report(log, message, result)
    return result
  }
}

function otherProvider({ providers = {}, webhookUrl, secret, timeoutMs, log, clock }: SendOptions): PushProvider {
  if (webhookUrl !== undefined)
    return webhookProvider({ url: webhookUrl, secret, clock, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  const names = Object.keys(providers)
  if (names.length === 0) return new ConsoleProvider(log)
  const error = `there is no provider for this pn-provider; there is one for ${names.join(', ')}`
  return { send: async () => unsupported(error) }
}

async function sent(provider: PushProvider, message: PushMessage): Promise<PushResult> {
  try {
    const result = await provider.send(message)
    return result.error === undefined ? result : { ...result, error: withoutSecrets(result.error, message) }
  } catch (error) {
    return failed(withoutSecrets(reasonOf(error), message))
  }
}

/** Providers like to quote the token they do not know, or one of two. */
function withoutSecrets(text: string, { prid, param }: PushMessage): string {
  const tokens = prid.split('&').map((part) => part.replace(/:(voip|remote)$/, ''))
  const secrets = [prid, param, ...tokens].filter((secret) => secret !== '')
  return secrets.reduce((safe, secret) => safe.replaceAll(secret, '…'), text).slice(0, 1024)
}

function report(log: PushLog, message: PushMessage, { outcome, error }: PushResult): void {
  const { id, aor, device, provider, purpose, call } = message
  const fields = {
    id,
    aor,
    device,
    provider,
    purpose,
    call: call?.id,
    outcome,
    ...(error === undefined ? {} : { error }),
  }
  if (outcome === 'accepted') log.info('push sent', fields)
  else log.warn('push not sent', fields)
}
