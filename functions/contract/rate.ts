import type { Clock } from './clock.ts'

/** So many in a row, and then one each `perMs / count`. */
export interface Rate {
  count: number
  perMs: number
}

/** Of so many at most it is remembered what they have used; who has not been heard of longest begins anew. */
const MAX_KEYS = 100_000

/** A token bucket for each of many. */
export class RateLimit {
  readonly #rate: Rate
  readonly #clock: Clock
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  /** @param rate undefined: no limit */
  constructor(rate: Rate | undefined, clock: Clock) {
    this.#rate = rate ?? { count: Number.POSITIVE_INFINITY, perMs: 1 }
    this.#clock = clock
  }

  /** Whether there is one left, which is taken then. */
  take(key: string): boolean {
    const { count, perMs } = this.#rate
    if (count === Number.POSITIVE_INFINITY) return true
    const now = this.#clock.now()
    const bucket = this.#buckets.get(key) ?? { tokens: count, at: now }
    const tokens = Math.min(count, bucket.tokens + ((now - bucket.at) * count) / perMs)
    const isAllowed = tokens >= 1
    this.#buckets.delete(key)
    this.#buckets.set(key, { tokens: isAllowed ? tokens - 1 : tokens, at: now })
    if (this.#buckets.size > MAX_KEYS) this.#buckets.delete(this.#buckets.keys().next().value!)
    return isAllowed
  }
}
