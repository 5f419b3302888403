import type { Clock } from '../../functions/contract/clock.ts'
import { step } from '../transaction/machine.ts'
import { BREAKER, type BreakerEffect, type BreakerInput, type BreakerState } from './breaker-table.ts'
import { RecentTries } from './recent-tries.ts'

export interface BreakerOptions {
  /** How many of the last `tries` have to fail for the circuit to open; 1 to `tries`. `Infinity`: it never does. Default 10. */
  failures: number
  /** Default 20. */
  tries: number
  /** Milliseconds nobody asks at first; default 1000. Doubled whenever a probe fails. */
  restMs: number
  /** Default 30,000. */
  maxRestMs: number
  /** So many have to succeed for the circuit to close, and no more are under way before it has; default 3. */
  probes: number
}

export const DEFAULT_BREAKER: BreakerOptions = { failures: 10, tries: 20, restMs: 1000, maxRestMs: 30_000, probes: 3 }

/** The longest that a function may ask to be left alone for, in milliseconds. */
const LONGEST_RETRY_AFTER_MS = 60_000

/** Counts what tries come to, and says whether there may be more. It keeps no timer: time is read when somebody wants to try. */
export class Breaker {
  /** Names the present state among all: a try belongs to the one it began in. */
  epoch = 0
  readonly #options: BreakerOptions
  readonly #clock: Clock
  readonly #onChange: (to: BreakerState) => void
  readonly #recent: RecentTries
  #state: BreakerState = 'closed'
  #restMs = 0
  #restsUntil = 0
  /** Of the half-open state: tries that were let through, and those of them that have succeeded. */
  #probes = 0
  #succeeded = 0

  constructor(options: BreakerOptions, clock: Clock, onChange: (to: BreakerState) => void) {
    this.#options = options
    this.#clock = clock
    this.#onChange = onChange
    this.#recent = new RecentTries(options.tries)
  }

  get state(): BreakerState {
    return this.#state
  }

  /** @returns the epoch the try belongs to; undefined: not now */
  admit(): number | undefined {
    if (this.#state === 'open') {
      if (this.#clock.now() < this.#restsUntil) return undefined
      this.#take('rested')
    }
    if (this.#state === 'half-open' && ++this.#probes > this.#options.probes) {
      this.#probes--
      return undefined
    }
    return this.epoch
  }

  succeeded(epoch: number): void {
    if (epoch !== this.epoch) return
    if (this.#state === 'closed') this.#recent.add(false)
    else this.#take(++this.#succeeded === this.#options.probes ? 'last success' : 'success')
  }

  /** @param retryAfterMs how long the function has asked to be left alone; 0: it has not */
  failed(epoch: number, retryAfterMs: number): void {
    if (epoch !== this.epoch) return
    if (this.#state === 'closed') {
      this.#recent.add(true)
      if (this.#recent.failures >= this.#options.failures) this.#take('last failure', retryAfterMs)
    } else this.#take('failure', retryAfterMs)
  }

  /** The try has come to nothing that says how the function is: its caller has given up. */
  abandoned(epoch: number): void {
    if (epoch === this.epoch && this.#state === 'half-open') this.#probes--
  }

  #take(input: BreakerInput, retryAfterMs = 0): void {
    const row = step(BREAKER, this.#state, input)
    for (const effect of row?.do ?? []) this.#perform(effect, retryAfterMs)
    if (row?.to === undefined) return
    this.#state = row.to
    this.epoch++
    this.#probes = 0
    this.#succeeded = 0
    this.#onChange(row.to)
  }

  #perform(effect: BreakerEffect, retryAfterMs: number): void {
    if (effect === 'forget') return this.#recent.clear()
    const { restMs, maxRestMs } = this.#options
    this.#restMs = effect === 'rest' ? restMs : Math.min(this.#restMs * 2, maxRestMs)
    this.#restsUntil = this.#clock.now() + Math.max(this.#restMs, Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS))
  }
}
