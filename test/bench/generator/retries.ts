import { performance } from 'node:perf_hooks'

const SWEEP_MS = 50

/**
 * Things to look at again after one fixed interval, as a queue: what is added last is due last. `again` says whether it is still
 * unanswered and stays.
 */
export class Retries<Item> {
  #queue: { item: Item; due: number }[] = []
  readonly #intervalMs: number
  readonly #again: (item: Item) => boolean
  readonly #timer: NodeJS.Timeout

  constructor(intervalMs: number, again: (item: Item) => boolean) {
    this.#intervalMs = intervalMs
    this.#again = again
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS)
  }

  add(item: Item): void {
    this.#queue.push({ item, due: performance.now() + this.#intervalMs })
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #sweep(): void {
    const now = performance.now()
    const later = this.#queue.findIndex(({ due }) => due > now)
    const ripe = this.#queue.splice(0, later < 0 ? this.#queue.length : later)
    for (const { item } of ripe) if (this.#again(item)) this.add(item)
  }
}
