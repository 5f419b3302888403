import type { Clock } from '../contract/clock.ts'
import { platformClock } from '../contract/platform.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { createTrust } from '../contract/trust.ts'
import { servePush } from './http.ts'
import { createSend, type SendOptions } from './send.ts'

export type { PushMessage, PushResult } from '../contract/push.ts'
export { type PushApp, type PushAppOptions, pushApp } from './app.ts'
export { ConsoleProvider } from './console.ts'
export { type FcmOptions, fcmProvider } from './fcm.ts'
export { type PushPlatform, providersFrom } from './from-settings.ts'
export type { PushLog, PushProvider } from './provider.ts'
export { type PushSettings, providerNames, pushSettings } from './settings.ts'
export { type WebhookOptions, webhookProvider } from './webhook.ts'
export { type WebPushOptions, webPushProvider } from './webpush.ts'

export interface PushOptions extends Omit<SendOptions, 'clock'> {
  /** `whsec_…`: signs what goes to the webhook, and is required of what comes to `POST /push`. */
  secret?: string | undefined
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
 * Pushes to sleeping phones by providers of your own making; `pushApp` has those that settings name.
 * @throws TypeError when the webhook's URL or the secret cannot be used
 */
export function createPush(options: PushOptions): Push {
  const { secret, clock = platformClock } = options
  const send = createSend({ ...options, clock })
  const trust = createTrust(secret ? { secret } : { unsigned: true })
  const app = servePush({ send, trust: (url) => trust(url, undefined), now: () => clock.now() })
  return { send, fetch: async (request) => app.fetch(request) }
}
