import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import { absent } from '../peers.ts'
import { startRabbit, type TestRabbit } from '../support/rabbitmq-server.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

const PORT = 27_520
/** A broker that was killed has to start again, and to be found. */
const PATIENCE_MS = 60_000
const pem = (name: string) => fileURLToPath(new URL(`../support/tls/${name}.pem`, import.meta.url))

/** Somebody else who uses the broker. */
class Peer {
  readonly #connection: ChannelModel
  readonly channel: Channel

  private constructor(connection: ChannelModel, channel: Channel) {
    this.#connection = connection
    this.channel = channel
  }

  static async open(url: string): Promise<Peer> {
    const connection = await connect(url, { noDelay: true })
    connection.on('error', () => {})
    return new Peer(connection, await connection.createChannel())
  }

  async stop(): Promise<void> {
    await this.#connection.close().catch(() => {})
  }

  /** Everything in a queue, acknowledged. */
  async drain(queue: string): Promise<ConsumeMessage[]> {
    const found: ConsumeMessage[] = []
    for (let message = await this.channel.get(queue); message; message = await this.channel.get(queue)) {
      this.channel.ack(message)
      found.push(message as unknown as ConsumeMessage)
    }
    return found
  }
}

describe('RabbitMQ', { skip: absent('rabbitmq-server') }, () => {
  const started = new Started()
  let rabbit: TestRabbit
  let gateway: Gateway
  let peer: Peer

  const health = async (of = gateway) => ((await of.get('/readyz')) as { checks: Record<string, string> }).checks.amqp!
  const isConnected = (of?: Gateway) =>
    eventually('RabbitMQ to be there', async () => (await health(of)) === 'connected' || undefined, PATIENCE_MS)
  const raise = (n: number, type = 'order.paid') => gateway.publish({ type, attributes: { n: String(n) } })
  const received: unknown[] = []
  const numbers = async () => {
    for (const { content } of await peer.drain('orders')) received.push(Number(JSON.parse(content.toString()).data.n))
    return [...new Set(received)]
  }
  const have = (...wanted: number[]) =>
    eventually(
      `orders to be ${wanted}`,
      async () => JSON.stringify(await numbers()) === JSON.stringify(wanted) || undefined,
      PATIENCE_MS,
    )
  const tell = (content: object | string, properties: object = {}) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    peer.channel.sendToQueue('rouse.in', Buffer.from(text), {
      persistent: true,
      contentType: 'application/json',
      ...properties,
    })
  }
  const raised = async () => (await gateway.metric('rouse_amqp_messages_total{result="raised"}')) || 0

  before(async () => {
    // Its gateway is there first.
    const env = { AMQP_URL: `amqp://127.0.0.1:${PORT}`, AMQP_PUBLISH: 'order.*,call.*', AMQP_QUEUE: 'rouse.in' }
    gateway = await started.keep(Gateway.start({ env }))
    assert.match(await health(), /away/)
    rabbit = await started.keep(startRabbit({ port: PORT }))
    await isConnected()
    peer = await started.keep(Peer.open(rabbit.url))
    await peer.channel.assertQueue('orders', { durable: true })
    await peer.channel.bindQueue('orders', 'rouse.events', 'order.#')
  })
  after(() => started.stop())

  it('events go to a topic exchange, their type as routing key, as CloudEvents that outlive the broker', async () => {
    for (const n of [1, 2, 3]) await raise(n)
    await gateway.publish({ type: 'other', attributes: {} })
    let messages: ConsumeMessage[] = []
    await eventually('three messages', async () => {
      messages = [...messages, ...(await peer.drain('orders'))]
      return messages.length >= 3 || undefined
    })
    const [{ fields, properties, content }] = messages as [ConsumeMessage]
    assert.equal(fields.routingKey, 'order.paid')
    assert.equal(properties.contentType, 'application/cloudevents+json')
    assert.equal(properties.deliveryMode, 2)
    assert.equal(properties.type, 'order.paid')
    const event = JSON.parse(content.toString())
    assert.deepEqual([event.specversion, event.type, event.data], ['1.0', 'order.paid', { n: '1' }])
    assert.equal(properties.messageId, `${event.id}.amqp`)
    for (const message of messages) received.push(Number(JSON.parse(message.content.toString()).data.n))
    assert.deepEqual(received, [1, 2, 3])
  })

  it('a subscription of the API has an exchange and a routing key of its own; an exchange that is not there harms nobody', async () => {
    await peer.channel.assertExchange('billing', 'topic', { durable: true })
    await peer.channel.assertQueue('bills', { durable: true })
    await peer.channel.bindQueue('bills', 'billing', 'bill.eu')
    const subscribe = async (exchange: string) => {
      const body = JSON.stringify({ type: 'bill', amqp: { exchange, routingKey: 'bill.eu' } })
      const response = await fetch(gateway.url('/subscriptions'), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      assert.equal(response.status, 201)
      return (await response.json()) as { id: string }
    }
    const { id } = await subscribe('nowhere')
    await subscribe('billing')
    await raise(1, 'bill')
    await eventually('a bill', async () => (await peer.drain('bills')).length === 1 || undefined)
    const failed = async () => {
      const { deliveries } = (await gateway.get(`/subscriptions/${id}/deliveries`)) as {
        deliveries: { error?: string }[]
      }
      return /nowhere/.test(deliveries[0]?.error ?? '') || undefined
    }
    await eventually('the other to fail', failed)
    // The other goes on failing meanwhile.
    const wanted = Array.from({ length: 400 }, (_, n) => n + 2)
    const called = (n: number) => ({ type: 'bill', attributes: { n: String(n), callId: String(n) } })
    await Promise.all(wanted.map((n) => gateway.publish(called(n))))
    const bills: number[] = []
    await eventually('all bills', async () => {
      for (const { content } of await peer.drain('bills')) bills.push(Number(JSON.parse(content.toString()).data.n))
      return bills.length >= wanted.length || undefined
    })
    assert.deepEqual(
      bills.sort((one, other) => one - other),
      wanted,
    )
    const inTrouble = await gateway.metric('rouse_outbox_tries_total{result="failed",sink="amqp"}')
    assert.ok(!(inTrouble > 20), `${inTrouble} tries failed`)
    assert.equal(await health(), 'connected')
    await fetch(gateway.url(`/subscriptions/${id}`), { method: 'DELETE' })
  })

  it('messages of a queue are events: plain, and CloudEvents in either mode', async () => {
    const before = await raised()
    tell({ type: 'order.seen', attributes: { n: '101' } }, { messageId: 'm-1' })
    tell(
      { specversion: '1.0', id: '2', source: '/shop', type: 'order.seen', data: { n: '102' } },
      { contentType: 'application/cloudevents+json' },
    )
    tell(
      { n: '103' },
      {
        headers: {
          'cloudEvents:specversion': '1.0',
          'cloudEvents:id': 'ü 3',
          'cloudEvents:source': '/shop',
          'cloudEvents_type': 'order.seen',
          'cloudEvents:type': 'order.seen',
        },
      },
    )
    await eventually('three events', async () => (await raised()) === before + 3 || undefined)
    await have(1, 2, 3, 101, 102, 103)
  })

  it('what is no event is parked beside the queue, with the reason, and what follows goes on', async () => {
    for (const [content, properties] of [
      ['no json', {}],
      [{ type: 'dtmf', attributes: { aor: 'x' } }, {}],
      [{ type: 'a b' }, {}],
      [{ specversion: '0.3', id: '1' }, { contentType: 'application/cloudevents+json' }],
    ] as const)
      tell(content, properties)
    tell({ type: 'order.seen', attributes: { n: '104' } })
    await have(1, 2, 3, 101, 102, 103, 104)
    const parked = await peer.drain('rouse.in.parked')
    assert.deepEqual(
      parked.map(({ content }) => content.toString().slice(0, 12)),
      ['no json', '{"type":"dtm', '{"type":"a b', '{"specversio'],
    )
    assert.match(String(parked[1]!.properties.headers!['x-rouse-reason']), /dtmf has no attribute "aor"/)
    assert.equal(await gateway.metric('rouse_amqp_messages_total{result="parked"}'), 4)
    assert.equal((await peer.drain('rouse.in')).length, 0)
  })

  it('a queue for parked messages that somebody has deleted is made again, and the message is in it', async () => {
    const parked = (await gateway.metric('rouse_amqp_messages_total{result="parked"}')) || 0
    await peer.channel.deleteQueue('rouse.in.parked')
    tell('no json either', { headers: { 'x-delivery-count': 3 } })
    await eventually(
      'it to be parked',
      async () => (await gateway.metric('rouse_amqp_messages_total{result="parked"}')) > parked || undefined,
    )
    const [message] = await peer.drain('rouse.in.parked')
    assert.equal(message?.content.toString(), 'no json either')
    assert.deepEqual(Object.keys(message.properties.headers!), ['x-rouse-reason'])
  })

  it('a message that was moved back by hand is raised, however often it had been delivered elsewhere', async () => {
    tell({ type: 'order.seen', attributes: { n: '105' } }, { headers: { 'x-delivery-count': 40 } })
    await have(1, 2, 3, 101, 102, 103, 104, 105)
  })

  it('the broker is killed: what is raised meanwhile arrives when it is back, and what was in the queue is raised, nothing is lost', async () => {
    await peer.stop()
    await rabbit.kill()
    await eventually('it to be missed', async () => /away/.test(await health()) || undefined)
    for (const n of [201, 202, 203]) await raise(n)
    await rabbit.start()
    peer = await started.keep(Peer.open(rabbit.url))
    tell({ type: 'order.seen', attributes: { n: '204' } })
    await isConnected()
    await eventually(
      'all of them',
      async () => {
        const all = await numbers()
        return [201, 202, 203, 204].every((n) => all.includes(n)) || undefined
      },
      PATIENCE_MS,
    )
    const order = received.filter((n) => Number(n) > 200 && Number(n) < 204)
    assert.deepEqual([...new Set(order)], [201, 202, 203])
  })

  it('over TLS the certificate has to be one that is trusted', async () => {
    const start = (AMQP_CA: string, number: number) =>
      started.keep(
        Gateway.start({ address: host(number), env: { AMQP_URL: rabbit.tlsUrl, AMQP_CA, AMQP_PUBLISH: 'order.*' } }),
      )
    const trusting = await start(pem('sip-cert'), 2)
    await isConnected(trusting)
    const wary = await start(pem('cert'), 3)
    await eventually('it to be refused', async () => /self-signed|certificate/.test(await health(wary)) || undefined)
    assert.doesNotMatch(wary.program.output + trusting.program.output, /guest:guest/)
  })
})
