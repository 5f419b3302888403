import { SIGNATURE_TOLERANCE_SECONDS } from './sign.ts'

/** Messages that are remembered at most: some ten megabytes. */
const DEFAULT_LIMIT = 100_000

/**
 * Tells a signed message from its replay, for as long as its signature is good and in bounded memory: when that is full, the oldest are
 * forgotten, and whatever is not younger than these is taken for a replay.
 */
export class SeenMessages {
  readonly #limit: number
  /** By the second in which they were signed. */
  readonly #bySecond = new Map<number, Set<string>>()
  #size = 0
  /** What was signed before is not known any more, seconds since the epoch. */
  #knownSince = 0
  #sweptAt = 0

  /** @param limit messages that are remembered, from 1 */
  constructor(limit: number = DEFAULT_LIMIT) {
    this.#limit = limit
  }

  /** How many are remembered. */
  get size(): number {
    return this.#size
  }

  /**
   * @param key       what makes the message the one that it is
   * @param timestamp when it was signed, seconds since the epoch; it has been verified
   * @param now       milliseconds since the epoch
   * @returns whether it is new; a second time it is not
   */
  first(key: string, timestamp: number, now: number): boolean {
    this.#sweep(Math.floor(now / 1000))
    while (this.#size >= this.#limit) this.#forgetOldest()
    if (timestamp < this.#knownSince) return false
    const seen = this.#bySecond.get(timestamp) ?? new Set()
    if (seen.has(key)) return false
    this.#bySecond.set(timestamp, seen.add(key))
    this.#size++
    return true
  }

  /** Signatures that are too old need not be remembered: they are refused as such. */
  #sweep(nowSeconds: number): void {
    if (nowSeconds === this.#sweptAt) return
    this.#sweptAt = nowSeconds
    for (const second of this.#bySecond.keys()) {
      if (second < nowSeconds - SIGNATURE_TOLERANCE_SECONDS) this.#forget(second)
    }
  }

  #forgetOldest(): void {
    const oldest = Math.min(...this.#bySecond.keys())
    this.#forget(oldest)
    this.#knownSince = oldest + 1
  }

  #forget(second: number): void {
    this.#size -= this.#bySecond.get(second)!.size
    this.#bySecond.delete(second)
  }
}
