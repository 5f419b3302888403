import type { Destination } from '../transport/types.ts'
import { KeyTable } from './key-table.ts'
import { TextQueue } from './text-queue.ts'
import type { TimerHandle, TimerQueue } from './timer-queue.ts'

/** They go together, not each on its own millisecond. */
const GRAIN_MS = 50
const NO_TEXT = -1

/** What is to be done when something comes again: `text` goes to `destination`; without a destination it is absorbed. */
export interface Remnant {
  text: string
  destination: Destination | undefined
}

/**
 * What is left of transactions that are over for their users but not for the network: a key, what a repeat of it is answered with, and when
 * it may be forgotten. There are half a minute's worth of them (64*T1), so each has to be small, and one timer serves them all. Keys and
 * texts are kept outside the heap: as strings they are most of what survives a call, and each collection copied them.
 */
export class Remnants {
  readonly #timers: TimerQueue
  readonly #lifeMs: number
  readonly #keys = new KeyTable<Destination>()
  readonly #texts = new TextQueue()
  #timer: TimerHandle | undefined

  /** @param lifeMs how long each is kept */
  constructor(timers: TimerQueue, lifeMs: number) {
    this.#timers = timers
    this.#lifeMs = lifeMs
  }

  get size(): number {
    return this.#keys.size
  }

  has(key: string): boolean {
    return this.#keys.find(key) >= 0
  }

  get(key: string): Remnant | undefined {
    const place = this.#keys.find(key)
    if (place < 0) return undefined
    const at = this.#keys.noteAt(place)
    return { text: at === NO_TEXT ? '' : this.#texts.read(at), destination: this.#keys.valueAt(place) }
  }

  /** @param text latin1; what a repeat is answered with when it stays the same */
  add(key: string, destination: Destination | undefined, text: string | undefined): void {
    const endsAt = this.#timers.now() + this.#lifeMs
    const at = text === undefined ? NO_TEXT : this.#texts.push(text, endsAt)
    this.#keys.add(key, at === undefined ? undefined : destination, at ?? NO_TEXT, endsAt)
    this.#timer ??= this.#timers.start(this.#lifeMs, this, 'remnants')
  }

  delete(key: string): void {
    this.#keys.delete(key)
  }

  onTimer(): void {
    const now = this.#timers.now()
    const next = this.#keys.expire(now)
    this.#texts.expire(now)
    const waitMs = Math.max(GRAIN_MS, next - now)
    this.#timer = Number.isFinite(next) ? this.#timers.start(waitMs, this, 'remnants') : undefined
  }
}
