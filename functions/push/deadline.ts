import { bounded } from '../contract/bounded.ts'
import type { Clock } from '../contract/clock.ts'
import type { PushResult } from '../contract/push.ts'
import { failed } from './outcome.ts'

/** Milliseconds a push service may take. */
export const DEFAULT_TIMEOUT_MS = 5000

export interface Deadline {
  clock: Clock
  /** Milliseconds; default 5000. */
  timeoutMs?: number | undefined
}

/**
 * Asks a push service, which may be slow or away: both can be tried again. The reason may quote the request, and so the token: what was asked
 * is enough.
 * @param who what is asked, for people: `FCM`
 */
export async function withinDeadline(
  { clock, timeoutMs = DEFAULT_TIMEOUT_MS }: Deadline,
  who: string,
  ask: (signal: AbortSignal) => Promise<PushResult>,
): Promise<PushResult> {
  let isLate = false
  try {
    return await bounded(clock, timeoutMs, ask, () => {
      isLate = true
    })
  } catch (error) {
    if (isLate) return failed(`${who}: no answer within ${timeoutMs} ms`, 0)
    return error instanceof PushError ? error.result : failed(`${who} could not be reached`, 0)
  }
}

/** What a push comes to before its service was asked, or without it. */
export class PushError extends Error {
  readonly result: PushResult

  constructor(result: PushResult) {
    super(result.error)
    this.result = result
  }
}
