import type { Clock, IdSource, Timer } from '../contract/clock.ts'
import { afterMicrotasks } from '../sdk/drain.ts'

/** Virtual time: `advance` fires every timer on its way, in order of time and then of creation. */
export class VirtualClock implements Clock {
  #now: number
  #sequence = 0
  readonly #timers = new Map<number, { at: number; action: () => void }>()

  constructor(start = 0) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  get pending(): number {
    return this.#timers.size
  }

  after(ms: number, action: () => void): Timer {
    const id = ++this.#sequence
    this.#timers.set(id, { at: this.#now + Math.max(0, ms), action })
    return { cancel: () => void this.#timers.delete(id) }
  }

  /**
   * Moves time on by `ms`; after each timer everything it set off asynchronously settles before the next one fires.
   * @param settle how that is waited for
   */
  async advance(ms: number, settle: () => Promise<void> = settled): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#fire(next)
      await settle()
    }
    this.#now = end
  }

  /** The same without waiting for anything asynchronous. */
  advanceSync(ms: number): void {
    const end = this.#now + ms
    for (let next = this.#next(end); next; next = this.#next(end)) this.#fire(next)
    this.#now = end
  }

  #next(end: number): number | undefined {
    let best: number | undefined
    let at = Number.POSITIVE_INFINITY
    for (const [id, timer] of this.#timers) {
      if (timer.at <= end && timer.at < at) {
        best = id
        at = timer.at
      }
    }
    return best
  }

  #fire(id: number): void {
    const timer = this.#timers.get(id)!
    this.#timers.delete(id)
    this.#now = Math.max(this.#now, timer.at)
    timer.action()
  }
}

/** Lets promises, and whatever they set off, run out: turns of the event loop, no time passes. A replayed handler takes one for each await. */
export async function settled(turns = 8): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await oneTurn()
}

/** One turn of the event loop: every microtask has run. */
export function oneTurn(): Promise<void> {
  return new Promise((resolve) => afterMicrotasks(resolve))
}

/** Readable ids: `branch-1`, `tag-2`. */
export class CountingIds implements IdSource {
  readonly #counts = new Map<string, number>()

  next(kind: string): string {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    return `${kind}${count}`
  }
}
