import { bounded } from '../../functions/contract/bounded.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import { readOctets } from '../../functions/contract/read-body.ts'
import { createSigner } from '../../functions/contract/sign.ts'
import type { DeliveryOutcome, OutgoingDelivery, Sink } from './sink.ts'

export interface WebhookSinkParts {
  /** Reaches only what may be reached, and the very address that was looked at. */
  fetch: typeof fetch
  clock: Clock
}

/** Milliseconds a receiver may take. */
const TIMEOUT_MS = 10_000
/** Of what it answers nothing is wanted: so much is read to keep the connection. */
const MAX_ANSWER_BYTES = 16_384

/**
 * `POST` of the CloudEvent, signed as Standard Webhooks has it. Redirects are not followed: who answers one has not taken the event.
 * @see https://www.standardwebhooks.com
 */
export function webhookSink({ fetch, clock }: WebhookSinkParts): Sink {
  return {
    kind: 'url',
    async deliver({ id, body, secret, target }: OutgoingDelivery): Promise<DeliveryOutcome> {
      try {
        return await bounded(clock, TIMEOUT_MS, async (signal) => {
          const signature = await createSigner(secret).sign(id, body, clock.now())
          const headers = { 'content-type': 'application/cloudevents+json', 'user-agent': 'rouse', ...signature }
          const response = await fetch(target.url!, { method: 'POST', headers, body, redirect: 'manual', signal })
          void readOctets(response, MAX_ANSWER_BYTES).catch(() => undefined)
          return outcomeOf(response, clock.now())
        })
      } catch (error) {
        return { outcome: 'failed', error: reasonOf(error) }
      }
    },
  }
}

function outcomeOf({ status, headers }: Response, now: number): DeliveryOutcome {
  if (status >= 200 && status < 300) return { outcome: 'delivered' }
  if (status === 410) return { outcome: 'gone', error: 'answered 410' }
  const error =
    status >= 300 && status < 400 ? `answered ${status}, and redirects are not followed` : `answered ${status}`
  const retryAfterMs = retryAfter(headers.get('retry-after'), now)
  return retryAfterMs === undefined ? { outcome: 'failed', error } : { outcome: 'failed', error, retryAfterMs }
}

/** Seconds, or a date (RFC 9110 10.2.3). */
function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return ms > 0 ? ms : undefined
}

/** The cause says more than that a fetch has failed; neither holds more than a host. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  return cause instanceof Error ? cause.message || (cause as { code?: string }).code || cause.name : String(cause)
}
