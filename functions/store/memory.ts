import type { Clock, IdSource } from '../contract/clock.ts'
import type { Attributes, RouseEvent } from '../contract/events.ts'
import { contactAttributes, eventsOf } from './apply-register.ts'
import { ExpiryQueue } from './expiry-queue.ts'
import { Inboxes } from './inboxes.ts'
import { LeaseTable } from './leases.ts'
import { LocationTable } from './location.ts'
import { Memos } from './memos.ts'
import { RecentEvents } from './recent-events.ts'
import type {
  Binding,
  Delivery,
  LeaseStep,
  Location,
  Receive,
  RegisterChange,
  RegisterOutcome,
  Store,
  StoredSubscription,
} from './store.ts'
import { SubscriptionIndex } from './subscription-index.ts'
import { type Held, SuspendedTable } from './suspended.ts'
import { Sweep } from './sweep.ts'

export interface MemoryLimits {
  /**
   * How long an event can still count for a subscription stored after it, at least; milliseconds, default 6,000: an invocation takes
   * 3,500 at most, with its retry and the fallback.
   */
  recentMs: number
  /** How many recent events are kept at most; default 100,000. */
  recentEvents: number
  /** How many bindings there may be in all; a REGISTER beyond it is refused. Default 2,000,000. */
  bindings: number
  /** Deliveries handed to an inbox at once, before other work has its turn; default 64. */
  batch: number
  /** Deliveries kept for a gateway that is not there; default 100,000. */
  absentDeliveries: number
  /** How long these, and expired bindings that nobody took with `expire`, are kept; milliseconds, default 300,000. */
  absentMs: number
}
export const DEFAULT_LIMITS: MemoryLimits = {
  recentMs: 6000,
  recentEvents: 100_000,
  bindings: 2_000_000,
  batch: 64,
  absentDeliveries: 100_000,
  absentMs: 300_000,
}

/**
 * The embedded store: everything in this process, gone with it. Each call does its work in one synchronous step, so calls have one
 * order and never interleave. While nothing is stored no timer is pending.
 */
export function createMemoryStore(parts: { clock: Clock; ids: IdSource; limits?: Partial<MemoryLimits> }): Store {
  return new MemoryStore(parts.clock, parts.ids, { ...DEFAULT_LIMITS, ...parts.limits })
}

const NOBODY = Promise.resolve(0)

class MemoryStore implements Store {
  readonly #clock: Clock
  readonly #ids: IdSource
  readonly #limits: MemoryLimits
  readonly #location: LocationTable
  readonly #index = new SubscriptionIndex()
  readonly #suspended: SuspendedTable
  readonly #recent: RecentEvents
  readonly #inboxes: Inboxes
  readonly #leases = new LeaseTable()
  readonly #claims = new Map<string, Claim>()
  readonly #claimExpiry = new ExpiryQueue<Claim>((claim) => claim.expiresAt)
  readonly #memos = new Memos()
  readonly #sweep: Sweep
  /** Reused by every publish. */
  readonly #matched: StoredSubscription[] = []

  constructor(clock: Clock, ids: IdSource, limits: MemoryLimits) {
    this.#clock = clock
    this.#ids = ids
    this.#limits = limits
    this.#location = new LocationTable(limits.bindings)
    this.#suspended = new SuspendedTable(this.#index)
    this.#recent = new RecentEvents(limits.recentMs, limits.recentEvents)
    this.#inboxes = new Inboxes(clock, limits.batch, limits.absentDeliveries)
    this.#sweep = new Sweep(clock, (now) => this.#clearAway(now))
  }

