import { type Action, type ActionOf, subscriptionEnd } from '../contract/actions.ts'
import type { Timer } from '../contract/clock.ts'
import { durationMs } from '../contract/duration.ts'
import type { EventData, WaitOutcome } from '../contract/envelope.ts'
import type { Filter, RouseEvent } from '../contract/events.ts'
import type { Delivery, DroppedSubscription, StoredSubscription } from '../store/store.ts'
import type { Simulation } from './simulation.ts'

/** The name of the one gateway there is. */
export const GATEWAY = 'simulated'
const MAX_LIFE_MS = 24 * 3_600_000
/** The store keeps what a wait awaits a little longer than its deadline, so that the two race here. */
const BEYOND_DEADLINE_MS = 1000

/** A deadline and the conditions that may come before it. */
export interface Wait {
  action: ActionOf<'wait'>
  /** Ids in the store, one to each event of its conditions. */
  stored: DroppedSubscription[]
  /** Milliseconds since the epoch. */
  deadline: number
  timer: Timer
}

export interface Subscription {
  id: string
  action: ActionOf<'subscribe'>
  until: 'answered' | 'ended'
  /** Milliseconds since the epoch; undefined: as long as its call. */
  expiresAt: number | undefined
  /** Ids of events that have fired it. */
  seen: Set<string>
}

/** What a call does when something it is interested in comes. */
export interface Suspendable {
  readonly id: string
  readonly callId: string
  readonly canWait: boolean
  /** Where the history of events stood when the function was asked. */
  readonly snapshot: string
  hold(): void
  release(): void
  resume(wait: Wait, outcome: WaitOutcome, event: RouseEvent | undefined): void
  fire(subscription: Subscription, event: RouseEvent): void
}

/** What a call waits for and has subscribed to: kept in the store, met by its events. */
export class Suspension {
  readonly waits = new Map<string, Wait>()
  readonly subscriptions = new Map<string, Subscription>()
  readonly #call: Suspendable
  readonly #simulation: Simulation
  #rev = 0

  constructor(call: Suspendable, simulation: Simulation) {
    this.#call = call
    this.#simulation = simulation
  }

  get rev(): number {
    return this.#rev
  }

  /** One step of the store. @returns events that came since the function was asked */
  arm(actions: readonly Action[]): Promise<Delivery[]> {
    const add: StoredSubscription[] = []
    const drop: DroppedSubscription[] = []
    for (const action of actions) {
      if (action.action === 'subscribe') this.#armSubscription(action, add, drop)
      else if (action.action === 'wait' && this.#call.canWait) this.#armWait(action, add)
    }
    // One of a name replaces the other also within one answer.
    return this.#write(
      add.filter(({ id }) => !drop.some((dropped) => dropped.id === id)),
      drop,
    )
  }

