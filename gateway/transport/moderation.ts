/**
 * Receive moderation, as network cards do it: when datagrams come in quick succession, each of them would wake the process, and a wake-up
 * costs more than what is done in it. Above a rate the event loop therefore turns only once in a period: what is left of the period after
 * a turn that received something is rested, so that the next turn finds several datagrams and handles them in one go. Below the rate
 * nothing is delayed, and a turn that works for longer than the period, on whatever it be, is followed by no rest.
 */
export interface ModerationOptions {
  /** Datagrams a second from which the loop rests; default 6,000. */
  fromRate: number
  /** Milliseconds from the end of one turn to the end of the next: what anything is delayed by at most; default 1. */
  periodMs: number
  /** Milliseconds over which the rate is measured; default 50. */
  windowMs: number
}

export const defaultModeration: ModerationOptions = { fromRate: 6000, periodMs: 1, windowMs: 50 }

/** What the process gives: a monotonic clock in milliseconds, a call at the end of the turn, a way to rest. */
export interface LoopControl {
  now(): number
  endOfTurn(action: () => void): void
  rest(ms: number): void
}

export class Moderation {
  readonly #options: ModerationOptions
  readonly #loop: LoopControl
  readonly #onEndOfTurn = () => this.#endTurn()
  #isDue = false
  #isBusy = false
  #count = 0
  #windowStart: number
  #periodEnd: number

  constructor(options: ModerationOptions, loop: LoopControl) {
    this.#options = options
    this.#loop = loop
    this.#windowStart = loop.now()
    this.#periodEnd = this.#windowStart
  }

  /** A datagram has come. */
  received(): void {
    this.#count++
    if (this.#isDue) return
    this.#isDue = true
    this.#loop.endOfTurn(this.#onEndOfTurn)
  }

  #endTurn(): void {
    this.#isDue = false
    const now = this.#loop.now()
    this.#measure(now)
    const rest = this.#isBusy ? Math.max(0, this.#periodEnd - now) : 0
    if (rest > 0) this.#loop.rest(rest)
    this.#periodEnd = now + rest + this.#options.periodMs
  }

  #measure(now: number): void {
    const elapsed = now - this.#windowStart
    if (elapsed < this.#options.windowMs) return
    this.#isBusy = (this.#count * 1000) / elapsed >= this.#options.fromRate
    this.#count = 0
    this.#windowStart = now
  }
}

const cell = new Int32Array(new SharedArrayBuffer(4))

/** This process: resting blocks its thread and costs no CPU. */
export const processLoop: LoopControl = {
  now: () => performance.now(),
  endOfTurn: (action) => void setImmediate(action),
  rest: (ms) => void Atomics.wait(cell, 0, 0, ms),
}