  async lookup(aor: string): Promise<Location> {
    const now = this.#clock.now()
    return { ...this.#location.lookup(aor, now), at: String(this.#recent.position), snapshot: this.#recent.open(now) }
  }

  settle({ snapshot }: Location): void {
    if (snapshot !== undefined) this.#recent.close(snapshot)
  }

  async register(change: RegisterChange): Promise<RegisterOutcome> {
    const applied = this.#location.register(change)
    const after = this.#location.lookup(change.aor, change.now)
    if (!applied.ok) return { ok: false, why: applied.why, ...after }
    for (const added of applied.added) this.#sweep.notice(added.expiresAt + this.#limits.absentMs)
    return { ok: true, ...after, events: eventsOf(applied.happened, change, this.#ids) }
  }

  async amend(known: Binding, amended: Binding): Promise<boolean> {
    const isAmended = this.#location.amend(known, amended)
    if (isAmended) this.#sweep.notice(amended.expiresAt + this.#limits.absentMs)
    return isAmended
  }

  async expire(now: number, limit: number): Promise<RouseEvent[]> {
    const expired = this.#location.expire(now, limit).filter(({ asleep }) => !asleep)
    return expired.map((binding) => this.#event('contact.expired', now, contactAttributes(binding)))
  }

  async refreshDue(now: number, limit: number): Promise<Binding[]> {
    return this.#location.refreshDue(now, limit)
  }

  async registrations(cursor: string, limit: number): ReturnType<Store['registrations']> {
    return this.#location.page(cursor === '' ? '0:' : cursor, limit, this.#clock.now())
  }

  async suspend(step: Parameters<Store['suspend']>[0]): Promise<Delivery[]> {
    const held = this.#suspended.write(step.transaction)
    for (const { id } of step.drop) this.#suspended.unsubscribe(held, id)
    for (const subscription of step.add) this.#subscribe(held, subscription)
    this.#sweep.notice(step.transaction.expiresAt)
    this.#recent.keep(this.#clock.now())
    return step.add.flatMap((subscription) => this.#missed(subscription, step.since))
  }

  async resume({ transaction, claim, ttlMs }: Parameters<Store['resume']>[0]): Promise<boolean> {
    if (this.#suspended.revOf(transaction.id) > transaction.rev) return false
    if (!this.#claim(JSON.stringify([transaction.id, claim]), ttlMs)) return false
    this.#suspended.write(transaction)
    this.#sweep.notice(transaction.expiresAt)
    return true
  }

  async release(transaction: string): Promise<void> {
    this.#suspended.release(transaction)
  }

  async lastSeen(gateway: string): Promise<number> {
    return this.#inboxes.lastSeen(gateway)
  }

  async suspended(gateway: string): ReturnType<Store['suspended']> {
    return this.#suspended.ofGateway(gateway, this.#clock.now())
  }

  async subscriptions(transaction: string): Promise<StoredSubscription[]> {
    return this.#suspended.subscriptions(transaction, this.#clock.now())
  }

  async leases(step: LeaseStep): ReturnType<Store['leases']> {
    return this.#leases.step(step, this.#clock.now())
  }

  async claim(key: string, ttlMs: number): Promise<boolean> {
    return this.#claim(JSON.stringify([key]), ttlMs)
  }

  #claim(key: string, ttlMs: number): boolean {
    const now = this.#clock.now()
    const held = this.#claims.get(key)
    if (held && held.expiresAt > now) return false
    if (held) this.#claimExpiry.remove(held)
    const claim = { key, expiresAt: now + ttlMs }
    this.#claims.set(key, claim)
    this.#claimExpiry.add(claim)
    this.#sweep.notice(claim.expiresAt)
    return true
  }

  async recall(key: string): Promise<string | undefined> {
    return this.#memos.recall(key, this.#clock.now())
  }

  async remember(key: string, value: string, ttlMs: number): Promise<void> {
    const expiresAt = this.#clock.now() + ttlMs
    this.#memos.remember(key, value, expiresAt)
    this.#sweep.notice(expiresAt)
  }

  /** Mostly nobody waits: that costs no promise of its own. */
  publish(events: RouseEvent[]): Promise<number> {
    const now = this.#clock.now()
    let count = 0
    for (const event of events) count += this.#publishOne(event, now)
    if (events.length > 0) this.#sweep.notice(now + this.#limits.recentMs)
    if (count === 0) return NOBODY
    this.#sweep.notice(now + this.#limits.absentMs)
    return Promise.resolve(count)
  }

  async inbox(gateway: string, receive: Receive): ReturnType<Store['inbox']> {
    const leave = this.#inboxes.open(gateway, receive)
    return {
      close: async () => {
        leave()
        this.#sweep.notice(this.#clock.now() + this.#limits.absentMs)
      },
    }
  }

  async close(): Promise<void> {
    this.#sweep.close()
    this.#inboxes.close()
  }

  #publishOne(event: RouseEvent, now: number): number {
    const matched = this.#matched
    if (matched.length > 0) matched.length = 0
    this.#recent.record(event, now)
    this.#index.match(event, now, matched)
    // Whoever reacts to it may subscribe to what comes right after it.
    if (matched.length > 0) this.#recent.keep(now)
    for (const subscription of matched) this.#inboxes.deliver(subscription.gateway, deliveryOf(event, subscription))
    return matched.length
  }

  #subscribe(held: Held, subscription: StoredSubscription): void {
    this.#suspended.subscribe(held, subscription)
    this.#sweep.notice(subscription.expiresAt)
  }

  #missed(subscription: StoredSubscription, since: string): Delivery[] {
    const events = this.#recent.since(Number(since), subscription)
    return events.map((event) => deliveryOf(event, subscription))
  }

  #event(type: string, time: number, attributes: Attributes): RouseEvent {
    return { id: this.#ids.next('event'), type, time, attributes }
  }

  /** @returns when there will be something to clear away again */
  #clearAway(now: number): number {
    const { absentMs } = this.#limits
    for (const claim of this.#claimExpiry.takeDue(now)) this.#claims.delete(claim.key)
    this.#location.expire(now - absentMs, Number.POSITIVE_INFINITY)
    return Math.min(
      this.#suspended.sweep(now),
      this.#claimExpiry.nextDue,
      this.#memos.sweep(now),
      this.#location.nextExpiry + absentMs,
      this.#recent.sweep(now),
      this.#inboxes.sweep(now, absentMs),
    )
  }
}

interface Claim {
  key: string
  expiresAt: number
}

function deliveryOf(event: RouseEvent, subscription: StoredSubscription): Delivery {
  return { event, subscription: subscription.id, transaction: subscription.transaction }
}
