/** What a test has started, to be stopped in the opposite order, whatever has failed meanwhile. */
export class Started {
  readonly #running: { stop(): Promise<void> }[] = []

  async keep<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
    const one = await starting
    this.#running.push(one)
    return one
  }

  /** Something that ends otherwise, or changes meanwhile. */
  add(stop: () => unknown): void {
    this.#running.push({ stop: async () => void (await stop()) })
  }

  /** Waits for all, also when one fails, so that none is left running. */
  async keepAll<const T extends readonly Promise<{ stop(): Promise<void> }>[]>(
    starting: T,
  ): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
    await Promise.allSettled(starting.map((one) => this.keep(one)))
    return Promise.all(starting) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>
  }

  /** Stops all; throws the first failure when all are stopped. */
  async stop(): Promise<void> {
    const failures: unknown[] = []
    for (const one of this.#running.splice(0).reverse()) await one.stop().catch((error) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }
}
