import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { applyRegister, eventsOf } from '../../functions/store/apply-register.ts'
import type {
  Binding,
  Delivery,
  LeaseStep,
  Location,
  Position,
  Receive,
  RegisterChange,
  RegisterOutcome,
  Store,
} from '../../functions/store/store.ts'
import { everyBinding, whereabouts } from '../../functions/store/whereabouts.ts'
import { CatchUp } from './catch-up.ts'
import { LastKnown } from './last-known.ts'
import { OwnInterests } from './own-interests.ts'

export interface StandbyParts {
  /** The store that may go away. */
  store: Store
  clock: Clock
  ids: IdSource
  count(series: string, by?: number): void
}

/** Of so many users this gateway remembers where they were. */
const MAX_AORS = 100_000
/** Of so many events it remembers that they were delivered here already. */
const MAX_DELIVERED = 10_000

/**
 * A store elsewhere, as a gateway uses it. While that is away the gateway goes on by what it knows itself: where users were last, who
 * registers here, and its own calls' interest in its own events. What the store missed it is given when it is back; where it has lost
 * bindings that came by this gateway, they are written again.
 */
export class StandbyStore implements Store {
  readonly #parts: StandbyParts
  readonly #store: Store
  readonly #known = new LastKnown(MAX_AORS)
  readonly #interests = new OwnInterests()
  readonly #owed: CatchUp
  /** What was delivered without the store, which may bring it once more: to whom, and which event. */
  readonly #delivered = new Set<string>()
  #at: Position = ''
  /** Of each inbox that is open. */
  readonly #receivers = new Set<Receive>()

  constructor(parts: StandbyParts) {
    const { store, clock, count } = parts
    this.#parts = parts
    this.#store = store
    const registered = this.#known.remember.bind(this.#known)
    this.#owed = new CatchUp({ store, clock, count, registered })
  }

  /** How much the store has missed and not been given yet. */
  get owed(): number {
    return this.#owed.size
  }

