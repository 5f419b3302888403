import type { Clock, Timer } from '../contract/clock.ts'
import type { Delivery } from './store.ts'

type Receive = (deliveries: Delivery[]) => void

interface Inbox {
  readonly receivers: Set<Receive>
  waiting: Delivery[]
  /** The run that will hand out what waits: a microtask, or a timer between two batches. */
  isScheduled: boolean
  timer: Timer | undefined
  /** Since when deliveries wait for a gateway that is not there. */
  absentSince: number
}

/**
 * One queue of deliveries per gateway. The first batch goes out in a microtask; between batches the event loop has a turn of its own,
 * so that one event with ten thousand waiters does not hold up everybody else.
 */
export class Inboxes {
  readonly #inboxes = new Map<string, Inbox>()
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
    inbox.waiting = this.#trim(inbox.waiting)
    this.#schedule(inbox)
    return () => this.#leave(gateway, inbox, receive)
  }

  /** Forgets what has waited for an absent gateway for `keepMs`. @returns when to look again, `Infinity` when nothing waits so */
  sweep(now: number, keepMs: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [gateway, inbox] of this.#inboxes) {
      if (inbox.receivers.size > 0) continue
      if (inbox.absentSince + keepMs <= now) this.#inboxes.delete(gateway)
      else next = Math.min(next, inbox.absentSince + keepMs)
    }
    return next
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
      inbox = { receivers: new Set(), waiting: [], isScheduled: false, timer: undefined, absentSince }
      this.#inboxes.set(gateway, inbox)
    }
    return inbox
  }

  #leave(gateway: string, inbox: Inbox, receive: Receive): void {
    inbox.receivers.delete(receive)
    if (inbox.receivers.size > 0) return
    inbox.absentSince = this.#clock.now()
    if (inbox.waiting.length === 0 && this.#inboxes.get(gateway) === inbox) this.#inboxes.delete(gateway)
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
    for (const receive of inbox.receivers) receive(batch)
    inbox.isScheduled = inbox.waiting.length > 0 && inbox.receivers.size > 0
    inbox.timer = inbox.isScheduled ? this.#clock.after(0, () => this.#hand(inbox)) : undefined
  }
}
