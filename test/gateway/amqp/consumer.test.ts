import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { Consumer } from '../../../gateway/amqp/consumer.ts'
import { silentLog } from '../../../gateway/observe/log.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'

/** The side of a broker that a consumer sees: one channel, whose acknowledgements are kept. */
class Broker extends EventEmitter {
  readonly acked: string[] = []
  #deliver: (message: ConsumeMessage) => void = () => {}
  /** Told that what was published is there; the test may leave it out. */
  confirms = true

  readonly connection = {
    createChannel: async () => this,
    createConfirmChannel: async () => this,
  } as unknown as ChannelModel

  async checkQueue(): Promise<void> {}
  async prefetch(): Promise<void> {}
  async close(): Promise<void> {}

  async consume(_: string, deliver: (message: ConsumeMessage) => void): Promise<void> {
    this.#deliver = deliver
  }

  ack({ content }: ConsumeMessage): void {
    this.acked.push(content.toString())
  }

  sendToQueue(_queue: string, _content: Buffer, _options: object, done: (error: unknown) => void): void {
    if (this.confirms) done(null)
  }

  tell(text: string): void {
    this.#deliver({
      content: Buffer.from(text),
      fields: { redelivered: false },
      properties: { contentType: 'application/json', headers: {} },
    } as ConsumeMessage)
  }
}

async function consuming() {
  const clock = new FakeClock()
  const broker = new Broker()
  const raised: string[] = []
  const store = { isAway: false }
  const consumer = new Consumer({
    ...{ queue: 'in', clock, ids: new CountingIds(), log: silentLog, count: () => {}, lost: () => {} },
    hand: async (events) => {
      if (store.isAway) throw new Error('the store is away')
      for (const { type } of events) raised.push(type)
    },
  })
  await consumer.opened(broker.connection)
  return { clock, broker, raised, store, consumer }
}

const message = (type: string) => JSON.stringify({ type })

test('while the store is away nothing is acknowledged; afterwards all is raised in order', async () => {
  const { clock, broker, raised, store, consumer } = await consuming()
  store.isAway = true
  broker.tell(message('one'))
  broker.tell(message('two'))
  await clock.advance(60_000)
  assert.deepEqual([raised, broker.acked], [[], []])
  store.isAway = false
  await clock.advance(1000)
  assert.deepEqual(raised, ['one', 'two'])
  assert.deepEqual(broker.acked, [message('one'), message('two')])
  await consumer.stop()
})

for (const { what, hinder } of [
  {
    what: 'store',
    hinder: ({ store, broker }: Awaited<ReturnType<typeof consuming>>) => {
      store.isAway = true
      broker.tell(message('one'))
    },
  },
  {
    what: 'broker',
    hinder: ({ broker }: Awaited<ReturnType<typeof consuming>>) => {
      broker.confirms = false
      broker.tell('no json')
    },
  },
]) {
  test(`a stop does not wait for a ${what} that takes nothing, and leaves the message to the broker`, async () => {
    const world = await consuming()
    hinder(world)
    await settled()
    let isStopped = false
    void world.consumer.stop().then(() => {
      isStopped = true
    })
    await world.clock.advance(2000)
    assert.equal(isStopped, true)
    assert.deepEqual(world.broker.acked, [])
  })
}
