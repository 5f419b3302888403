/**
 * Which of the final responses a proxy sends on when every branch has failed.
 * @see RFC 3261 16.7 step 6
 */

/** Within 4xx: responses that tell the caller how to try again, then what a device said, then that nothing was there to say. */
const RANK_4XX = new Map<number, number>([
  [401, 0],
  [407, 0],
  [415, 1],
  [420, 1],
  [484, 1],
  [486, 3],
  [404, 5],
  [410, 5],
  [480, 6],
  [430, 7],
  [487, 8],
  [408, 9],
])

/**
 * @param statuses final statuses of the failed branches, each 300 to 699
 * @returns index of the best one, -1 for an empty list. 6xx beats all; then the lowest class; within 4xx see above.
 */
export function bestResponse(statuses: readonly number[]): number {
  let best = -1
  for (let index = 0; index < statuses.length; index++) {
    if (best < 0 || rank(statuses[index]!) < rank(statuses[best]!)) best = index
  }
  return best
}

function rank(status: number): number {
  const family = Math.floor(status / 100)
  if (family === 6) return 0
  return family * 100 + (family === 4 ? (RANK_4XX.get(status) ?? 4) : status === 503 ? 1 : 0)
}
