import type { TimerHandle, TimerQueue } from './timer-queue.ts'

/** They go together, not each on its own millisecond. */
const GRAIN_MS = 50
/** How many expired places the queue may hold before it is cut. */
const SLACK = 1024

/**
 * What is left of transactions that are over for their users but not for the network: a key, what a repeat of it is answered with, and when
 * it may be forgotten. There are half a minute's worth of them (64*T1), so each has to be small, and one timer serves them all.
 */
export class Remnants<Value> {
  readonly #timers: TimerQueue
  readonly #lifeMs: number
  readonly #values = new Map<string, Value>()
  /** Keys in the order of their end, and these ends: monotonic, since all live equally long. */
  #keys: string[] = []
  #ends: number[] = []
  #first = 0
  #timer: TimerHandle | undefined

  /** @param lifeMs how long each is kept */
  constructor(timers: TimerQueue, lifeMs: number) {
    this.#timers = timers
    this.#lifeMs = lifeMs
  }

  get size(): number {
    return this.#values.size
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  add(key: string, value: Value): void {
    this.#values.set(key, value)
    this.#keys.push(key)
    this.#ends.push(this.#timers.now() + this.#lifeMs)
    this.#timer ??= this.#timers.start(this.#lifeMs, this, 'remnants')
  }

  delete(key: string): void {
    this.#values.delete(key)
  }

  onTimer(): void {
    this.#timer = undefined
    const now = this.#timers.now()
    while (this.#first < this.#keys.length && this.#ends[this.#first]! <= now)
      this.#values.delete(this.#keys[this.#first++]!)
    this.#cut()
    if (this.#first < this.#keys.length)
      this.#timer = this.#timers.start(Math.max(GRAIN_MS, this.#ends[this.#first]! - now), this, 'remnants')
  }

  #cut(): void {
    if (this.#first < SLACK && this.#first < this.#keys.length) return
    this.#keys = this.#keys.slice(this.#first)
    this.#ends = this.#ends.slice(this.#first)
    this.#first = 0
  }
}
