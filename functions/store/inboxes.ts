import type { Clock, Timer } from '../contract/clock.ts'
import type { Delivery, Receive } from './store.ts'

interface Inbox {
  readonly receivers: Set<Receive>
  waiting: Delivery[]
  /** The run that will hand out what waits: a microtask, or a timer between two batches. */
  isScheduled: boolean
  timer: Timer | undefined
  /** Since when deliveries wait for a gateway that is not there. */
  absentSince: number
  wasOpen: boolean
}

/**
 * One queue of deliveries per gateway. The first batch goes out in a microtask; between batches the event loop has a turn of its own,
 * so that one event with ten thousand waiters does not hold up everybody else.
 */
export class Inboxes {
  readonly #inboxes = new Map<string, Inbox>()
  /** Of gateways whose inbox is forgotten: when they were seen last. */
  readonly #seen = new Map<string, number>()
  readonly #clock: Clock
  readonly #batch: number
  readonly #limit: number

  /** @param limit how many deliveries may wait for a gateway that is not there; the oldest go first */
  constructor(clock: Clock, batch: number, limit: number) {
    this.#clock = clock
    this.#batch = batch
    this.#limit = limit
  }

  deliver(gateway: string, delivery: Delivery): void {
    const inbox = this.#inbox(gateway)
    inbox.waiting.push(delivery)
    if (inbox.receivers.size === 0 && inbox.waiting.length > this.#limit * 2) inbox.waiting = this.#trim(inbox.waiting)
    this.#schedule(inbox)
  }

  open(gateway: string, receive: Receive): () => void {
    const inbox = this.#inbox(gateway)
    inbox.receivers.add(receive)
    inbox.wasOpen = true
    inbox.waiting = this.#trim(inbox.waiting)
    this.#schedule(inbox)
    return () => this.#leave(inbox, receive)
  }

  /** When somebody last received what goes there, now if somebody does; 0 when nobody did. Milliseconds since the epoch. */
  lastSeen(gateway: string): number {
    const inbox = this.#inboxes.get(gateway)
    if (!inbox?.wasOpen) return this.#seen.get(gateway) ?? 0
    return inbox.receivers.size > 0 ? this.#clock.now() : inbox.absentSince
  }

  /** Forgets what waits for gateways that have been absent for `keepMs`. @returns when to look again, `Infinity` when none is absent */
  sweep(now: number, keepMs: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [gateway, inbox] of this.#inboxes) {
      if (inbox.receivers.size > 0) continue
      if (inbox.absentSince + keepMs <= now) this.#forget(gateway, inbox)
      else next = Math.min(next, inbox.absentSince + keepMs)
    }
    return next
  }

  #forget(gateway: string, { wasOpen, absentSince }: Inbox): void {
    if (wasOpen) this.#seen.set(gateway, absentSince)
    this.#inboxes.delete(gateway)
  }

  close(): void {
    for (const inbox of this.#inboxes.values()) {
      inbox.timer?.cancel()
      inbox.receivers.clear()
    }
    this.#inboxes.clear()
  }

  #inbox(gateway: string): Inbox {
    let inbox = this.#inboxes.get(gateway)
    if (!inbox) {
      const absentSince = this.#clock.now()
      inbox = { receivers: new Set(), waiting: [], isScheduled: false, timer: undefined, absentSince, wasOpen: false }
      this.#inboxes.set(gateway, inbox)
    }
    return inbox
  }

  #leave(inbox: Inbox, receive: Receive): void {
    if (inbox.receivers.delete(receive) && inbox.receivers.size === 0) inbox.absentSince = this.#clock.now()
  }

  #trim(waiting: Delivery[]): Delivery[] {
    return waiting.length > this.#limit ? waiting.slice(-this.#limit) : waiting
  }

  #schedule(inbox: Inbox): void {
    if (inbox.isScheduled || inbox.receivers.size === 0 || inbox.waiting.length === 0) return
    inbox.isScheduled = true
    queueMicrotask(() => this.#hand(inbox))
  }

  #hand(inbox: Inbox): void {
    if (inbox.receivers.size === 0) {
      inbox.isScheduled = false
      return
    }
    const batch = inbox.waiting.splice(0, this.#batch)
    for (const receive of inbox.receivers) void receive(batch)
    inbox.isScheduled = inbox.waiting.length > 0 && inbox.receivers.size > 0
    inbox.timer = inbox.isScheduled ? this.#clock.after(0, () => this.#hand(inbox)) : undefined
  }
}
