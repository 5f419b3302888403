import type { IdSource, Timer } from '../../functions/contract/clock.ts'
import { pause, pauseAfter } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Delivery as Met, Store } from '../../functions/store/store.ts'
import { type Book, CHANGED, CONTROL, type Entry } from './book.ts'
import { DeadLetters } from './dead-letters.ts'
import { byAge, type Delivery, keyOf } from './delivery.ts'
import { Lane } from './lane.ts'
import { idOfTransaction, LIFETIME_MS, OWNER, RENEW_MS, silence } from './subscription.ts'
import { Tries, type TriesParts } from './tries.ts'

export interface DispatcherParts extends TriesParts {
  store: Store
  book: Book
  ids: IdSource
}

/** What waits for one subscription at most. */
const MAX_WAITING = 10_000
/** Deliveries that are over and remembered: an event that comes once more makes no new one. */
const MAX_KNOWN = 20_000
/** How often what has changed without a word is looked for: expiry, renewal. Milliseconds. */
const SWEEP_MS = 60_000
/** What the store does not take is given to it again after so long. Milliseconds. */
const KEEP_PAUSES_MS = [500, 500, 1000, 2000]
const SEQUENCE_KEY = 'outbox-sequence-'

/**
 * Delivers what standing subscriptions match, while this gateway leads: takes over what waits in the store, then what comes. A delivery is in
 * the store before the event counts as taken, and until it is delivered or given up.
 */
