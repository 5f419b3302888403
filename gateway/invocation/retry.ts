/** Retries of calls that have failed at once are spread over this, in milliseconds, and over a quarter of what is left at most. */
const SPREAD_MS = 200
/** Nothing is asked that has less time than this to answer, in milliseconds. */
export const SHORTEST_TRY_MS = 50

/**
 * How long to wait before the second try, in milliseconds ("full jitter": anything from 0 to the spread).
 * @param leftMs what the first try has left of the budget
 * @param retryAfterMs how long the function has asked to be left alone
 * @param chance from 0 to 1
 * @returns undefined when too little would be left for an answer
 */
export function retryPauseMs(leftMs: number, retryAfterMs: number, chance: number): number | undefined {
  const pause = retryAfterMs + Math.floor(chance * Math.min(SPREAD_MS, leftMs / 4))
  return leftMs - pause >= SHORTEST_TRY_MS ? pause : undefined
}

/** Reads `Retry-After` (RFC 9110 10.2.3): seconds, or a date. In milliseconds from `now`; 0 when there is none that can be read. */
export function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return 0
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? 0 : Math.max(0, date - now)
}
