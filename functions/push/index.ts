import type { Clock } from '../contract/clock.ts'
import { platformClock } from '../contract/platform.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { createSigner } from '../contract/sign.ts'
import { ConsoleProvider } from './console.ts'
import { servePush } from './http.ts'
import type { PushLog, PushProvider } from './provider.ts'
import { webhookProvider } from './webhook.ts'

export type { PushMessage, PushResult } from '../contract/push.ts'
export { ConsoleProvider } from './console.ts'
export type { PushLog, PushProvider } from './provider.ts'
export { type WebhookOptions, webhookProvider } from './webhook.ts'

export interface PushOptions {
  /** By `pn-provider`; default none. */
  providers?: Readonly<Record<string, PushProvider>>
  /** Where pushes of every other provider are POSTed; absent: they are logged only. */
  webhookUrl?: string
  /** `whsec_…`: signs what goes to the webhook, and is required of what comes to `POST /push`. */
  secret?: string
  /** Milliseconds the webhook may take; default 5000. */
  timeoutMs?: number
  log: PushLog
  /** Default the platform's. */
  clock?: Clock
}

export interface Push {
  /** Sends one push by the provider it names. Always resolves; no token is in `error`. */
  send(message: PushMessage): Promise<PushResult>
  /** The same over HTTP: `POST /push`. */
  fetch(request: Request): Promise<Response>
}

/**
 * Pushes to sleeping phones. `pn-provider` chooses among `providers`; failing that the webhook, failing that the console.
 * @throws TypeError when the webhook's URL or the secret cannot be used
 */
export function createPush(options: PushOptions): Push {
  const { providers = {}, secret, log, clock = platformClock } = options
  const otherwise = defaultProvider(options, clock)
  const send = async (message: PushMessage): Promise<PushResult> => {
    const provider = Object.hasOwn(providers, message.provider) ? providers[message.provider]! : otherwise
    const result = await sent(provider, message)
    // The console provider writes its own line.
    if (!(provider instanceof ConsoleProvider)) report(log, message, result)
    return result
  }
  const app = servePush({ send, signer: secret ? createSigner(secret) : undefined, now: () => clock.now() })
  return { send, fetch: async (request) => app.fetch(request) }
}

function defaultProvider({ webhookUrl, secret, timeoutMs, log }: PushOptions, clock: Clock): PushProvider {
  if (webhookUrl === undefined) return new ConsoleProvider(log)
  return webhookProvider({ url: webhookUrl, secret, clock, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
}

async function sent(provider: PushProvider, message: PushMessage): Promise<PushResult> {
  try {
    const result = await provider.send(message)
    return result.error === undefined ? result : { ...result, error: withoutSecrets(result.error, message) }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    return { outcome: 'failed', error: withoutSecrets(text, message) }
  }
}

/** Providers like to quote the token they do not know. */
function withoutSecrets(text: string, { prid, param }: PushMessage): string {
  const secrets = [prid, param].filter((secret) => secret !== '')
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
