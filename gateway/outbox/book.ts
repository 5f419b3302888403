import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { Store } from '../../functions/store/store.ts'
import { type Delivery, deliveryOf, deliveryRecord } from './delivery.ts'
import type { OwnSubscription } from './sink.ts'
import {
  DEAD,
  droppedInterests,
  interestsOf,
  LIFETIME_MS,
  OWNER,
  QUEUE,
  recordOf,
  type Subscription,
  subscriptionOf,
  type Wish,
} from './subscription.ts'

/** A subscription with the revision of its record. */
export interface Entry {
  subscription: Subscription
  rev: number
}

export interface BookParts {
  store: Store
  clock: Clock
  ids: IdSource
  /** A new secret, `whsec_…`. */
  newSecret(): string
}

/** Tells whoever delivers that something has changed: `subscription`, or deliveries that were put into its queue. */
export const CHANGED = 'outbox.changed'

/** Stands for whoever delivers, in the index of events. */
export const CONTROL = 'outbox-control'

/** An old secret is good for so long after it was replaced. Milliseconds. */
const ROTATION_MS = 24 * 3_600_000
/** A change that meets another one is made anew, so often. */
const TRIES = 5
const CLAIM_MS = 60_000

/** The subscriptions and their deliveries in the store, for whichever gateway is asked. Rejects when the store is away. */
export class Book {
  readonly #parts: BookParts

  constructor(parts: BookParts) {
    this.#parts = parts
  }

  async all(): Promise<Entry[]> {
    const found = await this.#parts.store.suspended(OWNER)
    return found.flatMap((transaction) => {
      const subscription = subscriptionOf(transaction)
      return subscription ? [{ subscription, rev: transaction.rev }] : []
    })
  }

  async find(id: string): Promise<Entry | undefined> {
    return (await this.all()).find(({ subscription }) => subscription.id === id)
  }

  async create({ secret, expiresAt, ...wish }: Wish): Promise<Subscription> {
    const { clock, ids, newSecret } = this.#parts
    const secrets = wish.target.url === undefined ? [] : [{ secret: secret ?? newSecret() }]
    const subscription = {
      ...{ id: ids.next('subscription'), ...wish, secrets, createdAt: clock.now() },
      ...(expiresAt === undefined ? {} : { expiresAt }),
    }
    await this.#write(subscription, 1)
    await this.#tell(subscription.id)
    return subscription
  }

