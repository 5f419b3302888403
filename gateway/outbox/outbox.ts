import type { Integration, IntegrationParts } from '../integration/integration.ts'
import { Book } from './book.ts'
import { Dispatcher } from './dispatcher.ts'
import { Leadership } from './leadership.ts'
import type { OwnSubscription, Sink, SubscriptionTarget } from './sink.ts'

export interface OutboxParts extends IntegrationParts {
  sinks: readonly Sink[]
  /** Subscriptions that settings ask for. */
  own: readonly OwnSubscription[]
  newSecret(): string
  /** CloudEvents' source of events that have none. */
  source: string
}

const RETRY_MS = 5000

/** Standing subscriptions: what matches them is delivered by one of all gateways that share a store. */
export class Outbox implements Integration {
  readonly name = 'outbox'
  /** For the API. */
  readonly book: Book
  readonly #parts: OutboxParts
  readonly #dispatcher: Dispatcher
  readonly #leadership: Leadership
  #isAway = false
  #isOver = false

  constructor(parts: OutboxParts) {
    this.#parts = parts
    const { store, clock, random } = parts
    this.book = new Book(parts)
    this.#dispatcher = new Dispatcher({ ...parts, book: this.book })
    this.#leadership = new Leadership({
      ...{ store, clock, random },
      lead: () => this.#dispatcher.lead(),
      follow: () => this.#dispatcher.follow(),
      told: (error) => this.#told(error),
    })
  }

  /** The kinds of targets that deliveries can go to. */
  get kinds(): readonly (keyof SubscriptionTarget)[] {
    return this.#parts.sinks.map(({ kind }) => kind)
  }

  get health(): { isUp: boolean; text: string } {
    const isUp = !this.#isAway
    if (!this.#leadership.leads) return { isUp, text: isUp ? 'another gateway delivers' : 'away: the store' }
    return { isUp, text: `delivers, ${this.#dispatcher.waiting} waiting` }
  }

  async start(): Promise<void> {
    await this.#leadership.start()
    void this.#ensure()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#leadership.stop()
  }

  #told(error: unknown): void {
    if (error !== undefined && !this.#isAway)
      this.#parts.log.warn('who delivers what subscriptions match cannot be told', { error: String(error) })
    this.#isAway = error !== undefined
  }

  async #ensure(): Promise<void> {
    const { own, clock } = this.#parts
    try {
      for (const subscription of own) await this.book.ensure(subscription)
    } catch {
      if (!this.#isOver) clock.after(RETRY_MS, () => void this.#ensure())
    }
  }
}
