export interface RememberedOptions<T> {
  /** Milliseconds since the epoch. */
  now(): number
  /** Ids that are remembered at most; the oldest are forgotten first. */
  limit: number
  /** Whether a result stands for whoever asks again; after one that does not the next one tries. */
  stands(result: T): boolean
}

/** What came of recent work, by its id, in this process: whoever asks for it again, also while it is under way, gets the same. */
export class Remembered<T> {
  readonly #options: RememberedOptions<T>
  /** The one that was asked for last comes last. */
  readonly #results = new Map<string, { result: T | Promise<T>; until: number }>()

  constructor(options: RememberedOptions<T>) {
    this.#options = options
  }

  get size(): number {
    return this.#results.size
  }

  /**
   * @param until how long it is remembered, milliseconds since the epoch; asked when it begins and when it has come to its end
   * @param make  the work; when it rejects nothing is remembered
   */
  async once(id: string, until: () => number, make: () => Promise<T>): Promise<T> {
    this.#forget()
    const known = this.#results.get(id)
    const result = known?.result ?? make()
    this.#remember(id, result, until())
    try {
      const settled = await result
      if (!this.#options.stands(settled)) this.#forgetResult(id, result)
      else if (!known) this.#remember(id, settled, until())
      return settled
    } catch (error) {
      this.#forgetResult(id, result)
      throw error
    }
  }

  /** Never for a shorter time than before. */
  #remember(id: string, result: T | Promise<T>, until: number): void {
    const before = this.#results.get(id)?.until ?? until
    this.#results.delete(id)
    this.#results.set(id, { result, until: Math.max(before, until) })
    if (this.#results.size > this.#options.limit) this.#results.delete(this.#results.keys().next().value!)
  }

  /** Unless somebody has begun anew. */
  #forgetResult(id: string, result: T | Promise<T>): void {
    if (this.#results.get(id)?.result === result) this.#results.delete(id)
  }

  #forget(): void {
    const now = this.#options.now()
    for (const [id, { until }] of this.#results) {
      if (until > now) return
      this.#results.delete(id)
    }
  }
}