  /** One that settings ask for is there, as they ask for it. */
  async ensure({ id, types, target }: OwnSubscription): Promise<void> {
    const known = await this.find(id)
    const isSame =
      known && JSON.stringify([known.subscription.types, known.subscription.target]) === JSON.stringify([types, target])
    if (isSame && !known.subscription.ended) return
    const subscription = { id, types, filter: {}, target, secrets: [], createdAt: this.#parts.clock.now() }
    const drop = known ? droppedInterests(known.subscription) : []
    await this.#write(subscription, (known?.rev ?? 0) + 1, drop)
    await this.#tell(id)
  }

  /** Whoever delivers hears of changes from now on, by the outbox's inbox. */
  async listen(): Promise<void> {
    const { store, clock } = this.#parts
    const now = clock.now()
    const owner = { gateway: OWNER, expiresAt: now + LIFETIME_MS }
    const interest = { id: CONTROL, transaction: CONTROL, event: CHANGED, filter: {}, ...owner }
    const transaction = { id: CONTROL, rev: now, callId: '', state: '{}', ...owner }
    await store.suspend({ transaction, add: [interest], drop: [], since: '0' })
  }

  /** Keeps it alive in the store; what it matches stays as it is. */
  async renew({ subscription, rev }: Entry): Promise<void> {
    await this.#write(subscription, rev)
  }

  /**
   * Changes one: of several changes at once each is made, one after the other.
   * @returns as it is then; undefined when there is none
   */
  async change(id: string, change: (subscription: Subscription) => Subscription): Promise<Subscription | undefined> {
    const { store, clock } = this.#parts
    for (let tries = 0; tries < TRIES; tries++) {
      const known = await this.find(id)
      if (!known) return undefined
      const changed = change(known.subscription)
      const rev = known.rev + 1
      const transaction = recordOf(changed, rev, clock.now())
      if (!(await store.resume({ transaction, claim: `rev-${rev}`, ttlMs: CLAIM_MS }))) continue
      await this.#tell(id)
      return changed
    }
    throw new Error('the subscription is being changed by others')
  }

  /** A new secret signs from now on; what was good before goes on being so for a day. */
  rotate(id: string, secret: string | undefined): Promise<Subscription | undefined> {
    const { clock, newSecret } = this.#parts
    const fresh = secret ?? newSecret()
    return this.change(id, (subscription) => {
      const now = clock.now()
      const before = subscription.secrets
        .filter(({ until }) => until === undefined || until > now)
        .map(({ secret: old, until }) => ({ secret: old, until: until ?? now + ROTATION_MS }))
      return { ...subscription, secrets: [{ secret: fresh }, ...before].slice(0, 3) }
    })
  }

  /**
   * It has ended: it matches nothing any more, and is kept for a while for people to see why.
   * @returns its revision then
   */
  async end({ subscription, rev }: Entry): Promise<number> {
    const { store, clock } = this.#parts
    const transaction = recordOf(subscription, rev + 1, clock.now())
    await store.suspend({ transaction, add: [], drop: droppedInterests(subscription), since: '0' })
    return rev + 1
  }

  /** @returns false when there was none */
  async remove(id: string): Promise<boolean> {
    const known = await this.find(id)
    if (!known) return false
    await this.forget(known)
    await this.#tell(id)
    return true
  }

  async forget({ subscription, rev }: Entry): Promise<void> {
    const transaction = recordOf(subscription, rev, 0).id
    await this.#parts.store.release(transaction, rev, { gateway: OWNER, subscriptions: droppedInterests(subscription) })
  }

  async waiting(): Promise<Delivery[]> {
    return deliveriesOf(await this.#parts.store.suspended(QUEUE))
  }

  async dead(): Promise<Delivery[]> {
    return deliveriesOf(await this.#parts.store.suspended(DEAD))
  }

  async keep(delivery: Delivery): Promise<void> {
    await this.#parts.store.suspend({ transaction: deliveryRecord(delivery), add: [], drop: [], since: '0' })
  }

  async drop(delivery: Delivery): Promise<void> {
    const { id, gateway, rev } = deliveryRecord(delivery)
    await this.#parts.store.release(id, rev, { gateway, subscriptions: [] })
  }

  /** An event that is nobody's goes to this subscription alone, behind what waits for it. */
  async test(subscription: Subscription): Promise<Delivery> {
    const { clock, ids } = this.#parts
    const now = clock.now()
    const event = {
      id: ids.next('event'),
      type: 'rouse.test',
      time: now,
      attributes: { subscription: subscription.id },
    }
    const delivery = {
      ...{
        id: ids.next('delivery'),
        messageId: `${event.id}.${subscription.id}`,
        subscription: subscription.id,
        key: '',
      },
      ...{ sequence: 0, event, queuedAt: now, attempts: 0, nextAt: now },
    }
    await this.keep(delivery)
    await this.#tell(subscription.id, true)
    return delivery
  }

  /** Dead letters are deliveries again, in the order in which they came. @returns how many */
  async replay(subscription: string, letters: readonly Delivery[]): Promise<number> {
    const { clock, ids } = this.#parts
    const ordered = [...letters].sort((one, other) => one.sequence - other.sequence)
    for (const letter of ordered) {
      const { deadAt: _, error: __, ...rest } = letter
      const now = clock.now()
      await this.keep({ ...rest, id: ids.next('delivery'), queuedAt: now, attempts: 0, nextAt: now })
      await this.drop(letter)
    }
    if (ordered.length > 0) await this.#tell(subscription, true)
    return ordered.length
  }

  async #write(subscription: Subscription, rev: number, drop: { id: string; event: string }[] = []): Promise<void> {
    const { store, clock } = this.#parts
    const now = clock.now()
    const add = interestsOf(subscription, now)
    // What was raised before it was there is none of its own.
    const { at } = await store.lookup('sip:nobody@outbox.invalid')
    await store.suspend({ transaction: recordOf(subscription, rev, now), add, drop, since: at })
  }

  async #tell(subscription: string, hasQueued = false): Promise<void> {
    const { store, clock, ids } = this.#parts
    const attributes = { subscription, queued: hasQueued }
    await store.publish([{ id: ids.next('event'), type: CHANGED, time: clock.now(), attributes }])
  }
}

function deliveriesOf(found: readonly { id: string; state: string }[]): Delivery[] {
  return found.flatMap((transaction) => deliveryOf(transaction) ?? [])
}
