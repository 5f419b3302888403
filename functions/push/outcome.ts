import type { PushResult } from '../contract/push.ts'

/** What becomes of a push, in the terms of the contract. */

/** @param retryAfterSeconds absent: trying again is of no use; 0: when the sender likes */
export function failed(error: string, retryAfterSeconds?: number): PushResult {
  return retryAfterSeconds === undefined
    ? { outcome: 'failed', error }
    : { outcome: 'failed', error, retryAfterSeconds }
}

export function tokenInvalid(error: string): PushResult {
  return { outcome: 'token_invalid', error }
}

export function unsupported(error: string): PushResult {
  return { outcome: 'unsupported', error }
}

/**
 * Of a response that says no: `Retry-After`, or `otherwise` where the status is one after which a new try may help.
 * @param now milliseconds since the epoch
 */
export function retryAfter(status: number, header: string | null, now: number, otherwise = 0): number | undefined {
  if (status < 500 && !RETRIED.includes(status)) return undefined
  return readRetryAfter(header, now) ?? otherwise
}

/** Too slow, too early, too many. */
const RETRIED = [408, 425, 429]

/** Seconds, or a date (RFC 9110 10.2.3). */
function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}
