import type { RouseEvent } from '../contract/events.ts'
import { type FilterPlan, keyOf, matches, patternsOf, planFilter } from './filter.ts'
import type { StoredSubscription } from './store.ts'

/** Up to this many events are compared one by one; for more an index is worth its making. */
const SCAN_AT_MOST = 64
/** So many snapshots may be open before those that have lapsed are looked for. */
const OPEN_BEFORE_LAPSE = 1024
/** Pairs of pattern and filter shape that are indexed; further ones scan. */
const MAX_INDEXES = 256

/**
 * The last events, so that one raised between a snapshot and the subscription made from it still counts (no lost wake-up). They are kept
 * while there is such a snapshot, or was a moment ago.
 * Two generations: when the younger has had its time or its number, the older is dropped whole, so that an event stays for
 * `keepMs` to twice that (less only when more than `limit` events come in that time) and none is ever removed singly.
 */
export class RecentEvents {
  /** How many events were ever recorded: the position after the last one. */
  #position = 0
  #younger: Generation
  #older: Generation
  readonly #keepMs: number
  readonly #limit: number
  /** Snapshots that somebody may subscribe from, by their number: when they were taken, in that order. */
  readonly #open = new Map<number, number>()
  #snapshots = 0
  #keptUntil = Number.NEGATIVE_INFINITY

  constructor(keepMs: number, limit: number) {
    this.#keepMs = keepMs
    this.#limit = limit
    this.#younger = new Generation(0, 1)
    this.#older = new Generation(0, 1)
  }

  get position(): number {
    return this.#position
  }

  /** Events from now on are kept until `close`, for `keepMs` at most. @returns a number for `close` */
  open(now: number): number {
    if (this.#open.size >= OPEN_BEFORE_LAPSE) this.#lapse(now)
    this.#open.set(++this.#snapshots, now)
    return this.#snapshots
  }

  close(snapshot: number): void {
    this.#open.delete(snapshot)
  }

  /** Events from now on are kept for `keepMs`. */
  keep(now: number): void {
    this.#keptUntil = now + this.#keepMs
  }

  /** What nobody can ask for is counted, not kept: a call that is answered at once and waits for nothing leaves nothing behind. */
  record(event: RouseEvent, now: number): void {
    this.#position++
    if (now >= this.#keptUntil && !this.#isOpen(now)) return this.#forget(now)
    this.#turn(now)
    if (this.#younger.size === 0) this.#younger.start(now, this.#position)
    this.#younger.events.push(event)
  }

  #isOpen(now: number): boolean {
    if (this.#open.size === 0) return false
    this.#lapse(now)
    return this.#open.size > 0
  }

  #lapse(now: number): void {
    for (const [snapshot, takenAt] of this.#open) {
      if (now - takenAt < this.#keepMs) break
      this.#open.delete(snapshot)
    }
  }

  #forget(now: number): void {
    if (this.#younger.size > 0) this.#younger = new Generation(now, this.#position + 1)
    if (this.#older.size > 0) this.#older = new Generation(now, this.#position + 1)
  }

  /** Events after `position` that match the subscription, in order. */
  since(position: number, subscription: StoredSubscription): RouseEvent[] {
    if (position >= this.#position) return []
    const plan = planFilter(subscription.filter)
    const found: RouseEvent[] = []
    this.#older.find(position, subscription, plan, found)
    this.#younger.find(position, subscription, plan, found)
    return found
  }

  /** Drops what has been kept long enough. @returns when to call it next, `Infinity` when nothing is held */
  sweep(now: number): number {
    this.#turn(now)
    if (this.#younger.size > 0) return this.#younger.startedAt + this.#keepMs
    return this.#older.size > 0 ? this.#older.endedAt + this.#keepMs : Number.POSITIVE_INFINITY
  }

  #turn(now: number): void {
    const { size, startedAt } = this.#younger
    if (size > 0 && (now - startedAt >= this.#keepMs || size >= this.#limit / 2)) {
      this.#older = this.#younger
      this.#older.endedAt = now
      this.#younger = new Generation(now, this.#position + 1)
    } else if (this.#older.size > 0 && now - this.#older.endedAt >= this.#keepMs) {
      this.#older = new Generation(now, this.#position + 1)
    }
  }
}

class Generation {
  startedAt: number
  endedAt = 0
  /** In order; the first one has position `first`. */
  readonly events: RouseEvent[] = []
  #first: number
  readonly #indexes = new Map<string, EventIndex>()

  constructor(startedAt: number, first: number) {
    this.startedAt = startedAt
    this.#first = first
  }

  /** @param first position of the first event */
  start(now: number, first: number): void {
    this.startedAt = now
    this.#first = first
  }

  get size(): number {
    return this.events.length
  }

  find(position: number, subscription: StoredSubscription, plan: FilterPlan, found: RouseEvent[]): void {
    const first = Math.max(0, position + 1 - this.#first)
    const index = this.events.length - first > SCAN_AT_MOST ? this.#index(subscription.event, plan) : undefined
    if (!index) {
      for (let at = first; at < this.events.length; at++) offer(this.events[at]!, subscription, found)
      return
    }
    for (const at of index.candidates(plan.keys, first)) offer(this.events[at]!, subscription, found)
  }

  /** Most patterns and shapes are never asked for; an index is made when the first one asks. */
  #index(pattern: string, plan: FilterPlan): EventIndex | undefined {
    const name = `${pattern}\n${plan.shape}`
    let index = this.#indexes.get(name)
    if (!index) {
      if (this.#indexes.size >= MAX_INDEXES) return undefined
      index = new EventIndex(pattern, plan.names)
      this.#indexes.set(name, index)
    }
    index.catchUp(this.events)
    return index
  }
}

function offer(event: RouseEvent, subscription: StoredSubscription, found: RouseEvent[]): void {
  if (patternsOf(event.type).includes(subscription.event) && matches(subscription.filter, event.attributes))
    found.push(event)
}

/** The events of one pattern by their values of one filter shape; each event is looked at once. */
class EventIndex {
  readonly #pattern: string
  readonly #names: readonly string[]
  readonly #byKey = new Map<string, number[]>()
  #indexed = 0

  constructor(pattern: string, names: readonly string[]) {
    this.#pattern = pattern
    this.#names = names
  }

  catchUp(events: readonly RouseEvent[]): void {
    for (; this.#indexed < events.length; this.#indexed++) {
      const { type, attributes } = events[this.#indexed]!
      if (!patternsOf(type).includes(this.#pattern)) continue
      const key = keyOf(this.#names, attributes)
      if (key === undefined) continue
      const indices = this.#byKey.get(key)
      if (indices) indices.push(this.#indexed)
      else this.#byKey.set(key, [this.#indexed])
    }
  }

  /** Indices from `first` on of the events that have one of the keys, in order. */
  candidates(keys: readonly string[], first: number): number[] {
    const indices: number[] = []
    for (const key of keys) {
      const all = this.#byKey.get(key) ?? []
      for (let index = after(all, first - 1); index < all.length; index++) indices.push(all[index]!)
    }
    return keys.length > 1 ? indices.sort((a, b) => a - b) : indices
  }
}

/** Index of the first number above `limit` in a rising list. */
function after(rising: number[], limit: number): number {
  let low = 0
  let high = rising.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (rising[middle]! > limit) high = middle
    else low = middle + 1
  }
  return low
}
