import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { createStore } from '../../functions/sdk/store.ts'
import { startUpstashLocal } from '../../infra/upstash-local/server.ts'
import { absent } from '../peers.ts'
import { type Sns, start as startSns } from '../push-services/sns.ts'
import { startRedis } from '../support/redis-server.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

const REDIS_PORT = 27_301
const RECEIVER = { host: host(30), port: 8090 }
/** A leader that was killed has its term and the next one, and a receiver that was away a pause. */
const PATIENCE_MS = 40_000

/** A web server that takes deliveries, by the path they are posted to. */
class Receiver {
  readonly heard: { path: string; headers: IncomingHttpHeaders; body: string }[] = []
  /** Answers this, or nothing at all. */
  status: number | 'nothing' = 204
  readonly #server: Server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    this.heard.push({ path: request.url!, headers: request.headers, body })
    if (request.url === '/slow' || this.status === 'nothing') return
    response.writeHead(this.status).end()
  })

  async start(): Promise<this> {
    this.#server.listen(RECEIVER.port, RECEIVER.host)
    await once(this.#server, 'listening')
    return this
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** What came to a path, by the number in its data, each once. */
  of(path: string): number[] {
    const bodies = this.heard.filter((each) => each.path === path).map(({ body }) => JSON.parse(body).data.n)
    return [...new Set(bodies.map(Number))]
  }

  url(path: string): string {
    return `http://${RECEIVER.host}:${RECEIVER.port}${path}`
  }
}

describe('standing subscriptions of two gateways on one Redis', { skip: absent('redis-server') }, () => {
  const started = new Started()
  let receiver: Receiver
  let redisUrl: string
  let sns: Sns
  const gateways = new Map<string, Gateway>()

  const start = async (id: string, number: number) => {
    const { accessKeyId, secretAccessKey } = sns.credentials
    const aws = {
      AWS_ENDPOINT_URL_SNS: sns.url,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    }
    const env = { REDIS_URL: redisUrl, GATEWAY_ID: id, SUBSCRIPTION_NETWORKS: '127.0.0.0/8', LOG_LEVEL: 'warn' }
    const gateway = await Gateway.start({ address: host(number), env: { ...env, ...aws, API_TOKEN: 'token' } })
    gateways.set(id, gateway)
    return gateway
  }
  const ask = async (
    gateway: Gateway,
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: Record<string, string> }> => {
    const headers = { 'authorization': 'Bearer token', 'content-type': 'application/json' }
    const response = await fetch(gateway.url(path), {
      method,
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return {
      status: response.status,
      body: (response.status === 204 ? {} : await response.json()) as Record<string, string>,
    }
  }
  const subscribe = async (path: string, type = 'order.paid') =>
    (await ask(gateways.get('gw-1')!, 'POST', '/subscriptions', { type, url: receiver.url(path) })).body
  const raise = (gateway: Gateway, n: number, type = 'order.paid') =>
    ask(gateway, 'POST', '/events', { type, attributes: { n: String(n), callId: 'c' } })
  const has = (path: string, ...numbers: number[]) =>
    eventually(
      `${path} to have ${numbers}`,
      () => JSON.stringify(receiver.of(path)) === JSON.stringify(numbers) || undefined,
      PATIENCE_MS,
    ).catch((error) => {
      throw new Error(`${error.message}: it has ${receiver.of(path)}`)
    })

  before(async () => {
    const redis = await started.keep(startRedis({ port: REDIS_PORT }))
    redisUrl = redis.url
    receiver = await started.keep(new Receiver().start())
    sns = await startSns({ topics: ['calls.fifo'] })
    started.add(() => sns.close())
    await start('gw-1', 1)
    await start('gw-2', 2)
    started.add(async () => {
      for (const gateway of gateways.values()) await gateway.program.stop()
    })
  })
  after(() => started.stop())

  it('whichever gateway raises an event, it is delivered once, in order, and its signature is right', async () => {
    const { secret } = await subscribe('/order')
    for (let n = 1; n <= 20; n++) await raise(gateways.get(n % 2 === 0 ? 'gw-1' : 'gw-2')!, n)
    await has('/order', ...Array.from({ length: 20 }, (_, index) => index + 1))
    const deliveries = receiver.heard.filter(({ path }) => path === '/order')
    assert.equal(deliveries.length, 20)
    for (const { body, headers } of deliveries) new Webhook(secret!).verify(body, headers as Record<string, string>)
    assert.deepEqual(
      deliveries.map(({ body }) => Number(JSON.parse(body).sequence)),
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
  })

  it('an event that a function at the edge publishes over REST is delivered, too', async () => {
    const redis = { host: '127.0.0.1', port: REDIS_PORT }
    const upstash = await startUpstashLocal({ redis, listen: { host: '127.0.0.1', port: 0 }, token: 'a-token' })
    try {
      await subscribe('/edge', 'from.edge')
      const store = createStore({ url: upstash.url, token: 'a-token' })
      await store.publish('from.edge', { n: '1' })
      await has('/edge', 1)
    } finally {
      await upstash.close()
    }
  })

  it('a topic of Amazon SNS gets it by the AWS SDK, once and in order, and waits out what SNS refuses', async () => {
    const { body } = await ask(gateways.get('gw-1')!, 'POST', '/subscriptions', {
      type: 'for.topic',
      sns: { topicArn: sns.topicArn('calls.fifo') },
    })
    assert.deepEqual(body.sns, { topicArn: sns.topicArn('calls.fifo') })
    sns.script('Throttled')
    for (let n = 1; n <= 5; n++) await raise(gateways.get('gw-1')!, n, 'for.topic')
    await eventually('five messages at the topic', () => sns.published.length === 5 || undefined, PATIENCE_MS)
    const events = sns.published.map(({ text }) => JSON.parse(text))
    assert.deepEqual(
      events.map(({ data }) => data.n),
      ['1', '2', '3', '4', '5'],
    )
    for (const { topic, group, attributes } of sns.published)
      assert.deepEqual(
        [topic, group, attributes],
        [sns.topicArn('calls.fifo'), events[0].partitionkey, { type: 'for.topic' }],
      )
    assert.deepEqual(sns.refused, ['Publish 429 Throttled'])
  })

  it('a receiver that never answers delays no other', async () => {
    await subscribe('/slow', 'both')
    await subscribe('/quick', 'both')
    for (let n = 1; n <= 10; n++) await raise(gateways.get('gw-1')!, n, 'both')
    await has('/quick', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert.deepEqual(receiver.of('/slow'), [1])
  })

  it('the gateway that delivers is killed while a receiver is away: the other one delivers everything, in order', async () => {
    const { id } = await subscribe('/killed', 'while.killed')
    receiver.status = 500
    for (let n = 1; n <= 3; n++) await raise(gateways.get('gw-2')!, n, 'while.killed')
    await eventually('a first try', () => receiver.of('/killed').length > 0 || undefined)
    const checks = async (gateway: Gateway) =>
      ((await gateway.get('/readyz')) as { checks: Record<string, string> }).checks.outbox!
    const [leader, other] = (await checks(gateways.get('gw-1')!)).startsWith('delivers')
      ? ['gw-1', 'gw-2']
      : ['gw-2', 'gw-1']
    gateways.get(leader!)!.program.signal('SIGKILL')
    await gateways.get(leader!)!.program.endsWithin(1000)
    await raise(gateways.get(other!)!, 4, 'while.killed')
    receiver.status = 204
    await has('/killed', 1, 2, 3, 4)
    const answered = receiver.heard.filter(({ path }) => path === '/killed').map(({ body }) => JSON.parse(body))
    assert.deepEqual(
      answered.slice(-4).map(({ sequence }) => Number(sequence)),
      [1, 2, 3, 4],
    )
    await start(leader!, leader === 'gw-1' ? 1 : 2)
    const { body } = await ask(gateways.get(leader!)!, 'GET', `/subscriptions/${id}`)
    assert.equal(body.state, 'active')
    assert.deepEqual((await ask(gateways.get(leader!)!, 'GET', `/subscriptions/${id}/deliveries`)).body, {
      deliveries: [],
    })
  })

  it('all gateways are killed with deliveries that wait: started again, they deliver them', async () => {
    await subscribe('/all-killed', 'all.killed')
    receiver.status = 503
    for (let n = 1; n <= 3; n++) await raise(gateways.get('gw-1')!, n, 'all.killed')
    await eventually('a first try', () => receiver.of('/all-killed').length > 0 || undefined)
    for (const { program } of gateways.values()) {
      program.signal('SIGKILL')
      await program.endsWithin(1000)
    }
    receiver.status = 204
    await start('gw-1', 1)
    await start('gw-2', 2)
    await has('/all-killed', 1, 2, 3)
  })
})
