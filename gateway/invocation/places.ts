import type { Clock } from '../../functions/contract/clock.ts'
import type { HostReply, InvokeOptions } from './host.ts'
import { PendingReply } from './invoker-pending.ts'
import { overloaded } from './invoker-reply.ts'

export interface PlacesOptions {
  /** Tries under way at once; default 256. A function in process that does not end in time does not keep its place. */
  running: number
  /** How many more may wait for a place, each within its own time; default 4096. */
  waiting: number
}

export const DEFAULT_PLACES: PlacesOptions = { running: 256, waiting: 4096 }
/** For functions in process: each is a step of this process's own, and turning calls away would spare nothing. */
export const UNLIMITED: PlacesOptions = { running: Number.POSITIVE_INFINITY, waiting: 0 }

/** Stands for a place, where the reply to a waiter could have been a refusal. */
const PLACE: HostReply = { kind: 'none' }

/** So many places, and a queue before them. A place is taken at once and without a promise while there are some. */
export class Places {
  running = 0
  readonly #options: PlacesOptions
  readonly #clock: Clock
  /** In the order in which they came; whoever gives up leaves it at once. */
  readonly #queue = new Set<PendingReply>()

  constructor(options: PlacesOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  get waiting(): number {
    return this.#queue.size
  }

  /** @returns whether there was a place */
  take(): boolean {
    if (this.running >= this.#options.running) return false
    this.running++
    return true
  }

  /** Gives a place back: to who has waited longest. */
  free(): void {
    if (this.#queue.size === 0) {
      this.running--
      return
    }
    const [next] = this.#queue
    this.#queue.delete(next!)
    next!.settle(PLACE)
  }

  /** Waits for a place that `take` has not had. @returns undefined when it has got one; else why not */
  async wait(options: InvokeOptions): Promise<HostReply | undefined> {
    const { running, waiting } = this.#options
    if (this.#queue.size >= waiting) return overloaded(`${running} invocations are under way and ${waiting} wait`)
    const pending = new PendingReply()
    pending.giveUp = () => void this.#queue.delete(pending)
    this.#queue.add(pending)
    pending.watch(this.#clock, options)
    const reply = await pending.promise
    if (reply === PLACE) return undefined
    const isLate = reply.kind === 'problem' && reply.problem.code === 'handler.timeout'
    return isLate ? overloaded(`none of the ${running} places became free within ${options.timeoutMs} ms`) : reply
  }

  /** Whoever waits gets this reply instead. */
  turnAway(reply: HostReply): void {
    const waiting = [...this.#queue]
    this.#queue.clear()
    for (const each of waiting) each.settle(reply)
  }
}