  /** Rejects only when the store is away and nothing is known of this AOR. */
  async lookup(aor: string): Promise<Location> {
    if (!this.#owed.hasChanges(aor)) {
      try {
        const location = await this.#store.lookup(aor)
        this.#known.remember(aor, everyBinding(location))
        this.#at = location.at
        return location
      } catch (error) {
        if (!this.#known.has(aor)) throw error
      }
    }
    const now = this.#parts.clock.now()
    return { ...whereabouts(this.#known.lookup(aor, now), now), at: this.#at }
  }

  /**
   * A REGISTER that the store does not take counts here at once, and there when it is back; it is rejected when too many wait already.
   * A store that was only late has taken it: whichever of the two raises its event, and if both do, it is one.
   */
  async register(registration: RegisterChange): Promise<RegisterOutcome> {
    const change = { ...registration, event: this.#parts.ids.next('event') }
    if (this.#owed.hasChanges(change.aor)) return this.#registerHere(change)
    try {
      const outcome = await this.#store.register(change)
      this.#known.remember(change.aor, everyBinding(outcome))
      return outcome
    } catch {
      return this.#registerHere(change)
    }
  }

  #registerHere(change: RegisterChange): RegisterOutcome {
    if (this.#owed.isFull) throw new Error('store.register: the store is away, and no more can be kept for it')
    const known = this.#known.lookup(change.aor, change.now)
    const applied = applyRegister(known, change)
    if (!applied.ok) return { ok: false, why: applied.why, ...whereabouts(known, change.now) }
    this.#known.remember(change.aor, applied.bindings)
    this.#owed.register(change)
    this.#parts.count('registrations without the store')
    const events = eventsOf(applied.happened, change, this.#parts.ids)
    return { ok: true, ...whereabouts(applied.bindings, change.now), events }
  }

  /** Rejects when the store is away, or has not heard yet where this user is. */
  async amend(known: Binding, amended: Binding): Promise<boolean> {
    if (this.#owed.hasChanges(known.aor)) throw new Error('store.amend: the store has not caught up with this user yet')
    const isAmended = await this.#store.amend(known, amended)
    if (isAmended) this.#known.amend(known, amended)
    return isAmended
  }

  expire(now: number, limit: number): Promise<RouseEvent[]> {
    return this.#store.expire(now, limit)
  }

  refreshDue(now: number, limit: number): Promise<Binding[]> {
    return this.#store.refreshDue(now, limit)
  }

  registrations(cursor: string, limit: number): ReturnType<Store['registrations']> {
    return this.#store.registrations(cursor, limit)
  }

  suspend(step: Parameters<Store['suspend']>[0]): Promise<Delivery[]> {
    this.#interests.suspend(step, this.#parts.clock.now())
    this.#owed.keep(step.transaction.id)
    return this.#store.suspend(step)
  }

  resume(step: Parameters<Store['resume']>[0]): Promise<boolean> {
    this.#owed.keep(step.transaction.id)
    return this.#store.resume(step)
  }

  lastSeen(gateway: string): Promise<number> {
    return this.#store.lastSeen(gateway)
  }

  leases(step: LeaseStep): ReturnType<Store['leases']> {
    return this.#store.leases(step)
  }

  /** Never rejects. */
  async release(...[transaction, rev, held]: Parameters<Store['release']>): Promise<void> {
    this.#interests.release(transaction)
    try {
      await this.#store.release(transaction, rev, held)
    } catch {
      this.#owed.release(transaction, rev)
    }
  }

  suspended(gateway: string): ReturnType<Store['suspended']> {
    return this.#store.suspended(gateway)
  }

  subscriptions(transaction: string): ReturnType<Store['subscriptions']> {
    return this.#store.subscriptions(transaction)
  }

  claim(key: string, ttlMs: number): Promise<boolean> {
    return this.#store.claim(key, ttlMs)
  }

  recall(key: string): Promise<string | undefined> {
    return this.#store.recall(key)
  }

  remember(key: string, value: string, ttlMs: number): Promise<void> {
    return this.#store.remember(key, value, ttlMs)
  }

  /** Never rejects: what the store does not take is delivered to this gateway's own calls at once, and to others when it is back. */
  async publish(events: RouseEvent[]): Promise<number> {
    try {
      return await this.#store.publish(events)
    } catch {
      this.#owed.publish(events)
      this.#parts.count('events without the store', events.length)
      return this.#deliverHere(events)
    }
  }

  /**
   * For whoever still has the events, and gives them once more when this rejects: the store does not have them then, but this gateway's own
   * calls do, once.
   */
  async hand(events: RouseEvent[]): Promise<void> {
    try {
      await this.#store.publish(events)
    } catch (error) {
      this.#deliverHere(events)
      throw error
    }
  }

  #deliverHere(events: RouseEvent[]): number {
    const now = this.#parts.clock.now()
    const deliveries = this.#undelivered(events.flatMap((event) => this.#interests.met(event, now)))
    for (const delivery of deliveries) this.#rememberDelivered(namesOf(delivery))
    for (const receive of this.#receivers) void receive(deliveries)
    return deliveries.length
  }

  async inbox(gateway: string, receive: Receive, lost?: () => void): ReturnType<Store['inbox']> {
    this.#receivers.add(receive)
    const lostAll = () => {
      this.#owed.restore(this.#known.registeredBy(gateway, this.#parts.clock.now()))
      lost?.()
    }
    const inbox = await this.#store.inbox(gateway, (deliveries) => receive(this.#undelivered(deliveries)), lostAll)
    return {
      close: () => {
        this.#receivers.delete(receive)
        return inbox.close()
      },
    }
  }

  async close(): Promise<void> {
    this.#owed.close()
    await this.#store.close()
  }

  #rememberDelivered(names: string): void {
    this.#delivered.add(names)
    if (this.#delivered.size > MAX_DELIVERED) this.#delivered.delete(this.#delivered.values().next().value!)
  }

  #undelivered(deliveries: Delivery[]): Delivery[] {
    if (this.#delivered.size === 0) return deliveries
    return deliveries.filter((delivery) => !this.#delivered.has(namesOf(delivery)))
  }
}

function namesOf({ transaction, event }: Delivery): string {
  return `${transaction} ${event.id}`
}
