import type { Clock } from '../contract/clock.ts'
import type { PushMessage, PushResult } from '../contract/push.ts'
import { createSigner } from '../contract/sign.ts'
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

export const DEFAULT_TIMEOUT_MS = 5000

/**
 * POSTs each push as JSON: whoever receives it sends it on to the device. 2xx: accepted; 410: the token is dead; everything else,
 * redirects too, which are not followed: failed, with `Retry-After` when it says so.
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
      return withDeadline(options, async (signal) => {
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

async function withDeadline(
  { clock, timeoutMs = DEFAULT_TIMEOUT_MS }: WebhookOptions,
  post: (signal: AbortSignal) => Promise<PushResult>,
): Promise<PushResult> {
  const controller = new AbortController()
  const timer = clock.after(timeoutMs, () => controller.abort())
  try {
    return await post(controller.signal)
  } catch {
    // The reason may quote the request; what it was for is enough.
    const error = controller.signal.aborted ? `no answer within ${timeoutMs} ms` : 'the webhook could not be reached'
    return { outcome: 'failed', error }
  } finally {
    timer.cancel()
  }
}

function resultOf(response: Response, now: number): PushResult {
  if (response.ok) return { outcome: 'accepted' }
  const error = `the webhook answered ${response.status}`
  if (response.status === 410) return { outcome: 'token_invalid', error }
  if (response.status >= 300 && response.status < 400) {
    return { outcome: 'failed', error: `${error}; redirects are not followed` }
  }
  const retryAfterSeconds = readRetryAfter(response.headers.get('retry-after'), now)
  return retryAfterSeconds === undefined
    ? { outcome: 'failed', error }
    : { outcome: 'failed', error, retryAfterSeconds }
}

/** Seconds, or a date (RFC 9110 10.2.3). */
function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}
