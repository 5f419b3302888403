import type { ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib'
import { bounded } from '../../functions/contract/bounded.ts'
import { type Clock, type IdSource, pause } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Log } from '../observe/log.ts'
import { isThere } from './is-there.ts'
import { eventOf } from './message.ts'

export interface ConsumerParts {
  queue: string
  clock: Clock
  ids: IdSource
  /** Rejects while the store does not have them. */
  hand(events: RouseEvent[]): Promise<unknown>
  count(result: 'raised' | 'parked'): void
  /** Nothing comes any more: another connection is needed. */
  lost(why: string): void
  log: Log
}

/** Messages that are here and not acknowledged. */
const PREFETCH = 64
/** The store is asked again after this. Milliseconds. */
const PAUSE_MS = 1000
/** Milliseconds that a stop waits for the message that is being taken. */
const STOP_MS = 2000
/** A message that comes back so often (quorum queues count it) ends whoever takes it: it is parked. */
const MAX_DELIVERIES = 10

/**
 * Raises the messages of a queue as events, in order, and acknowledges each once it is raised. What is no event is parked in a queue beside it,
 * `<queue>.parked`, with the reason, and never comes back by itself.
 */
export class Consumer {
  readonly #parts: ConsumerParts
  #connection: ChannelModel | undefined
  #channel: ConfirmChannel | undefined
  #working: Promise<void> = Promise.resolve()

  constructor(parts: ConsumerParts) {
    this.#parts = parts
  }

  async opened(connection: ChannelModel): Promise<void> {
    const { queue, lost } = this.#parts
    for (const name of [queue, `${queue}.parked`]) await ensure(connection, name)
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
    this.#connection = connection
    this.#channel = channel
    await channel.consume(queue, (message) => {
      if (message) this.#working = this.#working.then(() => this.#take(channel, message))
      // The queue is gone, or its server.
      else channel.close().catch(() => {})
    })
  }

  /** Takes no more, and resolves when what is here is done with, or the store or the broker has taken nothing for two seconds. */
  async stop(): Promise<void> {
    const channel = this.#channel
    this.#channel = undefined
    if (!channel) return
    const { clock } = this.#parts
    const ended = this.#working.then(() => channel.close())
    await bounded(clock, STOP_MS, () => ended).catch(() => {})
  }

  async #take(channel: ConfirmChannel, message: ConsumeMessage): Promise<void> {
    const { clock, ids, queue, hand, count, log } = this.#parts
    const headers = message.properties.headers ?? {}
    const { contentType, messageId } = message.properties
    const read = eventOf({ content: message.content, contentType, messageId, headers }, queue, {
      now: clock.now(),
      newId: () => ids.next('event'),
    })
    // A message that somebody has moved here has the count of where it was.
    const deliveries = message.fields.redelivered ? Number(headers['x-delivery-count'] ?? 0) : 0
    if (!read.ok) return this.#park(channel, message, read.problem.detail)
    if (deliveries > MAX_DELIVERIES) return this.#park(channel, message, `it has come back ${deliveries} times`)
    const events = read.value.events.map(({ event }) => event)
    // Not acknowledged, it stays the broker's: it is delivered again when this connection ends.
    while (this.#channel === channel) {
      try {
        await hand(events)
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
    const { 'x-delivery-count': _, ...kept } = headers ?? {}
    const parked = `${queue}.parked`
    const options = {
      ...{ persistent: true, mandatory: true, headers: { ...kept, 'x-rouse-reason': reason } },
      ...(typeof contentType === 'string' ? { contentType } : {}),
      ...(typeof messageId === 'string' ? { messageId } : {}),
    }
    while (this.#channel === channel) {
      try {
        await confirmed(channel, parked, message.content, options)
        channel.ack(message)
        log.warn('a message from RabbitMQ is no event, and is parked', { queue, reason })
        return count('parked')
      } catch (error) {
        log.warn('a message from RabbitMQ cannot be parked yet', { queue: parked, error: String(error) })
        await pause(clock, PAUSE_MS)
        if (this.#connection) await ensure(this.#connection, parked).catch(() => {})
      }
    }
  }
}

/** One at a time. A broker confirms also what it has no queue for: that it has returned before. */
async function confirmed(channel: ConfirmChannel, queue: string, content: Buffer, options: object): Promise<void> {
  let isReturned = false
  const onReturn = () => {
    isReturned = true
  }
  channel.on('return', onReturn)
  try {
    await new Promise<void>((resolve, reject) => {
      channel.sendToQueue(queue, content, options, (error) => (error ? reject(error) : resolve()))
    })
  } finally {
    channel.off('return', onReturn)
  }
  if (isReturned) throw new Error('there is no such queue')
}

/** A queue that is there is used as it is. */
async function ensure(connection: ChannelModel, queue: string): Promise<void> {
  if (!(await isThere(connection, (channel) => channel.checkQueue(queue)))) await declare(connection, queue)
}

async function declare(connection: ChannelModel, queue: string): Promise<void> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  await channel.assertQueue(queue, { durable: true })
  await channel.close()
}
