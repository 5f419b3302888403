/**
 * Receive moderation, as network cards do it: when datagrams come in quick succession, each of them would wake the process, and a wake-up
 * costs more than what is done in it. Above a rate the event loop therefore turns only once in a period: what is left of the period after
 * a turn that received something is rested, so that the next turn finds several datagrams and handles them in one go. Below the rate
 * nothing is delayed, and a turn that works for longer than the period, on whatever it be, is followed by no rest.
 */
export interface ModerationOptions {
  /** Datagrams a second from which the loop rests; default 8,000, some 1,300 relayed calls a second. */
  fromRate: number
  /** Milliseconds from the end of one turn to the end of the next: what anything is delayed by at most; default 2. */
  periodMs: number
  /** Milliseconds over which the rate is measured; default 50. */
  windowMs: number
  /** A turn that received as many has left others behind, and does not rest; default 32, what Node reads of a socket in one turn. */
  mostInTurn: number
}

export const defaultModeration: ModerationOptions = { fromRate: 8000, periodMs: 2, windowMs: 50, mostInTurn: 32 }

export class Moderation {
  readonly #options: ModerationOptions
  #isBusy = false
  #count = 0
  #windowStart: number
  #periodEnd: number

  /** @param now monotonic milliseconds */
  constructor(options: ModerationOptions, now: number) {
    this.#options = options
    this.#windowStart = now
    this.#periodEnd = now
  }

  /** Milliseconds to rest after a turn that received so many datagrams. */
  endTurn(received: number, now: number): number {
    this.#measure(received, now)
    const rests = this.#isBusy && received > 0 && received < this.#options.mostInTurn
    const rest = rests ? Math.max(0, this.#periodEnd - now) : 0
    this.#periodEnd = now + rest + this.#options.periodMs
    return rest
  }

  #measure(received: number, now: number): void {
    this.#count += received
    const elapsed = now - this.#windowStart
    if (elapsed < this.#options.windowMs) return
    this.#isBusy = (this.#count * 1000) / elapsed >= this.#options.fromRate
    this.#count = 0
    this.#windowStart = now
  }
}