  #armSubscription(action: ActionOf<'subscribe'>, add: StoredSubscription[], drop: DroppedSubscription[]): void {
    if (!this.#simulation.knowsHandler(action)) return
    if (action.name !== undefined) drop.push(...this.#dropSubscriptions((each) => each.action.name === action.name))
    const { clock, ids } = this.#simulation
    const id = ids.next('subscription')
    const expiresAt = action.for === undefined ? undefined : clock.now() + durationMs(action.for)!
    this.subscriptions.set(id, { id, action, until: subscriptionEnd(action), expiresAt, seen: new Set() })
    add.push(this.#stored(id, action.event, action.filter, expiresAt ?? clock.now() + MAX_LIFE_MS))
  }

  #armWait(action: ActionOf<'wait'>, add: StoredSubscription[]): void {
    const armed = this.waits.get(action.name)
    if (armed) this.#disarm(armed)
    const { clock, ids } = this.#simulation
    const timeoutMs = durationMs(action.timeout)!
    const deadline = clock.now() + timeoutMs
    const stored: DroppedSubscription[] = []
    for (const condition of action.any) {
      if ('fork' in condition) continue
      const id = ids.next('subscription')
      stored.push({ id, event: condition.event })
      add.push(this.#stored(id, condition.event, condition.filter, deadline + BEYOND_DEADLINE_MS))
    }
    const timer = clock.after(timeoutMs, () => this.#timedOut())
    const wait: Wait = { action, stored, deadline, timer }
    this.#call.hold()
    this.waits.set(action.name, wait)
  }

  /** Deadlines of one moment pass together: none waits for what comes of another. */
  #timedOut(): void {
    const now = this.#simulation.clock.now()
    for (const wait of [...this.waits.values()]) {
      if (wait.deadline <= now) this.#resolve(wait, { name: wait.action.name, timedOut: true })
    }
  }

  #stored(id: string, event: string, filter: Filter | undefined, expiresAt: number): StoredSubscription {
    return { id, transaction: this.#call.id, gateway: GATEWAY, event, filter: filter ?? {}, expiresAt }
  }

  #write(add: StoredSubscription[], drop: DroppedSubscription[]): Promise<Delivery[]> {
    const { store, clock } = this.#simulation
    const { id, callId, snapshot } = this.#call
    const expiresAt = clock.now() + MAX_LIFE_MS
    const transaction = { id, gateway: GATEWAY, rev: ++this.#rev, callId, expiresAt, state: '' }
    return store.suspend({ transaction, add, drop, since: snapshot })
  }

  /** Whether a wait that is armed asks for the outcome of that fork. */
  awaitsFork(id: string): boolean {
    return [...this.waits.values()].some((wait) => awaitsFork(wait, id))
  }

  forkEnded(id: string, answered: boolean, status: number): void {
    for (const wait of [...this.waits.values()]) {
      if (!awaitsFork(wait, id)) continue
      this.#resolve(wait, { name: wait.action.name, timedOut: false, fork: { id, answered, status } })
    }
  }

  deliver({ subscription: id, event }: Delivery): void {
    const wait = [...this.waits.values()].find(({ stored }) => stored.some((each) => each.id === id))
    if (wait) return this.#resolve(wait, { name: wait.action.name, timedOut: false, event: eventData(event) }, event)
    const subscription = this.subscriptions.get(id)
    if (!subscription || !this.isAlive(subscription) || subscription.seen.has(event.id)) return
    subscription.seen.add(event.id)
    this.#call.fire(subscription, event)
  }

  isAlive({ expiresAt }: Subscription): boolean {
    return expiresAt === undefined || this.#simulation.clock.now() <= expiresAt
  }

  #resolve(wait: Wait, outcome: WaitOutcome, event?: RouseEvent): void {
    this.#drop(this.#dropWait(wait))
    this.#call.resume(wait, outcome, event)
    this.#call.release()
  }

  /** Takes back those of that name, or all. */
  unsubscribe(name: string | undefined): void {
    this.#drop(this.#dropSubscriptions((each) => name === undefined || each.action.name === name))
    for (const wait of [...this.waits.values()]) {
      if (name === undefined || wait.action.name === name) this.#disarm(wait)
    }
  }

  /** After the final response: waits are over, and so are the subscriptions that `which` picks. */
  dropAfterFinal(which: (subscription: Subscription) => boolean): void {
    this.#drop(this.#dropSubscriptions(which))
    for (const wait of [...this.waits.values()]) this.#disarm(wait)
  }

  #disarm(wait: Wait): void {
    this.#drop(this.#dropWait(wait))
    this.#call.release()
  }

  #dropWait(wait: Wait): DroppedSubscription[] {
    wait.timer.cancel()
    if (this.waits.get(wait.action.name) === wait) this.waits.delete(wait.action.name)
    return wait.stored
  }

  #dropSubscriptions(which: (subscription: Subscription) => boolean): DroppedSubscription[] {
    const dropped = [...this.subscriptions.values()].filter(which)
    for (const { id } of dropped) this.subscriptions.delete(id)
    return dropped.map(({ id, action }) => ({ id, event: action.event }))
  }

  #drop(drop: DroppedSubscription[]): void {
    if (drop.length > 0) this.#simulation.track(this.#write([], drop))
  }
}

function awaitsFork({ action }: Wait, id: string): boolean {
  return action.any.some((condition) => 'fork' in condition && condition.fork === id)
}

export function eventData({ id, type, time, attributes, detail }: RouseEvent): EventData {
  return { id, type, time: new Date(time).toISOString(), attributes, ...(detail && { detail }) }
}
