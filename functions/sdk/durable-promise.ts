/** The promise of a durable verb: it tells when somebody waits for it. Unsettled, it is what suspends a handler. */
export class DurablePromise<T> extends Promise<T> {
  #onWatched: (() => void) | undefined

  /** Derived promises are plain ones. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  /** @param onWatched called when it is awaited, or given to `Promise.race` and the like; perhaps several times */
  static create<T>(onWatched: () => void): { promise: DurablePromise<T>; settle(outcome: Outcome): void } {
    let resolve!: (value: T) => void
    let reject!: (error: Error) => void
    const promise = new DurablePromise<T>((res, rej) => {
      resolve = res
      reject = rej
    })
    promise.#onWatched = onWatched
    return {
      promise,
      settle(outcome) {
        if (!('error' in outcome)) return resolve(outcome.value as T)
        // Whoever waits is told; that nobody waits is no unhandled rejection.
        Promise.prototype.then.call(promise, undefined, () => {})
        reject(outcome.error)
      },
    }
  }

  // biome-ignore lint/suspicious/noThenProperty: an await on a subclass of Promise calls its `then`; that is how waiting shows.
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#onWatched?.()
    return super.then(onFulfilled, onRejected)
  }
}

export type Outcome = { value: unknown } | { error: Error }
