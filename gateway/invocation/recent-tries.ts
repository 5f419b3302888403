/** How many of the last tries have failed. */
export class RecentTries {
  failures = 0
  readonly #failed: Uint8Array
  #next = 0

  constructor(size: number) {
    this.#failed = new Uint8Array(size)
  }

  add(failed: boolean): void {
    // The everyday case: nothing has failed, and nothing has to be forgotten.
    if (!failed && this.failures === 0) return
    this.failures += Number(failed) - this.#failed[this.#next]!
    this.#failed[this.#next] = Number(failed)
    this.#next = (this.#next + 1) % this.#failed.length
  }

  clear(): void {
    this.#failed.fill(0)
    this.failures = 0
  }
}
