import type { Delivery } from './delivery.ts'
import { RESTING_FAILURES, restMs } from './schedule.ts'
import { type Subscription, silence } from './subscription.ts'

/** Tries of one subscription at once, where the way there says nothing else. */
const PARALLEL = 8

/** What waits for one subscription: in order for each key, several keys at once, one at a time while its receiver fails. Decides, acts not. */
export class Lane {
  subscription: Subscription
  /** Of its record in the store. */
  rev: number
  /** Of the last delivery. */
  sequence = 0
  readonly #queues = new Map<string, Delivery[]>()
  readonly #busy = new Set<string>()
  readonly #all = new Set<Delivery>()
  #failures = 0
  #restUntil = 0

  constructor(subscription: Subscription, rev: number) {
    this.subscription = subscription
    this.rev = rev
  }

  /** How many wait or are under way. */
  get size(): number {
    return this.#all.size
  }

  /** When the oldest that waits came; undefined when none does. */
  get oldest(): number | undefined {
    let oldest: number | undefined
    for (const [{ queuedAt } = { queuedAt: 0 }] of this.#queues.values())
      oldest = Math.min(oldest ?? queuedAt, queuedAt)
    return oldest
  }

  /** Failures in a row, for people. */
  get failures(): number {
    return this.#failures
  }

  *deliveries(): Generator<Delivery> {
    for (const queue of this.#queues.values()) yield* queue
  }

  has(delivery: Delivery): boolean {
    return this.#all.has(delivery)
  }

  add(delivery: Delivery): void {
    const queue = this.#queues.get(delivery.key)
    if (queue) queue.push(delivery)
    else this.#queues.set(delivery.key, [delivery])
    this.#all.add(delivery)
  }

  /**
   * What is to be tried now, at most `limit`, and `parallel` with what is under way; each is under way from then on, until it is `settled`.
   * @returns and when to ask again, if nothing happens meanwhile
   */
  due(now: number, limit: number, parallel = PARALLEL): { due: Delivery[]; at: number | undefined } {
    if (silence(this.subscription, now) || this.#all.size === 0) return { due: [], at: undefined }
    if (this.#restUntil > now) return { due: [], at: this.#restUntil }
    const places = Math.min(limit, (this.#failures >= RESTING_FAILURES ? 1 : parallel) - this.#busy.size)
    const due: Delivery[] = []
    let at: number | undefined
    for (const [key, [head]] of this.#queues) {
      if (this.#busy.has(key)) continue
      if (head!.nextAt > now) at = Math.min(at ?? head!.nextAt, head!.nextAt)
      else if (due.length < places) due.push(head!)
    }
    for (const { key } of due) this.#busy.add(key)
    return { due, at }
  }

  /** A try has ended: it is done with, or the same one is to be tried again and keeps its place. */
  settled(delivery: Delivery, isDone: boolean): void {
    const { key } = delivery
    this.#busy.delete(key)
    const queue = this.#queues.get(key)
    if (queue?.[0] !== delivery) return
    this.#queues.delete(key)
    if (isDone) {
      queue.shift()
      this.#all.delete(delivery)
    }
    // Other keys have their turn first.
    if (queue.length > 0) this.#queues.set(key, queue)
  }

  succeeded(): void {
    this.#failures = 0
    this.#restUntil = 0
  }

  failed(now: number): void {
    this.#failures++
    this.#restUntil = now + restMs(this.#failures)
  }

  /** A receiver that was left alone is asked again at once. */
  rested(): void {
    this.#restUntil = 0
  }

  /** It is there again, for certain: no pause that it has caused is waited out. */
  back(): void {
    this.succeeded()
    for (const [head] of this.#queues.values()) head!.nextAt = 0
  }
}
