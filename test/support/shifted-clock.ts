import type { Clock, Timer } from '../../functions/contract/clock.ts'

/** Real time that can be set forward: for programs that have a clock of their own. Timers run in real time. */
export class ShiftedClock implements Clock {
  #shift = 0

  now(): number {
    return Date.now() + this.#shift
  }

  after(ms: number, action: () => void): Timer {
    const timer = setTimeout(action, ms)
    return { cancel: () => clearTimeout(timer) }
  }

  /** Short times pass really, of longer ones the rest is skipped. */
  async pass(ms: number, atMostMs = 300): Promise<void> {
    const real = Math.min(ms, atMostMs)
    this.#shift += ms - real
    await new Promise((resolve) => setTimeout(resolve, real))
  }
}
