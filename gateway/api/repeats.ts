/** Ids that are remembered at most: some ten megabytes. */
const DEFAULT_LIMIT = 65_536

/**
 * Does under each id once what is asked for, and answers as the first time when it is asked for again. What has failed is not remembered:
 * the next one tries again. When there are too many ids the oldest are forgotten.
 */
export class Repeats<T> {
  readonly #keepMs: number
  readonly #limit: number
  /** In the order of their end. */
  readonly #answers = new Map<string, { answer: T | Promise<T>; until: number }>()

  /** @param keepMs milliseconds for which an id is remembered after its last use */
  constructor(keepMs: number, limit: number = DEFAULT_LIMIT) {
    this.#keepMs = keepMs
    this.#limit = limit
  }

  get size(): number {
    return this.#answers.size
  }

  /** @param now milliseconds since the epoch */
  async once(id: string, now: number, work: () => Promise<T>): Promise<T> {
    this.#forget(now)
    const known = this.#answers.get(id)
    const answer = known?.answer ?? work()
    this.#remember(id, answer, now)
    try {
      const result = await answer
      if (!known) this.#remember(id, result, now)
      return result
    } catch (error) {
      this.#answers.delete(id)
      throw error
    }
  }

  #remember(id: string, answer: T | Promise<T>, now: number): void {
    this.#answers.delete(id)
    this.#answers.set(id, { answer, until: now + this.#keepMs })
  }

  #forget(now: number): void {
    for (const [id, { until }] of this.#answers) {
      if (until > now && this.#answers.size < this.#limit) return
      this.#answers.delete(id)
    }
  }
}
