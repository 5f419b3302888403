import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Delivery, Store, StoredSubscription } from '../../functions/store/store.ts'
import { SubscriptionIndex } from '../../functions/store/subscription-index.ts'
import { SuspendedTable } from '../../functions/store/suspended.ts'

/** What the suspended calls of this gateway have subscribed to, whether the store knows of it or not. */
export class OwnInterests {
  readonly #index = new SubscriptionIndex()
  readonly #table = new SuspendedTable(this.#index)

  suspend({ transaction, add, drop }: Parameters<Store['suspend']>[0], now: number): void {
    const held = this.#table.write(transaction)
    for (const { id } of drop) this.#table.unsubscribe(held, id)
    for (const subscription of add) this.#table.subscribe(held, subscription)
    this.#table.sweep(now)
  }

  release(transaction: string): void {
    this.#table.release(transaction)
  }

  met(event: RouseEvent, now: number): Delivery[] {
    const met: StoredSubscription[] = []
    this.#index.match(event, now, met)
    return met.map(({ id, transaction }) => ({ event, subscription: id, transaction }))
  }
}
