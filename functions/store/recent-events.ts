import type { RouseEvent } from '../contract/events.ts'
import { type FilterPlan, keyOf, matches, patternsOf, planFilter } from './filter.ts'
import type { StoredSubscription } from './store.ts'

/** Up to this many events are compared one by one; for more an index is worth its making. */
const SCAN_AT_MOST = 64
/** Filter shapes indexed per pattern; filters of further shapes scan. */
const MAX_SHAPES = 16

/**
 * The last events, so that one raised between a snapshot and the subscription made from it still counts (no lost wake-up).
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

  constructor(keepMs: number, limit: number) {
    this.#keepMs = keepMs
    this.#limit = limit
    this.#younger = new Generation(0)
    this.#older = new Generation(0)
  }

  get position(): number {
    return this.#position
  }

  record(event: RouseEvent, now: number): void {
    this.#turn(now)
    if (this.#younger.size === 0) this.#younger.startedAt = now
    this.#younger.add(++this.#position, event)
  }

  /** Events after `position` that match the subscription, in order. */
  since(position: number, subscription: StoredSubscription): RouseEvent[] {
    if (position >= this.#position) return []
    const plan = planFilter(subscription.filter)
    const found: RouseEvent[] = []
    this.#older.logs.get(subscription.event)?.find(position, subscription, plan, found)
    this.#younger.logs.get(subscription.event)?.find(position, subscription, plan, found)
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
      this.#younger = new Generation(now)
    } else if (this.#older.size > 0 && now - this.#older.endedAt >= this.#keepMs) {
      this.#older = new Generation(now)
    }
  }
}

class Generation {
  startedAt: number
  endedAt = 0
  size = 0
  /** By pattern: an event is in the log of its type and of each of its families. */
  readonly logs = new Map<string, EventLog>()

  constructor(startedAt: number) {
    this.startedAt = startedAt
  }

  add(position: number, event: RouseEvent): void {
    this.size++
    for (const pattern of patternsOf(event.type)) {
      let log = this.logs.get(pattern)
      if (!log) {
        log = new EventLog()
        this.logs.set(pattern, log)
      }
      log.events.push(event)
      log.positions.push(position)
    }
  }
}

/** The events of one pattern in order, indexed by a filter shape from the first time that shape is asked for. */
class EventLog {
  readonly events: RouseEvent[] = []
  readonly positions: number[] = []
  readonly #shapes = new Map<string, { indexed: number; byKey: Map<string, number[]> }>()

  find(position: number, subscription: StoredSubscription, plan: FilterPlan, found: RouseEvent[]): void {
    const first = after(this.positions, position)
    const canIndex = this.#shapes.size < MAX_SHAPES || this.#shapes.has(plan.shape)
    if (this.events.length - first <= SCAN_AT_MOST || !canIndex) {
      for (let index = first; index < this.events.length; index++) this.#offer(index, subscription, found)
      return
    }
    for (const index of this.#candidates(plan, first)) this.#offer(index, subscription, found)
  }

  #offer(index: number, subscription: StoredSubscription, found: RouseEvent[]): void {
    const event = this.events[index]!
    if (matches(subscription.filter, event.attributes)) found.push(event)
  }

  /** Indices from `first` on of the events that have one of the plan's keys, in order. */
  #candidates(plan: FilterPlan, first: number): number[] {
    const byKey = this.#index(plan)
    const indices: number[] = []
    for (const key of plan.keys) {
      const all = byKey.get(key) ?? []
      for (let index = after(all, first - 1); index < all.length; index++) indices.push(all[index]!)
    }
    return plan.keys.length > 1 ? indices.sort((a, b) => a - b) : indices
  }

  /** Brings the index of this shape up to date: every event is indexed once for each shape asked for. */
  #index(plan: FilterPlan): Map<string, number[]> {
    let shape = this.#shapes.get(plan.shape)
    if (!shape) {
      shape = { indexed: 0, byKey: new Map() }
      this.#shapes.set(plan.shape, shape)
    }
    for (; shape.indexed < this.events.length; shape.indexed++) {
      const key = keyOf(plan.names, this.events[shape.indexed]!.attributes)
      if (key === undefined) continue
      const indices = shape.byKey.get(key)
      if (indices) indices.push(shape.indexed)
      else shape.byKey.set(key, [shape.indexed])
    }
    return shape.byKey
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
