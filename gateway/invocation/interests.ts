import { type Subscribe, subscriptionEnd, type Wait as WaitAction } from '../../functions/contract/actions.ts'
import { durationMs } from '../../functions/contract/duration.ts'
import type { Filter } from '../../functions/contract/events.ts'
import type { DroppedSubscription, StoredSubscription } from '../../functions/store/store.ts'
import { GRACE_MS } from '../proxy/state.ts'
import type { TimerHandle, TimerQueue } from '../transaction/timer-queue.ts'
import type { SubscriptionRecord, WaitRecord } from './record.ts'

/** A deadline and the conditions that may come before it. */
export class Wait {
  readonly name: string
  /** Handler to resume with; undefined: the route the request was given to. */
  readonly resume: string | undefined
  /** Ids of the forks it awaits. */
  readonly forks: string[]
  /** Events it awaits, and the filter of each. */
  readonly events: string[]
  readonly filters: Filter[]
  /** Its subscriptions in the store, one to each of these. */
  readonly subscriptions: string[]
  /** Nobody else may resume by it: see Store.claim. */
  readonly claimKey: string
  /** Milliseconds since the epoch. */
  deadline = 0
  timer: TimerHandle | undefined
  readonly #timedOut: (wait: Wait) => void

  constructor(
    { name, resume, claimKey, forks, events, filters, subscriptions }: Omit<WaitRecord, 'deadline'>,
    timedOut: (wait: Wait) => void,
  ) {
    this.name = name
    this.resume = resume
    this.claimKey = claimKey
    this.forks = forks
    this.events = events
    this.filters = filters
    this.subscriptions = subscriptions
    this.#timedOut = timedOut
  }

  onTimer(): void {
    this.timer = undefined
    this.#timedOut(this)
  }
}

/** A standing interest of a call and what happens when it is met. */
export interface Subscription {
  id: string
  action: Subscribe
  expiresAt: number
  until: 'answered' | 'ended'
  /** How often it fired, for people who look. */
  fired: number
  /** Ids of the last events, since a delivery may come twice. */
  seen: string[]
}

const SEEN_EVENTS = 32
/** What lives as long as its call is kept this long by the store at most. */
export const MAX_LIFE_MS = 24 * 3_600_000

/** Whose interests they are. */
interface Owner {
  transaction: string
  gateway: string
}
interface Origin extends Owner {
  now: number
  newId(): string
}

/** What a call waits for and has subscribed to. */
export class Interests {
  readonly waits = new Map<string, Wait>()
  readonly subscriptions = new Map<string, Subscription>()
  readonly #timers: TimerQueue

  constructor(timers: TimerQueue) {
    this.#timers = timers
  }

  /** Adds a wait; one of the same name that is still armed is replaced. Returns what the store has to add. */
  addWait(action: WaitAction, wait: Wait, context: Origin): StoredSubscription[] {
    const timeoutMs = durationMs(action.timeout)!
    for (const condition of action.any) {
      if ('fork' in condition) {
        wait.forks.push(condition.fork)
        continue
      }
      wait.events.push(condition.event)
      wait.filters.push(condition.filter ?? {})
      wait.subscriptions.push(context.newId())
    }
    this.waits.set(action.name, wait)
    wait.deadline = context.now + timeoutMs
    wait.timer = this.#timers.start(timeoutMs, wait, 'wait')
    return storedOfWait(wait, context)
  }

  /** Goes on with a wait of before a restart. */
  takeUpWait(wait: Wait, deadline: number): void {
    this.waits.set(wait.name, wait)
    wait.deadline = deadline
    wait.timer = this.#timers.start(Math.max(GRACE_MS, deadline - this.#timers.now()), wait, 'wait')
  }

  takeUpSubscription(record: SubscriptionRecord): void {
    this.subscriptions.set(record.id, record)
  }

  addSubscription(action: Subscribe, context: Origin): StoredSubscription {
    const id = context.newId()
    const expiresAt = context.now + (action.for === undefined ? MAX_LIFE_MS : durationMs(action.for)!)
    const until = subscriptionEnd(action)
    const subscription = { id, action, expiresAt, until, fired: 0, seen: [] }
    this.subscriptions.set(id, subscription)
    return storedOf(subscription, context)
  }

  /** All that the store has to have of it. */
  stored(owner: Owner): StoredSubscription[] {
    const now = this.#timers.now()
    const all = [
      ...[...this.waits.values()].flatMap((wait) => storedOfWait(wait, owner)),
      ...[...this.subscriptions.values()].map((subscription) => storedOf(subscription, owner)),
    ]
    return all.filter(({ expiresAt }) => expiresAt > now)
  }

  waitOfSubscription(id: string): Wait | undefined {
    for (const wait of this.waits.values()) if (wait.subscriptions.includes(id)) return wait
    return undefined
  }

  /** Whether this delivery is to be acted on: the subscription lives, and the event has not fired it before. */
  fires(subscription: Subscription, eventId: string, now: number): boolean {
    if (now > subscription.expiresAt || subscription.seen.includes(eventId)) return false
    subscription.seen.push(eventId)
    if (subscription.seen.length > SEEN_EVENTS) subscription.seen.shift()
    subscription.fired++
    return true
  }

  /** Disarms a wait. Returns what the store has to drop. */
  dropWait(wait: Wait): DroppedSubscription[] {
    this.#timers.stop(wait.timer)
    wait.timer = undefined
    if (this.waits.get(wait.name) === wait) this.waits.delete(wait.name)
    return wait.subscriptions.map((id, index) => ({ id, event: wait.events[index]! }))
  }

  /** Drops subscriptions that `which` picks. Returns what the store has to drop. */
  dropSubscriptions(which: (subscription: Subscription) => boolean): DroppedSubscription[] {
    const dropped: DroppedSubscription[] = []
    for (const subscription of this.subscriptions.values()) {
      if (!which(subscription)) continue
      this.subscriptions.delete(subscription.id)
      dropped.push({ id: subscription.id, event: subscription.action.event })
    }
    return dropped
  }

  /** Of something that others tell the store, not of the call's own branches. */
  get awaitsEvent(): boolean {
    if (this.subscriptions.size > 0) return true
    for (const wait of this.waits.values()) if (wait.subscriptions.length > 0) return true
    return false
  }

  get isEmpty(): boolean {
    return this.waits.size === 0 && this.subscriptions.size === 0
  }
}

/** The store keeps what a wait awaits a little longer than its deadline, so that the two race here. */
const BEYOND_DEADLINE_MS = 1000

function storedOfWait(wait: Wait, { transaction, gateway }: Owner): StoredSubscription[] {
  const expiresAt = wait.deadline + BEYOND_DEADLINE_MS
  return wait.subscriptions.map((id, index) => {
    return { id, transaction, gateway, event: wait.events[index]!, filter: wait.filters[index]!, expiresAt }
  })
}

function storedOf({ id, action, expiresAt }: Subscription, { transaction, gateway }: Owner): StoredSubscription {
  return { id, transaction, gateway, event: action.event, filter: action.filter ?? {}, expiresAt }
}
