import type { RouseEvent } from '../../contract/events.ts'
import { matches, patternsOf } from '../filter.ts'
import type { Delivery, Location, Position, StoredSubscription } from '../store.ts'
import type { Call, Commands, Run } from './commands.ts'
import { DELIVER, PUBLISH, SUBSCRIBE, UNSUBSCRIBE } from './event-scripts.ts'
import { bucketOf, bucketsOf, type Keys, placesOf, rootOf } from './keys.ts'

/** One script takes at most this many events, so that others have their turn. */
const EVENTS_IN_SCRIPT = 64
/** One entry of an inbox holds at most this many of an event's matches. */
const MATCHES_IN_ENTRY = 256

/** What the index holds of a subscription, and all that a match needs. */
type Entry = [subscription: string, transaction: string, gateway: string, filter?: StoredSubscription['filter']]

/** What came of an event that was recorded: the index's entries, and where its AOR was found just after it. */
interface Recorded {
  entries: string[]
  location: Location
}

/** Whom an event is for. */
interface Found {
  entries: Entry[]
  location?: Location
}

/** One entry of an inbox. */
export interface InboxEntry {
  event: RouseEvent
  to: [subscription: string, transaction: string][]
  location?: Location | undefined
}

/** Events, and the subscriptions they match. */
export class RedisEvents {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #recentMs: number
  #latest = 0
  /** What matched events that were recorded when they came about, until they are published. */
  readonly #recorded = new WeakMap<RouseEvent, Recorded>()

  constructor(commands: Commands, keys: Keys, recentMs: number) {
    this.#commands = commands
    this.#keys = keys
    this.#recentMs = recentMs
  }

  /** A position this store has given out: events it publishes later come after it, also when a server's clock steps back. */
  seen(position: Position): void {
    this.#latest = Math.max(this.#latest, Number(position))
  }

  /** The event is recorded, and whom it matches is known: `publish` need not ask. */
  isRecorded(event: RouseEvent, recorded: Recorded): void {
    this.#recorded.set(event, recorded)
  }

