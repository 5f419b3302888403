import type { Clock } from '../../functions/contract/clock.ts'
import type { Delivery, Receive, Store } from '../../functions/store/store.ts'
import { settled } from './fake-clock.ts'

/** As the store in Redis has it. */
const DEADLINE_MS = 1000

/** A gateway's way to a store that is elsewhere: it can be cut, or slow, and what is there can be lost. */
export class FragileLink {
  /** Every operation is rejected, and nothing comes out of the inbox. */
  isAway = false
  /** How long each answer takes, in milliseconds of virtual time. One that takes too long is none, though what was asked for is done. */
  delayMs = 0
  /** How many operations of a name were under way at once at most. */
  readonly most = new Map<string, number>()
  readonly #underWay = new Map<string, number>()
  #store: Store | undefined
  #waiting: Delivery[] = []
  #receive: Receive = () => {}
  #lost: (() => void) | undefined

  readonly link = (store: Store, clock: Clock): Store => {
    this.#store = store
    return new Proxy(store, {
      get: (_, name: keyof Store) => {
        if (name === 'inbox') return this.#inbox(store)
        const act = (store[name] as (...args: unknown[]) => Promise<unknown>).bind(store)
        return name === 'close' ? act : (...args: unknown[]) => this.#pass(name, clock, () => act(...args))
      },
    })
  }

  /** There again: what has waited in the inbox comes out. */
  async comesBack(): Promise<void> {
    this.isAway = false
    await this.#receive(this.#waiting.splice(0))
    await settled()
  }

  /** All that is suspended is gone, and the gateway is told. */
  async loses(gateway = 'gw'): Promise<void> {
    for (const { id } of await this.#store!.suspended(gateway)) await this.#store!.release(id)
    this.#lost?.()
    await settled()
  }

  #inbox(store: Store): Store['inbox'] {
    return (gateway, receive, lost) => {
      this.#receive = receive
      this.#lost = lost
      return store.inbox(gateway, (deliveries) => {
        if (!this.isAway) return receive(deliveries)
        this.#waiting.push(...deliveries)
      })
    }
  }

  async #pass(name: string, clock: Clock, act: () => Promise<unknown>): Promise<unknown> {
    const underWay = (this.#underWay.get(name) ?? 0) + 1
    this.#underWay.set(name, underWay)
    this.most.set(name, Math.max(underWay, this.most.get(name) ?? 0))
    try {
      if (this.isAway) throw new Error('the store is away')
      const done = await act()
      const waitMs = Math.min(this.delayMs, DEADLINE_MS)
      if (waitMs > 0) await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
      if (this.delayMs > DEADLINE_MS) throw new Error(`the store did not answer within ${DEADLINE_MS} ms`)
      return done
    } finally {
      this.#underWay.set(name, this.#underWay.get(name)! - 1)
    }
  }
}
