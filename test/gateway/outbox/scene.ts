import type { Clock } from '../../../functions/contract/clock.ts'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import type { Store } from '../../../functions/store/store.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { silentLog } from '../../../gateway/observe/log.ts'
import { Outbox } from '../../../gateway/outbox/outbox.ts'
import type { DeliveryOutcome, OutgoingDelivery, OwnSubscription, Sink } from '../../../gateway/outbox/sink.ts'
import type { Wish } from '../../../gateway/outbox/subscription.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'
import { Life } from '../../support/life.ts'

export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

/** What came to a receiver, and how it is to answer: by the host of the URL. */
export class Receivers implements Sink {
  readonly kind = 'url'
  readonly heard: { url: string; id: string; body: Record<string, unknown>; secret: string; at: number }[] = []
  /** Those that were taken. */
  readonly delivered: OutgoingDelivery[] = []
  /** Default delivered. */
  answer: (delivery: OutgoingDelivery) => DeliveryOutcome | Promise<DeliveryOutcome> = () => ({ outcome: 'delivered' })
  /** Says that all receivers are there again. */
  back: () => void = () => {}
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async deliver(delivery: OutgoingDelivery): Promise<DeliveryOutcome> {
    const { id, body, secret, target } = delivery
    this.heard.push({ url: target.url!, id, body: JSON.parse(body), secret, at: this.#clock.now() })
    const outcome = await this.answer(delivery)
    if (outcome.outcome === 'delivered') this.delivered.push(delivery)
    return outcome
  }

  whenBack(act: () => void): void {
    this.back = act
  }

  /** The events that one URL has had, by the attribute `n`. */
  of(url: string): unknown[] {
    return this.heard.filter((each) => each.url === url).map(({ body }) => (body.data as { n?: unknown }).n)
  }
}

function inMemory(clock: FakeClock, ids: CountingIds): Store {
  return createMemoryStore({ clock, ids })
}

/** A store, and any number of gateways' outboxes on it, in virtual time; each ends with its life. */
export class Scene {
  readonly clock = new FakeClock()
  readonly ids = new CountingIds()
  readonly store: Store
  readonly receivers = new Receivers(this.clock)
  #count = 0

  constructor(make: (clock: FakeClock, ids: CountingIds) => Store = inMemory) {
    this.store = make(this.clock, this.ids)
  }

  async outbox(
    own: readonly OwnSubscription[] = [],
    store: Store = this.store,
    life = new Life(),
  ): Promise<Outbox & { counters: Counters }> {
    const counters = new Counters()
    const name = `gw-${++this.#count}`
    const { ids } = this
    const reached = { clock: life.clock(this.clock), store: life.store(store), sinks: [life.sink(this.receivers)] }
    const parts = { ...reached, ids, random: () => 0.5, log: silentLog, counters, own }
    const outbox = new Outbox({
      ...parts,
      newSecret: () => SECRET,
      source: `/gateways/${name}`,
    })
    await outbox.start()
    await settled(20)
    return Object.assign(outbox, { counters })
  }

  wish(url: string, types: string[] = ['pickup'], more: Partial<Wish> = {}): Wish {
    return { types, filter: {}, target: { url }, secret: undefined, expiresAt: undefined, ...more }
  }

  async raise(n: number, attributes: RouseEvent['attributes'] = {}, type = 'pickup'): Promise<void> {
    await this.store.publish([{ id: `event-${n}`, type, time: this.clock.now(), attributes: { n, ...attributes } }])
    await settled(20)
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await settled(20)
  }
}
