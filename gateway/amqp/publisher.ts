import type { ChannelModel, ConfirmChannel } from 'amqplib'
import type { Clock } from '../../functions/contract/clock.ts'
import { reasonOf } from '../../functions/contract/reason.ts'
import type { DeliveryOutcome, OutgoingDelivery, Sink } from '../outbox/sink.ts'
import { isThere } from './is-there.ts'

/** Milliseconds until the broker has to have confirmed. */
const CONFIRM_MS = 10_000
const CONTENT_TYPE = 'application/cloudevents+json'

/**
 * Publishes CloudEvents to topic exchanges, the type of the event as routing key, each until the broker has confirmed it. Each exchange has a
 * channel: one that does not exist costs no other.
 */
export class Publisher implements Sink {
  readonly kind = 'amqp'
  /** A broker that writes to its disk first confirms late, and many together. */
  readonly parallel = 64
  readonly #exchange: string
  readonly #clock: Clock
  #connection: ChannelModel | undefined
  readonly #channels = new Map<string, Promise<ConfirmChannel>>()
  /** Why the broker takes nothing for now: it is short of memory or of disk. */
  #blocked: string | undefined
  #back: () => void = () => {}
  /** Not confirmed yet, and to be told that they will not be. */
  readonly #open = new Set<(error: string) => void>()

  /** @param exchange where events go of which nothing else is said; it is made unless it is there */
  constructor(exchange: string, clock: Clock) {
    this.#exchange = exchange
    this.#clock = clock
  }

  get unconfirmed(): number {
    return this.#open.size
  }

  async opened(connection: ChannelModel): Promise<void> {
    this.#channels.clear()
    this.#connection = connection
    this.#blocked = undefined
    connection.on('blocked', (reason: string) => {
      this.#blocked = reason
    })
    connection.on('unblocked', () => {
      this.#blocked = undefined
      this.#back()
    })
    connection.on('close', () => {
      if (this.#connection === connection) this.closed('the connection was lost')
    })
    await this.#channel(connection, this.#exchange)
    this.#back()
  }

  whenBack(act: () => void): void {
    this.#back = act
  }

  /** What was not confirmed may or may not have arrived: it is published again. */
  closed(why: string): void {
    this.#connection = undefined
    this.#channels.clear()
    for (const fail of [...this.#open]) fail(why)
  }

  async deliver({ id, type, body, target }: OutgoingDelivery): Promise<DeliveryOutcome> {
    const connection = this.#connection
    if (!connection) return { outcome: 'failed', error: 'RabbitMQ is away' }
    // What is written now would arrive later, and what is written again as well.
    if (this.#blocked !== undefined) return { outcome: 'failed', error: `RabbitMQ takes nothing: ${this.#blocked}` }
    const { exchange = this.#exchange, routingKey = type } = target.amqp ?? {}
    try {
      const channel = await this.#channel(connection, exchange)
      return await this.#published(channel, exchange, routingKey, { id, type, body })
    } catch (error) {
      return { outcome: 'failed', error: reasonOf(error) }
    }
  }

  #channel(connection: ChannelModel, exchange: string): Promise<ConfirmChannel> {
    const known = this.#channels.get(exchange)
    if (known) return known
    const made = this.#make(connection, exchange)
    this.#channels.set(exchange, made)
    made.catch(() => this.#channels.delete(exchange))
    return made
  }

  async #make(connection: ChannelModel, exchange: string): Promise<ConfirmChannel> {
    const channel = await connection.createConfirmChannel()
    // What is unconfirmed on it fails by itself, with it.
    channel.on('error', () => {})
    channel.on('close', () => this.#channels.delete(exchange))
    // One that is there with other properties is used as it is: who made it knows why.
    if (exchange === this.#exchange && !(await isThere(connection, (asked) => asked.checkExchange(exchange))))
      await channel.assertExchange(exchange, 'topic', { durable: true })
    else await channel.checkExchange(exchange)
    return channel
  }

  #published(
    channel: ConfirmChannel,
    exchange: string,
    routingKey: string,
    { id, type, body }: { id: string; type: string; body: string },
  ): Promise<DeliveryOutcome> {
    return new Promise((resolve) => {
      const settle = (outcome: DeliveryOutcome) => {
        timer.cancel()
        this.#open.delete(fail)
        resolve(outcome)
      }
      const fail = (error: string) => settle({ outcome: 'failed', error })
      const timer = this.#clock.after(CONFIRM_MS, () => fail('the broker does not confirm'))
      this.#open.add(fail)
      const options = { persistent: true, contentType: CONTENT_TYPE, messageId: id, type, appId: 'rouse' }
      channel.publish(exchange, routingKey, Buffer.from(body), options, (error) =>
        error ? fail(error.message || 'the broker does not take it') : settle({ outcome: 'delivered' }),
      )
    })
  }
}
