import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Integration, IntegrationParts } from '../integration/integration.ts'
import { series } from '../observe/counters.ts'
import type { OwnSubscription, Sink } from '../outbox/sink.ts'
import type { Connect } from './connect.ts'
import { Consumer } from './consumer.ts'
import { Link } from './link.ts'
import { Publisher } from './publisher.ts'
import type { AmqpSettings } from './settings.ts'

export interface AmqpParts extends IntegrationParts {
  connect: Connect
  /** Publishes events; rejects while the store does not have them. */
  hand(events: RouseEvent[]): Promise<unknown>
}

/** RabbitMQ: events go out to an exchange, by the outbox, and come in from a queue. */
export class Amqp implements Integration {
  readonly name = 'amqp'
  readonly #parts: AmqpParts
  readonly #publisher: Publisher
  readonly #consumer: Consumer | undefined
  readonly #links: Link[]
  readonly #trouble = new Map<string, string>()
  readonly own: readonly OwnSubscription[]

  constructor(settings: AmqpSettings, parts: AmqpParts) {
    const { clock, random, connect, counters, hand, ids, log } = parts
    const { exchange, publish, queue } = settings
    this.#parts = parts
    this.#publisher = new Publisher(exchange, clock)
    counters.gauge('amqp_unconfirmed', () => this.#publisher.unconfirmed)
    this.own = publish.length > 0 ? [{ id: 'amqp', types: publish, target: { amqp: {} } }] : []
    const link = (direction: 'out' | 'in', opened: ConstructorParameters<typeof Link>[0]['opened']) => {
      this.#trouble.set(direction, 'not yet reached')
      return new Link({
        ...{ direction, connect, clock, random, opened },
        told: (trouble) => this.#told(direction, trouble),
      })
    }
    this.#links = [link('out', (connection) => this.#publisher.opened(connection))]
    if (queue === undefined) return
    const consumer = new Consumer({
      ...{ queue, clock, ids, log, hand },
      count: (result) => counters.count(series('amqp_messages', { result })),
      lost: (why) => incoming.renew(why),
    })
    const incoming = link('in', (connection) => consumer.opened(connection))
    this.#consumer = consumer
    this.#links.push(incoming)
  }

  get sink(): Sink {
    return this.#publisher
  }

  get health(): { isUp: boolean; text: string } {
    if (this.#trouble.size === 0) return { isUp: true, text: 'connected' }
    return { isUp: false, text: [...this.#trouble].map(([direction, why]) => `${direction}: away: ${why}`).join('; ') }
  }

  start(): void {
    for (const link of this.#links) link.start()
  }

  async stop(): Promise<void> {
    await this.#consumer?.stop()
    await Promise.all(this.#links.map((link) => link.stop()))
    this.#publisher.closed('the gateway stops')
  }

  #told(direction: string, trouble: string | undefined): void {
    if (this.#trouble.get(direction) === trouble) return
    if (trouble === undefined) this.#trouble.delete(direction)
    else this.#trouble.set(direction, trouble)
    const { log } = this.#parts
    if (trouble === undefined) log.info('RabbitMQ is there', { direction })
    else log.warn('RabbitMQ is away', { direction, reason: trouble })
  }
}
