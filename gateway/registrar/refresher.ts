import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Binding, Store } from '../../functions/store/store.ts'
import type { Pusher } from '../push/types.ts'
import { wakesItself } from './header-parameters.ts'
import type { RegistrarOptions } from './options.ts'
import { afterRefreshPush } from './refresh-schedule.ts'

export interface RefresherParts {
  store: Store
  clock: Clock
  ids: IdSource
  pusher: Pusher
  publish(events: RouseEvent[]): unknown
  options: Pick<RegistrarOptions, 'refreshLead' | 'refreshPerSecond' | 'sweepMs'>
}

/** Asks devices that cannot wake by themselves, or did not, to refresh their bindings in time (RFC 8599 5.5). */
export class Refresher {
  readonly #parts: RefresherParts

  constructor(parts: RefresherParts) {
    this.#parts = parts
  }

  /** Pushes what is due, no more than may go out until the next step. Rejects when the store is away. */
  async step(): Promise<void> {
    const { store, clock, options } = this.#parts
    const limit = Math.max(1, Math.floor((options.refreshPerSecond * options.sweepMs) / 1000))
    const due = await store.refreshDue(clock.now(), limit)
    await Promise.all(due.map((binding) => this.#push(binding)))
  }

  /** Of all gateways that see it due the one pushes that writes down when it will be again. */
  async #push(due: Binding): Promise<void> {
    const { store, clock, pusher, options } = this.#parts
    const now = clock.now()
    const binding = afterRefreshPush(due, now, options)
    // What the store cannot take now stays due.
    if (!(await store.amend(due, binding).catch(() => false))) return
    this.#tell(due, now)
    const until = binding.refresh?.at ?? binding.expiresAt
    const ttlSeconds = Math.max(1, Math.floor((binding.expiresAt - now) / 1000))
    void pusher.push({ binding, purpose: 'refresh', ttlSeconds, until })
  }

  #tell(due: Binding, time: number): void {
    const { aor, contact, expiresAt } = due
    const expires = Math.max(0, Math.round((expiresAt - time) / 1000))
    const attributes = { aor, contact, expires, reason: reasonOf(due) }
    this.#parts.publish([{ id: this.#parts.ids.next('event'), type: 'contact.refresh_due', time, attributes }])
  }
}

/** `expires`: nothing else wakes it. `missed`: it was to do so by itself. `again`: it did not come when it was pushed. */
function reasonOf({ refresh, parameters }: Binding): string {
  if (refresh && refresh.tries > 0) return 'again'
  return wakesItself(parameters) ? 'missed' : 'expires'
}
