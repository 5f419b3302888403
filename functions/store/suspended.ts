import { ExpiryQueue } from './expiry-queue.ts'
import type { StoredSubscription, SuspendedTransaction } from './store.ts'
import type { SubscriptionIndex } from './subscription-index.ts'

/** A suspended transaction with its subscriptions. */
export interface Held {
  transaction: SuspendedTransaction
  /** As queued for expiry, which a later write may move. */
  expiresAt: number
  readonly subscriptions: StoredSubscription[]
}

/** Suspended transactions and their subscriptions, which are in `index` exactly as long as they are here. */
export class SuspendedTable {
  readonly #held = new Map<string, Held>()
  readonly #index: SubscriptionIndex
  readonly #expiry = new ExpiryQueue<Held>((held) => held.expiresAt)
  readonly #subscriptionExpiry = new ExpiryQueue<StoredSubscription>((subscription) => subscription.expiresAt)

  constructor(index: SubscriptionIndex) {
    this.#index = index
  }

  /** An older revision that comes late does not overwrite a newer one. */
  write(transaction: SuspendedTransaction): Held {
    const { id, expiresAt } = transaction
    const held = this.#held.get(id) ?? { transaction, expiresAt, subscriptions: [] }
    if (this.#held.has(id)) this.#expiry.remove(held)
    if (transaction.rev >= held.transaction.rev) held.transaction = transaction
    held.expiresAt = held.transaction.expiresAt
    this.#held.set(id, held)
    this.#expiry.add(held)
    return held
  }

  /** -1 when it is not held. */
  revOf(id: string): number {
    return this.#held.get(id)?.transaction.rev ?? -1
  }

  /** A subscription of the same id is replaced. */
  subscribe(held: Held, added: StoredSubscription): void {
    const subscription = { ...added, transaction: held.transaction.id }
    this.unsubscribe(held, subscription.id)
    held.subscriptions.push(subscription)
    this.#index.add(subscription)
    this.#subscriptionExpiry.add(subscription)
  }

  unsubscribe(held: Held, id: string): void {
    const at = held.subscriptions.findIndex((subscription) => subscription.id === id)
    if (at < 0) return
    const [subscription] = held.subscriptions.splice(at, 1)
    this.#forget(subscription!)
  }

  release(id: string): void {
    const held = this.#held.get(id)
    if (!held) return
    this.#held.delete(id)
    this.#expiry.remove(held)
    for (const subscription of held.subscriptions) this.#forget(subscription)
  }

  ofGateway(gateway: string, now: number): SuspendedTransaction[] {
    const found: SuspendedTransaction[] = []
    for (const { transaction } of this.#held.values()) {
      if (transaction.gateway === gateway && transaction.expiresAt > now) found.push(transaction)
    }
    return found
  }

  subscriptions(id: string, now: number): StoredSubscription[] {
    return (this.#held.get(id)?.subscriptions ?? []).filter((subscription) => subscription.expiresAt > now)
  }

  /** Forgets what has expired. @returns when something will expire next, `Infinity` when nothing is held */
  sweep(now: number): number {
    for (const held of this.#expiry.takeDue(now)) this.release(held.transaction.id)
    for (const subscription of this.#subscriptionExpiry.takeDue(now)) this.#expired(subscription)
    return Math.min(this.#expiry.nextDue, this.#subscriptionExpiry.nextDue)
  }

  #expired(subscription: StoredSubscription): void {
    const subscriptions = this.#held.get(subscription.transaction)?.subscriptions
    const at = subscriptions?.indexOf(subscription) ?? -1
    if (at >= 0) subscriptions!.splice(at, 1)
    this.#index.remove(subscription)
  }

  #forget(subscription: StoredSubscription): void {
    this.#index.remove(subscription)
    this.#subscriptionExpiry.remove(subscription)
  }
}