export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #lanes = new Map<string, Lane>()
  readonly #tries: Tries
  readonly #dead: DeadLetters
  /** Message ids of deliveries that are here, or were. */
  readonly #known = new Set<string>()
  /** Deliveries that are on their way into the store. */
  readonly #keeping = new Set<Delivery>()
  #inbox: { close(): Promise<void> } | undefined
  #sweep: Timer | undefined
  #leads = false
  /** How often it has led. */
  #reign = 0
  /** Settled when what was met so far is in its lanes. */
  #taking: Promise<void> = Promise.resolve()

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#dead = new DeadLetters(parts)
    this.#tries = new Tries(parts, this.#lanes, {
      delivered: (delivery) => void this.#forget(delivery),
      postponed: (delivery) => void this.#keep(delivery),
      givenUp: async (delivery, why) => {
        await this.#dead.giveUp(delivery, why)
        void this.#forget(delivery)
      },
      gone: (lane, why) => this.#end(lane, why),
    })
    const { counters } = parts
    counters.gauge('outbox_subscriptions', () => this.#lanes.size)
    counters.gauge('outbox_waiting', () => this.waiting)
    counters.gauge('outbox_dead', () => this.#dead.size)
    counters.gauge('outbox_oldest_seconds', () => this.#oldestSeconds)
  }

  get waiting(): number {
    return [...this.#lanes.values()].reduce((sum, { size }) => sum + size, 0)
  }

  get #oldestSeconds(): number {
    const times = [...this.#lanes.values()].flatMap(({ oldest }) => oldest ?? [])
    return times.length === 0 ? 0 : (this.#parts.clock.now() - Math.min(...times)) / 1000
  }

  /** Rejects when the store is away; then nothing has begun. */
  async lead(): Promise<void> {
    const { book, store } = this.#parts
    this.#leads = true
    try {
      const [entries, waiting, dead] = await Promise.all([book.all(), book.waiting(), book.dead()])
      this.#dead.takeUp(dead)
      await Promise.all(entries.map((entry) => this.#open(entry)))
      for (const delivery of waiting.sort(byAge)) this.#takeUp(delivery)
      await book.listen()
      this.#inbox = await store.inbox(
        OWNER,
        (met) => this.#receive(met),
        () => void this.#writeAgain(),
      )
    } catch (error) {
      await this.follow()
      throw error
    }
    this.#later()
    for (const lane of this.#lanes.values()) this.#tries.pump(lane)
    this.#parts.log.info('this gateway delivers what subscriptions match', {
      subscriptions: this.#lanes.size,
      waiting: this.waiting,
    })
  }

  /** What is under way ends as it may: whoever leads next tries it again. */
  async follow(): Promise<void> {
    this.#leads = false
    this.#reign++
    this.#sweep?.cancel()
    this.#tries.stopAll()
    this.#lanes.clear()
    this.#dead.clear()
    this.#known.clear()
    const inbox = this.#inbox
    this.#inbox = undefined
    await inbox?.close()
  }

  async #open({ subscription, rev }: Entry): Promise<void> {
    const lane = new Lane(subscription, rev)
    lane.sequence = Number((await this.#parts.store.recall(SEQUENCE_KEY + subscription.id)) ?? 0)
    // Somebody else leads meanwhile, or did, and it was opened anew.
    if (this.#leads && !this.#lanes.has(subscription.id)) this.#lanes.set(subscription.id, lane)
  }

  /** One that waited in the store already. */
  #takeUp(delivery: Delivery): void {
    const lane = this.#lanes.get(delivery.subscription)
    if (!lane || lane.subscription.ended) return void this.#forget(delivery)
    lane.sequence = Math.max(lane.sequence, delivery.sequence)
    this.#remember(delivery.id)
    this.#remember(delivery.messageId)
    lane.add(delivery)
  }

  /** In order, whatever has to be read in between. Resolves when all of it is in the store. */
  async #receive(met: readonly Met[]): Promise<void> {
    const kept: Promise<void>[] = []
    this.#taking = this.#taking.then(() => this.#take(met, kept))
    await this.#taking
    await Promise.all(kept)
  }

  async #take(met: readonly Met[], kept: Promise<void>[]): Promise<void> {
    const touched = new Set<Lane>()
    for (const { transaction, event } of met) {
      if (!this.#leads) return
      const lane = transaction === CONTROL ? await this.#changed(event) : await this.#laneOf(transaction)
      if (!lane || !this.#isNew(lane, event)) continue
      const delivery = this.#make(lane, event)
      touched.add(lane)
      if (lane.size >= MAX_WAITING) kept.push(this.#dead.giveUp(delivery, `more than ${MAX_WAITING} wait`))
      else {
        lane.add(delivery)
        kept.push(this.#keep(delivery))
      }
    }
    const { store } = this.#parts
    for (const lane of touched) {
      kept.push(store.remember(SEQUENCE_KEY + lane.subscription.id, String(lane.sequence), LIFETIME_MS).catch(() => {}))
      this.#tries.pump(lane)
    }
  }

  /** One that was made a moment ago may not have been heard of yet. */
  async #laneOf(transaction: string): Promise<Lane | undefined> {
    const id = idOfTransaction(transaction)
    if (id === undefined) return undefined
    if (!this.#lanes.has(id)) await this.#refreshed()
    return this.#lanes.get(id)
  }

  #isNew({ subscription }: Lane, event: RouseEvent): boolean {
    const why = silence(subscription, this.#parts.clock.now())
    if (why === 'ended' || why === 'expired' || event.type === CHANGED) return false
    const messageId = `${event.id}.${subscription.id}`
    if (this.#known.has(messageId)) return false
    this.#remember(messageId)
    return true
  }

  #make(lane: Lane, event: RouseEvent): Delivery {
    const { clock, ids } = this.#parts
    const now = clock.now()
    const { id } = lane.subscription
    const common = { id: ids.next('delivery'), messageId: `${event.id}.${id}`, subscription: id, key: keyOf(event) }
    this.#remember(common.id)
    return { ...common, sequence: ++lane.sequence, event, queuedAt: now, attempts: 0, nextAt: now }
  }

  /**
   * While the store is away it is tried again, as it is then. Delivered meanwhile, it need not be kept; when this gateway leads no more, it is
   * what the next one goes on with.
   */
  async #keep(delivery: Delivery): Promise<void> {
    const { book, clock, counters } = this.#parts
    if (this.#keeping.has(delivery)) return
    this.#keeping.add(delivery)
    const reign = this.#reign
    let failures = 0
    for (let isKept = false; !isKept && reign === this.#reign && this.#isHere(delivery); ) {
      const { attempts } = delivery
      try {
        await book.keep(delivery)
        if (reign === this.#reign && !this.#isHere(delivery)) await book.drop(delivery)
        isKept = delivery.attempts === attempts
      } catch {
        counters.count('outbox_not_kept')
        await pause(clock, pauseAfter(failures++, KEEP_PAUSES_MS))
      }
    }
    this.#keeping.delete(delivery)
  }

  #isHere(delivery: Delivery): boolean {
    return this.#lanes.get(delivery.subscription)?.has(delivery) === true
  }

  /** The receiver wants no more: nothing is matched, and nothing is delivered that waits. */
  async #end(lane: Lane, why: string): Promise<void> {
    const { book, clock, log } = this.#parts
    const { subscription, rev } = lane
    log.warn('a subscription has ended: its receiver is gone', { subscription: subscription.id, reason: why })
    for (const delivery of lane.deliveries()) void this.#forget(delivery)
    const { id } = subscription
    const ended = new Lane({ ...subscription, ended: { at: clock.now(), why } }, rev)
    this.#lanes.set(id, ended)
    try {
      ended.rev = await book.end(ended)
    } catch (error) {
      log.warn('the store does not take the end of a subscription', { subscription: id, error: String(error) })
    }
  }

  async #forget(delivery: Delivery): Promise<void> {
    await this.#parts.book.drop(delivery).catch(() => this.#parts.counters.count('outbox_not_kept'))
  }

  /** A subscription was made, changed or deleted at some gateway, or deliveries were put into its queue. */
  async #changed({ attributes }: RouseEvent): Promise<undefined> {
    await this.#refreshed()
    const hasQueued = attributes.queued === true || attributes.queued === 'true'
    if (hasQueued) await this.#merge(String(attributes.subscription)).catch((error) => this.#unread(error))
  }

  async #refreshed(): Promise<void> {
    await this.#refresh().catch((error) => this.#unread(error))
  }

  #unread(error: unknown): void {
    this.#parts.log.warn('subscriptions cannot be read', { error: String(error) })
  }

  async #refresh(): Promise<void> {
    const entries = await this.#parts.book.all()
    if (!this.#leads) return
    const found = new Set(entries.map(({ subscription }) => subscription.id))
    for (const [id, lane] of this.#lanes) {
      if (found.has(id)) continue
      for (const delivery of lane.deliveries()) void this.#forget(delivery)
      this.#lanes.delete(id)
      this.#tries.stop(id)
    }
    for (const entry of entries) {
      const lane = this.#lanes.get(entry.subscription.id)
      if (!lane) await this.#open(entry)
      else if (entry.rev > lane.rev) {
        lane.subscription = entry.subscription
        lane.rev = entry.rev
        lane.rested()
      }
      const open = this.#lanes.get(entry.subscription.id)
      if (open) this.#tries.pump(open)
    }
  }

  /** What others have put into the queue in the store. */
  async #merge(subscription: string): Promise<void> {
    const lane = this.#lanes.get(subscription)
    if (!lane) return
    const waiting = await this.#parts.book.waiting()
    if (!this.#leads) return
    const here = new Set([...lane.deliveries()].map(({ id }) => id))
    const added = waiting.filter((one) => one.subscription === subscription && !here.has(one.id) && this.#isAdded(one))
    for (const delivery of added.sort(byAge)) lane.add(delivery)
    this.#dead.takeUp(await this.#parts.book.dead())
    lane.rested()
    this.#tries.pump(lane)
  }

  /** Not one of its own that was delivered while the list was on its way. */
  #isAdded({ id, messageId, attempts }: Delivery): boolean {
    if (this.#known.has(id) || attempts > 0) return false
    this.#remember(id)
    this.#remember(messageId)
    return true
  }

  #remember(id: string): void {
    this.#known.add(id)
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.values().next().value!)
  }

  /** The store has lost what it had of this. */
  async #writeAgain(): Promise<void> {
    const { book, log } = this.#parts
    try {
      for (const { subscription, rev } of this.#lanes.values())
        if (!subscription.ended) await book.renew({ subscription, rev })
      for (const lane of this.#lanes.values()) for (const delivery of lane.deliveries()) await book.keep(delivery)
      for (const letter of this.#dead.all()) await book.keep(letter)
    } catch (error) {
      log.warn('what subscriptions wait for cannot be written again', { error: String(error) })
    }
  }

  #later(): void {
    this.#sweep = this.#parts.clock.after(SWEEP_MS, () => void this.#sweeps().then(() => this.#leads && this.#later()))
  }

  /** Those that have expired go, those that would be forgotten are renewed. */
  async #sweeps(): Promise<void> {
    const { book, clock, log } = this.#parts
    try {
      await this.#refresh()
      for (const lane of [...this.#lanes.values()]) {
        const { subscription, rev } = lane
        const now = clock.now()
        if (silence(subscription, now) === 'expired') {
          for (const delivery of lane.deliveries()) void this.#forget(delivery)
          this.#lanes.delete(subscription.id)
          await book.forget({ subscription, rev })
        } else if (!subscription.ended && now - (this.#renewedAt.get(lane) ?? Number.NEGATIVE_INFINITY) > RENEW_MS) {
          await book.renew({ subscription, rev })
          this.#renewedAt.set(lane, now)
        }
      }
    } catch (error) {
      log.warn('subscriptions cannot be renewed', { error: String(error) })
    }
  }

  readonly #renewedAt = new WeakMap<Lane, number>()
}
