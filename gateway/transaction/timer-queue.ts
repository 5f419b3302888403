import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { PendingTimer, TimerLines } from './timer-lines.ts'

/** Whoever is called back: one method for all its timers, told apart by `kind`, so that a timer costs no closure. */
export interface TimerOwner<Kind extends string = string> {
  onTimer(kind: Kind): void
}

/** A running timer, to be given to `stop`. Of no other use. */
export type TimerHandle = PendingTimer

/**
 * Any number of timers on one clock timer. Starting and stopping cost the same however many there are, as long as they
 * share few distinct durations: SIP's timers are multiples of T1, so each duration has one queue in order of its due times.
 */
export interface TimerQueue {
  /** Timers that are running. */
  readonly size: number
  /** Milliseconds since the epoch, of the clock the timers run on. */
  now(): number
  /**
   * Calls `owner.onTimer(kind)` once, in `durationMs`, never during this call (0: the next turn). Timers fire in order of
   * their due times, then of their start.
   * @throws RangeError when `durationMs` is negative or no finite number
   */
  start<Kind extends string>(durationMs: number, owner: TimerOwner<Kind>, kind: Kind): TimerHandle
  /** Stops a timer. Returns whether it was running; harmless when it has fired or was stopped before. */
  stop(handle: TimerHandle | undefined): boolean
}

export interface TimerQueueOptions {
  /** How late a timer may fire so that several fire together, in milliseconds; default 0. */
  slackMs?: number
}

/** Node's setTimeout fires at once beyond this; waking too early does no harm. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1

export function createTimerQueue(clock: Clock, options: TimerQueueOptions = {}): TimerQueue {
  return new Queue(clock, options.slackMs ?? 0)
}

class Queue implements TimerQueue {
  size = 0
  readonly #clock: Clock
  readonly #slackMs: number
  readonly #lines = new TimerLines()
  readonly #wake = () => this.#fireDue()
  #started = 0
  #sleep: Timer | undefined
  /** When the clock timer wakes this queue: Infinity when it is not set, -Infinity while timers fire. */
  #wakesAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock, slackMs: number) {
    this.#clock = clock
    this.#slackMs = slackMs
  }

  now(): number {
    return this.#clock.now()
  }

  start<Kind extends string>(durationMs: number, owner: TimerOwner<Kind>, kind: Kind): TimerHandle {
    if (!(durationMs >= 0 && durationMs < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`durationMs: expected a finite number from 0, got ${durationMs}`)
    }
    const now = this.#clock.now()
    const timer = new PendingTimer(now + durationMs, ++this.#started, owner as TimerOwner, kind)
    this.#lines.append(timer, durationMs)
    this.size++
    if (timer.dueMs + this.#slackMs < this.#wakesAt) this.#sleepUntil(timer.dueMs + this.#slackMs, now)
    return timer
  }

  stop(handle: TimerHandle | undefined): boolean {
    if (handle?.line === undefined) return false
    this.#take(handle)
    if (this.size === 0 && this.#sleep !== undefined) this.#stopSleeping()
    return true
  }

  #take(timer: PendingTimer): void {
    this.#lines.remove(timer)
    this.size--
  }

  /** Fires what is due and was started before this turn, then sets the clock timer again, also when an owner throws. */
  #fireDue(): void {
    const now = this.#clock.now()
    const newest = this.#started
    this.#sleep = undefined
    this.#wakesAt = Number.NEGATIVE_INFINITY
    try {
      for (let timer = this.#due(now, newest); timer; timer = this.#due(now, newest)) {
        this.#take(timer)
        timer.owner.onTimer(timer.kind)
      }
    } finally {
      this.#wakesAt = Number.POSITIVE_INFINITY
      const first = this.#lines.first
      if (first) this.#sleepUntil(first.dueMs + this.#slackMs, this.#clock.now())
    }
  }

  #due(now: number, newest: number): PendingTimer | undefined {
    const first = this.#lines.first
    return first && first.dueMs <= now && first.order <= newest ? first : undefined
  }

  #sleepUntil(wakesAt: number, now: number): void {
    this.#sleep?.cancel()
    this.#wakesAt = wakesAt
    this.#sleep = this.#clock.after(Math.min(Math.max(0, wakesAt - now), LONGEST_SLEEP_MS), this.#wake)
  }

  #stopSleeping(): void {
    this.#sleep?.cancel()
    this.#sleep = undefined
    this.#wakesAt = Number.POSITIVE_INFINITY
  }
}