  /**
   * One round trip for each root when nobody waits, which is mostly so, and none for what is recorded already; one more when somebody does.
   */
  async publish(events: readonly RouseEvent[], now: number): Promise<number> {
    const found = this.#takeRecorded(events)
    const rest = events.filter((event) => !found.has(event))
    if (rest.length === 0 && [...found.values()].every(({ entries }) => entries.length === 0)) return 0
    return this.#commands.operation('publish', async (run) => {
      const groups = [...groupBy(rest, ({ type }) => rootOf(type))].flatMap(([root, group]) => inParts(root, group))
      const replies = (await run(groups.map(([root, group]) => this.#publishCall(root, group, now)))) as string[][][]
      groups.forEach(([, group], at) => {
        group.forEach((event, index) => void found.set(event, { entries: matchesOf(event, replies[at]![index]!) }))
      })
      return this.#deliver(run, events, found)
    })
  }

  /** One call for each root; `missed` reads the replies. */
  subscribeCalls(add: readonly StoredSubscription[], since: Position, now: number): Call[] {
    return groupsByRoot(add).map(([root, group]) => this.#subscribeCall(root, group, since, now))
  }

  unsubscribeCalls(gone: readonly Pick<StoredSubscription, 'id' | 'event'>[]): Call[] {
    return groupsByRoot(gone).map(([root, group]) => {
      return { script: UNSUBSCRIBE, key: this.#keys.events(root), args: group.map(({ id }) => id) }
    })
  }

  #takeRecorded(events: readonly RouseEvent[]): Map<RouseEvent, Found> {
    const found = new Map<RouseEvent, Found>()
    for (const event of events) {
      const recorded = this.#recorded.get(event)
      this.#recorded.delete(event)
      if (recorded) found.set(event, { entries: matchesOf(event, recorded.entries), location: recorded.location })
    }
    return found
  }

  #publishCall(root: string, events: readonly RouseEvent[], now: number): Call {
    return { script: PUBLISH, key: this.#keys.events(root), args: this.publishArguments(events, now) }
  }

  /** See PUBLISH; all events of one root. */
  publishArguments(events: readonly RouseEvent[], now: number): (string | number)[] {
    const args: (string | number)[] = [now, this.#recentMs * 1000, this.#latest]
    for (const event of events) {
      const patterns = patternsOf(event.type)
      const attributes = Object.entries(event.attributes).map(([name, value]) => [name, String(value)] as const)
      args.push(JSON.stringify(event), bucketOf(event.type, event.attributes), patterns.length, ...patterns)
      args.push(attributes.length)
      for (const [name, value] of attributes) args.push(name, value, value.length)
    }
    return args
  }

  #subscribeCall(root: string, group: readonly StoredSubscription[], since: Position, now: number): Call {
    const buckets = [...new Set(group.flatMap(bucketsOf))]
    const args: (string | number)[] = [now, `${(Number(since) || 0) + 1}-0`, buckets.length, ...buckets]
    for (const subscription of group) {
      const { plan, shape, places } = placesOf(subscription)
      const entry: Entry = [subscription.id, subscription.transaction, subscription.gateway]
      if (plan.partial) entry.push(subscription.filter)
      args.push(subscription.id, subscription.event, shape, subscription.expiresAt, JSON.stringify(entry))
      args.push(places.length, ...places)
    }
    return { script: SUBSCRIBE, key: this.#keys.events(root), args }
  }

  async #deliver(run: Run, events: readonly RouseEvent[], found: Map<RouseEvent, Found>): Promise<number> {
    const inboxes = new Map<string, string[]>()
    let count = 0
    for (const event of events) {
      const { entries, location } = found.get(event)!
      count += entries.length
      for (const [gateway, group] of groupBy(entries, ([, , owner]) => owner)) {
        const inbox = inboxes.get(gateway) ?? []
        inboxes.set(gateway, inbox)
        inbox.push(...entriesFor(event, group, location))
      }
    }
    await run([...inboxes].map(([gateway, args]) => ({ script: DELIVER, key: this.#keys.inbox(gateway), args })))
    return count
  }
}

/** For each subscription the events after its `since` that it matches, out of the replies to `subscribeCalls`. */
export function missed(add: readonly StoredSubscription[], replies: readonly unknown[]): Delivery[] {
  const groups = groupsByRoot(add)
  const recent = new Map(groups.map(([root], index) => [root, readRecent(replies[index] as string[])]))
  return add.flatMap((subscription) => missedBy(subscription, recent.get(rootOf(subscription.event))!))
}

/** The index finds by key; the rest of a filter with very many combinations is compared here. */
function matchesOf(event: RouseEvent, entries: readonly string[]): Entry[] {
  const all = entries.map((entry) => JSON.parse(entry) as Entry)
  return all.filter(([, , , filter]) => filter === undefined || matches(filter, event.attributes))
}

function entriesFor(event: RouseEvent, group: readonly Entry[], location: Location | undefined): string[] {
  const entries: string[] = []
  for (let first = 0; first < group.length; first += MATCHES_IN_ENTRY) {
    const to = group
      .slice(first, first + MATCHES_IN_ENTRY)
      .map(([id, transaction]): [string, string] => [id, transaction])
    entries.push(JSON.stringify({ event, to, location } satisfies InboxEntry))
  }
  return entries
}

/** Streams come one after the other: puts their events into one order. */
function readRecent(flat: readonly string[]): RouseEvent[] {
  const found: { position: number; event: RouseEvent }[] = []
  for (let at = 0; at < flat.length; at += 2) {
    found.push({ position: Number.parseInt(flat[at]!, 10), event: JSON.parse(flat[at + 1]!) })
  }
  return found.sort((a, b) => a.position - b.position).map(({ event }) => event)
}

function missedBy(subscription: StoredSubscription, recent: readonly RouseEvent[]): Delivery[] {
  const { id, event: pattern, filter, transaction } = subscription
  return recent
    .filter((event) => patternsOf(event.type).includes(pattern) && matches(filter, event.attributes))
    .map((event) => ({ event, subscription: id, transaction }))
}

function inParts(root: string, events: readonly RouseEvent[]): [root: string, part: readonly RouseEvent[]][] {
  const count = Math.ceil(events.length / EVENTS_IN_SCRIPT)
  return Array.from({ length: count }, (_, nth) => {
    return [root, events.slice(nth * EVENTS_IN_SCRIPT, (nth + 1) * EVENTS_IN_SCRIPT)]
  })
}

function groupsByRoot<Item extends { event: string }>(items: readonly Item[]): [root: string, group: Item[]][] {
  return [...groupBy(items, ({ event }) => rootOf(event))]
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}
