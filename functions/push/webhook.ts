import type { Clock } from '../contract/clock.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { createSigner } from '../contract/sign.ts'
import { withinDeadline } from './deadline.ts'
import { failed, retryAfter, tokenInvalid } from './outcome.ts'
import type { PushProvider } from './provider.ts'

export interface WebhookOptions {
  /** http or https. */
  url: string
  /** Signs each push: `whsec_…`, two separated by a space while rotating. Absent: not signed. */
  secret?: string | undefined
  /** Milliseconds the receiver may take; default 5000. */
  timeoutMs?: number
  clock: Clock
  /** Default the platform's. */
  fetch?: typeof fetch
}

/**
 * POSTs each push as JSON: whoever receives it sends it on to the device. 2xx: accepted; 410: the token is dead; everything else,
 * redirects too, which are not followed: failed. It may be tried again when nobody answers, and after 408, 425, 429 and 5xx.
 * @throws TypeError when the URL or the secret cannot be used
 */
export function webhookProvider(options: WebhookOptions): PushProvider {
  const url = readUrl(options.url)
  const headersOf = signedHeaders(options.secret, options.clock)
  const post = options.fetch ?? fetch
  return {
    async send(message) {
      const body = JSON.stringify(message)
      const headers = await headersOf(message, body)
      return withinDeadline(options, 'the webhook', async (signal) => {
        const response = await post(url, { method: 'POST', redirect: 'manual', headers, body, signal })
        void response.body?.cancel()
        return resultOf(response, options.clock.now())
      })
    },
  }
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href
  throw new TypeError(`webhookUrl: expected an http or https URL, got "${text}"`)
}

function signedHeaders(secret: string | undefined, clock: Clock) {
  const signer = secret ? createSigner(secret) : undefined
  return async ({ id }: PushMessage, body: string): Promise<Record<string, string>> => ({
    'content-type': 'application/json',
    'webhook-id': id,
    ...(await signer?.sign(id, body, clock.now())),
  })
}

function resultOf({ ok, status, headers }: Response, now: number): PushResult {
  if (ok) return { outcome: 'accepted' }
  const error = `the webhook answered ${status}`
  if (status === 410) return tokenInvalid(error)
  if (status >= 300 && status < 400) return failed(`${error}; redirects are not followed`)
  return failed(error, retryAfter(status, headers.get('retry-after'), now))
}
