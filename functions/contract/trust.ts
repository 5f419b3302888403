import type { Problem } from './problem.ts'
import { SettingsError } from './settings.ts'
import { secretSetting } from './settings-values.ts'
import { createSigner, type Signer } from './sign.ts'

/** Who may invoke over HTTP: whoever signs with this, everybody, or nobody, since nothing says who. */
export type Trust = { signer: Signer } | { signer?: undefined; problem?: undefined } | { problem: Problem }

export interface TrustOptions {
  /** See SipRouterOptions. */
  secret?: string | undefined
  unsigned?: boolean | undefined
}

const OPEN: Trust = {}
const CLOSED = refusing(
  'this function has no secret to check who invokes it: set WEBHOOK_SECRET, or the option secret, to that of the gateway',
)
const BEYOND_LOOPBACK = refusing(
  'FUNCTIONS_UNSIGNED=loopback: only requests to 127.0.0.1, [::1] or localhost are taken unsigned',
)

/**
 * Decides whom to trust, request by request: the environment comes with each.
 * @throws TypeError when the options cannot be used
 */
export function createTrust({ secret, unsigned }: TrustOptions): (url: string, env: unknown) => Trust {
  if (secret && unsigned) throw new TypeError('secret and unsigned: expected one of them, got both')
  if (secret) {
    const read = secretSetting(secret.trim())
    if (!read.ok) {
      const message = `secret: expected ${read.expected}, got something else; ${read.remedy}`
      throw new SettingsError([{ setting: 'secret', message }])
    }
    const trust = { signer: createSigner(read.value) }
    return () => trust
  }
  if (unsigned) return () => OPEN
  const ofSecret = lastSecret()
  return (url, env) => {
    const { WEBHOOK_SECRET, FUNCTIONS_UNSIGNED } = settingsOf(env)
    if (typeof WEBHOOK_SECRET === 'string' && WEBHOOK_SECRET.trim() !== '') return ofSecret(WEBHOOK_SECRET)
    if (!/\bloopback\b/i.test(String(FUNCTIONS_UNSIGNED))) return CLOSED
    return isLoopbackUrl(url) ? OPEN : BEYOND_LOOPBACK
  }
}

/** An environment hardly ever changes: the keys of its secret are read once. */
function lastSecret(): (secret: string) => Trust {
  let last: { secret: string; trust: Trust } | undefined
  return (secret) => {
    if (last?.secret !== secret) last = { secret, trust: trustIn(secret) }
    return last.trust
  }
}

/** A secret that can be guessed is none. */
function trustIn(secret: string): Trust {
  const read = secretSetting(secret.trim())
  if (read.ok) return { signer: createSigner(read.value) }
  return refusing(`WEBHOOK_SECRET of this function: expected ${read.expected}; ${read.remedy}`)
}

function settingsOf(env: unknown): Record<string, unknown> {
  return typeof env === 'object' && env !== null ? (env as Record<string, unknown>) : {}
}

/** By the name it was asked for: a web page whose name was made to resolve to 127.0.0.1 (DNS rebinding) has another. */
function isLoopbackUrl(url: string): boolean {
  return /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?(\/|$)/i.test(url)
}

function refusing(detail: string): Trust {
  return { problem: { code: 'request.unauthorized', detail } }
}
