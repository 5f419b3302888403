import type { PushResult } from '../contract/push.ts'
import { SIGNATURE_TOLERANCE_SECONDS } from '../contract/sign.ts'

/** Messages that are remembered at most: some ten megabytes. */
const DEFAULT_LIMIT = 100_000

interface Remembered {
  /** When it was signed, seconds since the epoch. */
  timestamp: number
  result: Promise<PushResult>
}

/**
 * A signed push that comes again wakes nobody again, whether its answer was lost or somebody has captured it: it gets the answer of before,
 * for as long as its signature is good. What has failed is tried once more.
 */
export class Repeats {
  readonly #limit: number
  /** By `webhook-id`, the oldest first. */
  readonly #remembered = new Map<string, Remembered>()

  /** @param limit messages that are remembered; the oldest are forgotten first */
  constructor(limit: number = DEFAULT_LIMIT) {
    this.#limit = limit
  }

  /**
   * @param id        names the message: the same on every try
   * @param timestamp when it was signed, seconds since the epoch; it has been verified
   * @param now       milliseconds since the epoch
   * @param send      has to settle, and does not reject
   */
  once(id: string, timestamp: number, now: number, send: () => Promise<PushResult>): Promise<PushResult> {
    const before = this.#remembered.get(id)
    if (before) {
      // Either signature may come again.
      before.timestamp = Math.max(before.timestamp, timestamp)
      return before.result
    }
    this.#sweep(now / 1000)
    const result = send()
    this.#remembered.set(id, { timestamp, result })
    void result.then(({ outcome }) => {
      if (outcome === 'failed' && this.#remembered.get(id)?.result === result) this.#remembered.delete(id)
    })
    return result
  }

  #sweep(nowSeconds: number): void {
    for (const [id, { timestamp }] of this.#remembered) {
      const isOld = timestamp < nowSeconds - SIGNATURE_TOLERANCE_SECONDS
      if (!isOld && this.#remembered.size < this.#limit) return
      this.#remembered.delete(id)
    }
  }
}
