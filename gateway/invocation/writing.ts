import type { TimerHandle, TimerQueue } from '../transaction/timer-queue.ts'

/** A call of which the store lacks something. */
export interface Unwritten {
  /** Gives the store what it lacks. @returns whether it has taken it; what it has not taken has been added here again */
  writeAgain(): Promise<boolean>
}

/** What the store did not take is given to it again after this, in milliseconds, until it does. */
const RETRY_MS = 1000
/**
 * So many calls are written at once, as fast as the store takes them: thousands of them neither flood it nor keep others from it for more
 * than a few milliseconds.
 */
const AT_ONCE = 32

/** Calls that have to be written again, of the whole gateway: those the store did not take, and all when it has lost them. */
export class Writing {
  readonly #due = new Set<Unwritten>()
  readonly #timers: TimerQueue
  readonly #areOurs: () => boolean
  #timer: TimerHandle | undefined
  #isAtWork = false
  /** More has to be written now when what is at work is through. */
  #isMore = false

  /** @param areOurs whether the calls are certainly this gateway's: until then nothing is written over what another one may have written */
  constructor(timers: TimerQueue, areOurs: () => boolean = () => true) {
    this.#timers = timers
    this.#areOurs = areOurs
  }

  /** How many are waiting. */
  get size(): number {
    return this.#due.size
  }

  /** The store has just failed to take it: later. */
  add(call: Unwritten): void {
    this.#due.add(call)
    this.#later()
  }

  /** The store is there, and lacks them: now. */
  addAll(calls: Iterable<Unwritten>): void {
    for (const call of calls) this.#due.add(call)
    this.#isMore = true
    void this.#work()
  }

  delete(call: Unwritten): void {
    this.#due.delete(call)
    if (this.#due.size > 0) return
    this.#timers.stop(this.#timer)
    this.#timer = undefined
  }

  onTimer(): void {
    this.#timer = undefined
    void this.#work()
  }

  #later(): void {
    if (this.#isAtWork || this.#due.size === 0) return
    this.#timer ??= this.#timers.start(RETRY_MS, this, 'store again')
  }

  /** Each once. When as many have failed as go at once, the store is away, and the others wait with them: they are the first next time. */
  async #work(): Promise<void> {
    if (this.#isAtWork) return
    if (!this.#areOurs()) return this.#later()
    this.#isAtWork = true
    this.#isMore = false
    const calls = [...this.#due].values()
    let failures = 0
    const worker = async () => {
      for (let next = calls.next(); !next.done && failures < AT_ONCE; next = calls.next()) {
        if (!this.#due.delete(next.value)) continue
        if (!(await next.value.writeAgain())) failures++
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, this.#due.size) }, worker))
    this.#isAtWork = false
    if (this.#isMore) void this.#work()
    else this.#later()
  }
}
