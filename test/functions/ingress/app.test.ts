import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createSigner } from '../../../functions/contract/sign.ts'
import { type IngressAppOptions, ingressApp } from '../../../functions/ingress/index.ts'
import type { Ingress } from '../../../functions/ingress/ingress.ts'
import { readConfig } from '../../../gateway/config.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { openIngress } from '../../../gateway/open-ingress.ts'
import { redisSubject } from '../../conformance/redis-subject.ts'
import { listen, positionNow, type Received, subscribe, subscription } from '../../conformance/subject.ts'
import { Witness } from '../../gateway/invocation/functions.ts'
import { absent } from '../../peers.ts'
import { CountingIds } from '../../support/fake-clock.ts'
import { type RedisRest, startRedisRest } from '../../support/redis-rest.ts'
import { accepted, problemOf, SECRET, TOKEN } from './harness.ts'

const REDIS_PORT = 27_400
const STORE = { UPSTASH_REDIS_REST_URL: 'https://store.test', UPSTASH_REDIS_REST_TOKEN: 'a-token' }
const silent = { info: () => {}, warn: () => {} }

describe('the function at the edge', () => {
  const faults = (env: Record<string, string>, options: IngressAppOptions = {}) => {
    try {
      ingressApp({ env, ...options })
      return ''
    } catch (error) {
      assert.equal((error as Error).name, 'SettingsError')
      return (error as Error).message
    }
  }

  test('does not start without anything that tells a sender from a stranger, and says what to set', () => {
    assert.match(faults(STORE), /^EVENTS_SECRET: expected a secret, .*whsec_.*EVENTS_TOKEN/)
    const ways: Record<string, string>[] = [
      { EVENTS_SECRET: SECRET },
      { WEBHOOK_SECRET: SECRET },
      { EVENTS_TOKEN: TOKEN },
      { SNS_TOPICS: 'arn:aws:sns:eu-west-1:123456789012:payments' },
      { EVENTS_MAPPINGS: '{"a":{"type":"a","auth":{"scheme":"header","name":"x","secret":"long-enough"}}}' },
    ]
    for (const env of ways) assert.equal(faults({ ...STORE, ...env }), '')
    const open = { EVENTS_MAPPINGS: '{"shop":{"type":"a"}}' }
    assert.match(faults({ ...STORE, ...open }), /^EVENTS_SECRET: .*the mapping shop has no auth/)
    assert.equal(faults({ ...STORE, ...open, EVENTS_TOKEN: TOKEN }), '')
  })

  test('nor without the store, and says everything at once', () => {
    assert.match(faults({ EVENTS_TOKEN: TOKEN }), /^UPSTASH_REDIS_REST_URL: expected the REST API/)
    const told = faults({
      UPSTASH_REDIS_REST_URL: 'x',
      EVENTS_SECRET: 'hunter2',
      EVENTS_LIMIT: 'many',
      EVENTS_BODY_LIMIT: '1',
      SNS_TOPICS: 'payments',
      EVENTS_MAPPINGS: '{"a":{"type":"a b"},"b":{}}',
    }).split('\n')
    for (const start of [
      'EVENTS_SECRET: expected whsec_',
      'EVENTS_LIMIT: expected how many in what time',
      'EVENTS_BODY_LIMIT: expected octets from 1024 to 1048576',
      'SNS_TOPICS: expected ARNs of topics',
      'EVENTS_MAPPINGS: /a/type: ',
      'EVENTS_MAPPINGS: /b/type: ',
      'UPSTASH_REDIS_REST_URL: expected an https',
    ])
      assert.ok(
        told.some((line) => line.startsWith(start)),
        `${start} in\n${told.join('\n')}`,
      )
    assert.doesNotMatch(told.join(), /hunter2/)
  })

  test('its mappings are JSON, or a file with it where there are files', () => {
    const file = { ...STORE, EVENTS_TOKEN: TOKEN, EVENTS_MAPPINGS: 'mappings.json' }
    const readFile = (path: string) => (path === 'mappings.json' ? '{"a":{"type":"a"}}' : undefined)
    assert.equal(faults(file, { readFile }), '')
    assert.match(
      faults({ ...file, EVENTS_MAPPINGS: 'other.json' }, { readFile }),
      /expected JSON, or the path of a file/,
    )
    assert.match(faults(file), /EVENTS_MAPPINGS: expected JSON, got "mappings.json"/)
    const half = faults({ ...file, EVENTS_MAPPINGS: '{"a":{"secret":"TOP"' })
    assert.match(half, /EVENTS_MAPPINGS: expected JSON/)
    assert.doesNotMatch(half, /TOP/)
  })

  test('where settings come with the request, it says in its log what is wrong, once, and lets nobody in', async () => {
    const lines: string[] = []
    const line = (message: string, fields: object = {}) => void lines.push(JSON.stringify({ message, ...fields }))
    const app = ingressApp({ log: { info: line, warn: line } })
    for (let time = 0; time < 2; time++) {
      const response = await app.fetch(posted({ type: 'a' }), { ...STORE, EVENTS_LIMIT: 'many' })
      assert.equal(response.status, 401)
      assert.match(String((await problemOf(response)).detail), /its settings are right: EVENTS_LIMIT;/)
    }
    assert.equal(lines.length, 1)
    assert.match(lines[0]!, /EVENTS_LIMIT: expected how many in what time, got/)
  })

  test('answers 503 while the store is away', async () => {
    const env = { ...STORE, UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:9', EVENTS_TOKEN: TOKEN }
    const app = ingressApp({ env, log: silent })
    const response = await app.fetch(posted({ type: 'a' }, { 'idempotency-key': 'k' }))
    assert.equal(response.status, 503)
    assert.equal((await problemOf(response)).type, 'urn:rouse:problem:store.unavailable')
  })
})

function posted(body: object, headers: Record<string, string> = {}, path = '/events'): Request {
  return new Request(`https://hooks.test${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'authorization': `Bearer ${TOKEN}`, ...headers },
    body: JSON.stringify(body),
  })
}

describe('functions at the edge and gateways on one Redis', { skip: absent('redis-server') }, () => {
  let redis: RedisRest
  let gateway: ReturnType<typeof redisSubject>

  before(async () => {
    redis = await startRedisRest(REDIS_PORT)
    gateway = redisSubject(redis.redisUrl, { prefix: 'rouse' })
  })
  after(async () => {
    await gateway?.close()
    await redis?.stop()
  })

  const edge = (more: Record<string, string> = {}) =>
    ingressApp({ env: { ...redis.env, EVENTS_TOKEN: TOKEN, EVENTS_SECRET: SECRET, ...more }, log: silent })

  const atGateway = (): Ingress => {
    const config = readConfig({ REDIS_URL: redis.redisUrl, API_TOKEN: TOKEN, GATEWAY_ID: 'gw-a' })
    assert.ok(config.ok)
    return openIngress(config.value, {
      publish: (event) => gateway.store.publish([event]),
      store: gateway.store,
      clock: gateway.clock,
      ids: new CountingIds(),
      counters: new Counters(),
      log: new Witness().log,
    })
  }

  /** Somebody waits for this order. */
  const waits = async (order: string) => {
    await subscribe(gateway, await positionNow(gateway), subscription(gateway, `s-${order}`, 'paid', { order }))
  }

  /** How often who waits for this order has been told; an inbox that is opened again has older deliveries too. */
  const count = ({ deliveries }: Received, order: string) =>
    deliveries.filter(({ subscription }) => subscription === `s-${order}`).length

  test('an event that is posted at the edge reaches who waits at a gateway, and says so', async () => {
    await waits('1')
    const received = await listen(gateway)
    const response = await edge().fetch(posted({ type: 'paid', attributes: { order: '1' } }))
    const { matched } = (await accepted(response)) as { matched: number }
    assert.equal(matched, 1)
    while (received.deliveries.length === 0) await gateway.pass(1)
    assert.equal(received.deliveries[0]!.subscription, 's-1')
    await received.close()
  })

  const event = (id: string, order = id) => ({
    ...{ specversion: '1.0', id, source: '/shop', type: 'paid', data: { order } },
  })

  test('posted again at another isolate, or at a gateway, it is the same event and raises nothing', async () => {
    await waits('2')
    const received = await listen(gateway)
    const first = await accepted(await edge().fetch(posted(event('2'))))
    assert.deepEqual(first, { id: '/shop#2', matched: 1 })
    assert.deepEqual(await accepted(await edge().fetch(posted(event('2')))), first)
    assert.deepEqual(await accepted(await atGateway().receive(posted(event('2')))), first)
    await gateway.pass(50)
    assert.equal(count(received, '2'), 1)
    await received.close()
  })

  test('and the other way: first at a gateway, then at the edge and at another gateway', async () => {
    await waits('3')
    const received = await listen(gateway)
    const first = await accepted(await atGateway().receive(posted(event('3'))))
    assert.deepEqual(await accepted(await edge().fetch(posted(event('3')))), first)
    assert.deepEqual(await accepted(await atGateway().receive(posted(event('3')))), first)
    await gateway.pass(50)
    assert.equal(count(received, '3'), 1)
    await received.close()
  })

  test('ten at once, here and there, raise it once and get one answer', async () => {
    await waits('4')
    const received = await listen(gateway)
    const [one, other] = [edge(), atGateway()]
    const body = event('4')
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) => (at % 2 ? one.fetch(posted(body)) : other.receive(posted(body)))),
    )
    for (const answer of answers) assert.deepEqual(await accepted(answer), { id: '/shop#4', matched: 1 })
    await gateway.pass(50)
    assert.equal(count(received, '4'), 1)
    await received.close()
  })

  test('a signed webhook and a batch, at the edge', async () => {
    const app = edge()
    const body = JSON.stringify({ type: 'paid', attributes: { order: '5' } })
    const headers = {
      ...(await createSigner(SECRET).sign('evt_5', body, Date.now())),
      'content-type': 'application/json',
    }
    for (let time = 0; time < 2; time++) {
      const request = new Request('https://hooks.test/events', { method: 'POST', headers, body })
      assert.deepEqual(await accepted(await app.fetch(request)), { id: 'evt_5', matched: 0 })
    }
    const batch = await app.fetch(
      posted([event('6'), event('7')], { 'content-type': 'application/cloudevents-batch+json' }),
    )
    assert.deepEqual(await accepted(batch), {
      events: [
        { id: '/shop#6', matched: 0 },
        { id: '/shop#7', matched: 0 },
      ],
    })
  })

  test('an event takes three requests to the store at most, its repetition one', async (t) => {
    let requests = 0
    const real = globalThis.fetch
    t.mock.method(globalThis, 'fetch', (...args: Parameters<typeof fetch>) => {
      requests++
      return real(...args)
    })
    const app = edge()
    await accepted(await app.fetch(posted(event('8'))))
    assert.equal(requests, 3)
    requests = 0
    await accepted(await app.fetch(posted(event('8'))))
    assert.equal(requests, 1)
    requests = 0
    await accepted(await app.fetch(posted({ type: 'paid', attributes: { order: '9' } })))
    assert.equal(requests, 1)
    requests = 0
    const many = Array.from({ length: 20 }, (_, at) => event(`many-${at}`))
    await accepted(await app.fetch(posted(many, { 'content-type': 'application/cloudevents-batch+json' })))
    assert.equal(requests, 3)
  })
})
