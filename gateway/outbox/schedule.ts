/** Pauses before the tries that follow a failure, a day altogether. Milliseconds. */
const PAUSES_MS = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800].map((seconds) => seconds * 1000)
/** Spread by so much either way. */
const JITTER = 0.2
/** A receiver may ask for a longer pause, up to this. Milliseconds. */
const LONGEST_MS = 8 * 3_600_000
/** A delivery that others have kept from being tried is given up with the first failure after this. Milliseconds. */
export const MAX_AGE_MS = 36 * 3_600_000

/** After so many failures in a row a receiver is asked by one delivery at a time, with pauses. */
export const RESTING_FAILURES = 3
const REST_MS = 2000
const LONGEST_REST_MS = 300_000

/**
 * How long to wait after the try of that number has failed.
 * @param attempts     tries so far, from 1
 * @param retryAfterMs what the receiver asks for
 * @param random       from 0 to 1
 * @returns undefined: it was the last
 */
export function pauseMs(attempts: number, retryAfterMs: number | undefined, random: number): number | undefined {
  const pause = PAUSES_MS[attempts - 1]
  if (pause === undefined) return undefined
  const spread = pause * (1 - JITTER + 2 * JITTER * random)
  return Math.round(Math.max(spread, Math.min(retryAfterMs ?? 0, LONGEST_MS)))
}

/** How long a receiver that goes on failing is left alone, whatever waits for it. */
export function restMs(failures: number): number {
  if (failures < RESTING_FAILURES) return 0
  return Math.min(REST_MS * 2 ** (failures - RESTING_FAILURES), LONGEST_REST_MS)
}
