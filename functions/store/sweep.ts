import type { Clock, Timer } from '../contract/clock.ts'

/** At most one sweep in this time, however many things expire. */
const PERIOD_MS = 1000

/**
 * One timer for everything that expires: armed for the next expiry while something is there, and not at all otherwise.
 */
export class Sweep {
  #timer: Timer | undefined
  #armedFor = Number.POSITIVE_INFINITY
  #closed = false
  readonly #clock: Clock
  readonly #sweep: (now: number) => number

  /** @param sweep clears away what has expired and returns when the next thing will, `Infinity` for never */
  constructor(clock: Clock, sweep: (now: number) => number) {
    this.#clock = clock
    this.#sweep = sweep
  }

  /** Something expires at `at` (milliseconds since the epoch): see to it that a sweep comes no later than about then. */
  notice(at: number): void {
    if (at >= this.#armedFor || this.#closed) return
    const now = this.#clock.now()
    const due = Math.max(at, now + PERIOD_MS)
    if (due >= this.#armedFor) return
    this.#timer?.cancel()
    this.#armedFor = due
    this.#timer = this.#clock.after(due - now, () => this.#run())
  }

  close(): void {
    this.#closed = true
    this.#disarm()
  }

  #run(): void {
    this.#disarm()
    const next = this.#sweep(this.#clock.now())
    if (next !== Number.POSITIVE_INFINITY) this.notice(next)
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#armedFor = Number.POSITIVE_INFINITY
  }
}
