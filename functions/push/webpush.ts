import { encryptNotification } from '@block65/webcrypto-web-push'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { type Deadline, PushError, withinDeadline } from './deadline.ts'
import { failed, retryAfter, tokenInvalid } from './outcome.ts'
import { collapseKey, payloadOf, tooLarge } from './payload.ts'
import type { PushProvider } from './provider.ts'
import { PUSH_SERVICES, readSubscription, type Subscription } from './subscription.ts'
import { type VapidKeys, vapid } from './vapid.ts'

export interface WebPushOptions extends Deadline {
  vapid: VapidKeys
  /** Push services that may be asked: names, `*.name`, `*` for any; default those of the browsers. */
  hosts?: readonly string[] | undefined
  /**
   * Default the platform's. On Node give `publicFetch`, which connects to public addresses only: the name of an allowed host may lead
   * elsewhere.
   */
  fetch?: typeof fetch | undefined
}

/** What one record of 4096 octets, which every push service takes, holds in clear (RFC 8291 4). */
const MAX_OCTETS = 3993

/** Web Push: RFC 8030, its payload by RFC 8291, who sends it by RFC 8292. Runs wherever fetch and WebCrypto do. */
export function webPushProvider(options: WebPushOptions): PushProvider {
  const { hosts = PUSH_SERVICES, clock } = options
  const ask = options.fetch ?? fetch
  const authorization = vapid(options.vapid, clock)
  return {
    async send(message) {
      const subscription = readSubscription(message, hosts)
      if (typeof subscription === 'string') return failed(subscription)
      return withinDeadline(options, 'the push service', async (signal) => {
        const body = await bodyOf(message, subscription)
        const headers = {
          ...(await headersOf(message)),
          authorization: await authorization(subscription.url.origin),
          ...(body ? { 'content-encoding': 'aes128gcm', 'content-type': 'application/octet-stream' } : {}),
        }
        const response = await ask(subscription.url, {
          method: 'POST',
          redirect: 'manual',
          headers,
          body: body ?? null,
          signal,
        })
        void response.body?.cancel()
        return resultOf(response, subscription.url.host, clock.now())
      })
    },
  }
}

async function headersOf(message: PushMessage): Promise<Record<string, string>> {
  return {
    ttl: String(Math.floor(message.ttlSeconds)),
    urgency: message.purpose === 'refresh' ? 'normal' : 'high',
    topic: await collapseKey(message),
  }
}

async function bodyOf(message: PushMessage, { url, keys }: Subscription): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!keys) return undefined
  const plain = new TextEncoder().encode(JSON.stringify(payloadOf(message)))
  const trouble = tooLarge(plain.byteLength, MAX_OCTETS, 'Web Push')
  if (trouble) throw new PushError(trouble)
  const subscription = { endpoint: url.href, expirationTime: null, keys }
  // Not padded to 4096 octets: some services hand on less.
  return encryptNotification(subscription, plain, { pad: false }).catch(() => {
    throw new PushError(
      failed('expected pn-param as <p256dh>.<auth> of a push subscription: the first is no P-256 key'),
    )
  })
}

function resultOf({ ok, status, headers, type }: Response, host: string, now: number): PushResult {
  if (ok) return { outcome: 'accepted' }
  const error = `${host} answered ${status}`
  if (status === 404 || status === 410) return tokenInvalid(error)
  if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    return failed(`${error}; redirects are not followed`)
  }
  return failed(error, retryAfter(status, headers.get('retry-after'), now))
}
