import type { ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib'
import { type Clock, type IdSource, pause } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Log } from '../observe/log.ts'
import { eventOf } from './message.ts'

export interface ConsumerParts {
  queue: string
  clock: Clock
  ids: IdSource
  /** Rejects when the store is away. */
  publish(events: RouseEvent[]): Promise<unknown>
  count(result: 'raised' | 'parked'): void
  /** Nothing comes any more: another connection is needed. */
  lost(why: string): void
  log: Log
}

/** Messages that are here and not acknowledged. */
const PREFETCH = 64
/** The store is asked again after this. Milliseconds. */
const PAUSE_MS = 1000
/** A message that comes back so often (quorum queues count it) ends whoever takes it: it is parked. */
const MAX_DELIVERIES = 10

/**
 * Raises the messages of a queue as events, in order, and acknowledges each once it is raised. What is no event is parked in a queue beside it,
 * `<queue>.parked`, with the reason, and never comes back by itself.
 */
export class Consumer {
  readonly #parts: ConsumerParts
  #channel: ConfirmChannel | undefined
  #working: Promise<void> = Promise.resolve()

  constructor(parts: ConsumerParts) {
    this.#parts = parts
  }

  async opened(connection: ChannelModel): Promise<void> {
    const { queue, lost } = this.#parts
    const parked = `${queue}.parked`
    for (const name of [queue, parked]) if (!(await isThere(connection, name))) await declare(connection, name)
    const channel = await connection.createConfirmChannel()
    let why = 'the channel was closed'
    channel.on('error', (error: Error) => {
      why = error.message
    })
    channel.on('close', () => {
      if (this.#channel !== channel) return
      this.#channel = undefined
      lost(why)
    })
    await channel.prefetch(PREFETCH)
    this.#channel = channel
    await channel.consume(queue, (message) => {
      if (message) this.#working = this.#working.then(() => this.#take(channel, message))
      // The queue is gone, or its server.
      else channel.close().catch(() => {})
    })
  }

  /** Takes no more, and resolves when what is here is done with. */
  async stop(): Promise<void> {
    const channel = this.#channel
    this.#channel = undefined
    await this.#working
    await channel?.close().catch(() => {})
  }

  async #take(channel: ConfirmChannel, message: ConsumeMessage): Promise<void> {
    const { clock, ids, queue, publish, count, log } = this.#parts
    const headers = message.properties.headers ?? {}
    const { contentType, messageId } = message.properties
    const read = eventOf({ content: message.content, contentType, messageId, headers }, queue, {
      now: clock.now(),
      newId: () => ids.next('event'),
    })
    const deliveries = Number(headers['x-delivery-count'] ?? 0)
    if (!read.ok) return this.#park(channel, message, read.problem.detail)
    if (deliveries > MAX_DELIVERIES) return this.#park(channel, message, `it has come back ${deliveries} times`)
    const events = read.value.events.map(({ event }) => event)
    // Not acknowledged, it stays the broker's: it is delivered again when this connection ends.
    while (this.#channel === channel) {
      try {
        await publish(events)
        channel.ack(message)
        return count('raised')
      } catch (error) {
        log.warn('an event from RabbitMQ cannot be raised yet', { error: String(error) })
        await pause(clock, PAUSE_MS)
      }
    }
  }

  async #park(channel: ConfirmChannel, message: ConsumeMessage, reason: string): Promise<void> {
    const { queue, count, log, clock } = this.#parts
    const { contentType, messageId, headers } = message.properties
    const options = {
      ...{ persistent: true, headers: { ...headers, 'x-rouse-reason': reason } },
      ...(typeof contentType === 'string' ? { contentType } : {}),
      ...(typeof messageId === 'string' ? { messageId } : {}),
    }
    while (this.#channel === channel) {
      try {
        await confirmed(channel, `${queue}.parked`, message.content, options)
        channel.ack(message)
        log.warn('a message from RabbitMQ is no event, and is parked', { queue, reason })
        return count('parked')
      } catch {
        await pause(clock, PAUSE_MS)
      }
    }
  }
}

function confirmed(channel: ConfirmChannel, queue: string, content: Buffer, options: object): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.sendToQueue(queue, content, options, (error) => (error ? reject(error) : resolve()))
  })
}

/** Asked on a channel of its own, which a no closes: a queue that is there is used as it is. */
async function isThere(connection: ChannelModel, queue: string): Promise<boolean> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  try {
    await channel.checkQueue(queue)
    await channel.close()
    return true
  } catch {
    return false
  }
}

async function declare(connection: ChannelModel, queue: string): Promise<void> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  await channel.assertQueue(queue, { durable: true })
  await channel.close()
}
