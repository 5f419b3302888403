import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, mock, test } from 'node:test'
import { createStore, RouseError, type RouseStore, storeFromEnv } from '../../../functions/sdk/store.ts'
import { type RedisSubject, redisSubject } from '../../conformance/redis-subject.ts'
import {
  binding,
  expectDeliveries,
  listen,
  positionNow,
  put,
  subscribe,
  subscription,
} from '../../conformance/subject.ts'
import { absent } from '../../peers.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'
import { type RedisRest, startRedisRest } from '../../support/redis-rest.ts'

const PORT = 27_210
const BOB = 'sip:bob@example.com'

describe('a program with the REST API of the gateways’ Redis', { skip: absent('redis-server') }, () => {
  let redis: RedisRest
  let gateway: RedisSubject
  let store: RouseStore

  before(async () => {
    redis = await startRedisRest(PORT)
    gateway = redisSubject(redis.redisUrl)
    const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = redis.env
    store = createStore({ url, token, prefix: gateway.prefix, clock: gateway.clock, ids: new CountingIds() })
  })
  after(async () => {
    await gateway?.close()
    await redis?.stop()
  })

  test('finds who is registered, as call.contacts has it: no token, no flow; however the AOR is spelled', async () => {
    const push = { provider: 'fcm', prid: 'TOPSECRET', param: 'TOPSECRET' }
    const phone = binding(gateway, 'phone', { instance: 'urn:uuid:1', userAgent: 'Phone/1', push, q: 0.5 })
    const tablet = binding(gateway, 'tablet', { parameters: ';pn-prid=TOPSECRET' })
    assert.ok((await gateway.store.register(put(gateway, phone, tablet))).ok)
    const found = [
      { uri: tablet.contact, q: 1, expires: 60, push: false },
      { uri: phone.contact, q: 0.5, expires: 60, push: true, instance: 'urn:uuid:1', userAgent: 'Phone/1' },
    ]
    for (const aor of [BOB, 'sips:b%6Fb@Example.COM:5061;transport=tcp']) {
      const contacts = await store.lookup(aor)
      // On a busy machine a second has passed.
      for (const { expires } of contacts) assert.ok(expires > 50 && expires <= 60, String(expires))
      assert.deepEqual(
        contacts.map((contact) => ({ ...contact, expires: 60 })),
        found,
      )
    }
    assert.deepEqual(await store.lookup('sip:nobody@example.com'), [])
  })

  test('a look-up is one request, and so are several at once', async () => {
    const fetch = mock.method(globalThis, 'fetch')
    await store.lookup(BOB)
    await Promise.all([BOB, 'sip:a@example.com', 'sip:b@example.com'].map((aor) => store.lookup(aor)))
    assert.equal(fetch.mock.callCount(), 2)
    fetch.mock.restore()
  })

  test('an event reaches the gateway whose call waits for it, and says how many it matched', async () => {
    const received = await listen(gateway)
    const since = await positionNow(gateway)
    const filter = { order: '17' }
    await subscribe(gateway, since, ...['s1', 's2'].map((id) => subscription(gateway, id, 'payment.confirmed', filter)))
    assert.deepEqual(await store.publish('payment.confirmed', { order: '18' }), { id: 'event1', matched: 0 })
    const published = await store.publish('payment.confirmed', { order: '17', amount: '5' }, { id: 'evt_1' })
    assert.deepEqual(published, { id: 'evt_1', matched: 2 })
    const [delivery] = await expectDeliveries(gateway, received, 2)
    const { time, ...event } = delivery!.event
    assert.deepEqual(event, { id: 'evt_1', type: 'payment.confirmed', attributes: { order: '17', amount: '5' } })
    assert.ok(Math.abs(time - gateway.now()) < 5000)
    await received.close()
  })

  test('what is no event is refused, with where and why, before anything is sent', async () => {
    const fetch = mock.method(globalThis, 'fetch')
    const wrong: [() => Promise<unknown>, string | undefined, RegExp][] = [
      [() => store.publish('pick up'), '/type', /^type: expected letters/],
      [() => store.publish('pickup', { floor: 3 } as never), '/attributes/floor', /expected a string, got 3/],
      [() => store.publish('dtmf', { digits: '5' } as never), '/attributes/digits', /it has callId, digit/],
      [() => store.publish('pickup', {}, { id: '' }), '/id', /^id: expected something/],
      [() => store.lookup('bob'), undefined, /^aor: expected a sip, sips or tel URI, got "bob"$/],
      [() => store.lookup(undefined as never), undefined, /^aor: expected a sip, sips or tel URI, got "undefined"$/],
    ]
    for (const [attempt, pointer, message] of wrong) {
      await assert.rejects(attempt(), (error: unknown) => {
        assert.ok(error instanceof RouseError)
        assert.deepEqual([error.code, error.status, error.pointer], ['request.invalid', 400, pointer])
        assert.match(error.message, message)
        return true
      })
    }
    assert.equal(fetch.mock.callCount(), 0)
    fetch.mock.restore()
  })

  test('a wrong token: the settings are named, nothing that was sent is quoted', async () => {
    const stranger = createStore({ url: redis.env.UPSTASH_REDIS_REST_URL, token: 'another' })
    await assert.rejects(stranger.publish('pickup', { code: 'TOPSECRET' }), (error: unknown) => {
      assert.ok(error instanceof RouseError)
      assert.deepEqual([error.code, error.status], ['store.unavailable', 503])
      assert.match(error.message, /^the event may be lost: .*UPSTASH_REDIS_REST_URL and its token/)
      assert.doesNotMatch(error.message, /TOPSECRET|another/)
      return true
    })
  })

  test('an environment names the store, which is the same one for the same environment', async () => {
    const env = { ...redis.env, REDIS_PREFIX: gateway.prefix }
    const found = storeFromEnv(env)!
    assert.equal((await found.lookup(BOB)).length, 2)
    assert.equal(storeFromEnv(env), found)
    assert.equal((await storeFromEnv({ ...env, REDIS_PREFIX: '' })!.lookup(BOB)).length, 0)
  })
})

test('a store that hangs: a look-up is given up after 400 ms, an event after 2 s', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const clock = new FakeClock()
  const store = createStore({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'x', clock })
  const given: string[] = []
  const attempts = [store.lookup(BOB), store.publish('pickup')].map((attempt) =>
    attempt.catch((error: RouseError) => void given.push(`${clock.now()} ${error.message.split(':')[0]}`)),
  )
  await clock.advance(3000)
  await Promise.all(attempts)
  server.closeAllConnections()
  server.close()
  assert.deepEqual(given, ['400 the store could not be asked', '2000 the event may be lost'])
})

test('settings that cannot be used are named, each with its remedy, and no token is told', () => {
  const url = 'https://example.upstash.io'
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ UPSTASH_REDIS_REST_TOKEN: 'x' }, /^UPSTASH_REDIS_REST_URL: expected an https or http URL, got nothing; take it/],
    [
      { UPSTASH_REDIS_REST_URL: 'redis://h:1', UPSTASH_REDIS_REST_TOKEN: 'x' },
      /^UPSTASH_REDIS_REST_URL: .* got "redis:\/\/h:1"; take it from the REST API/,
    ],
    [{ UPSTASH_REDIS_REST_URL: url }, /^UPSTASH_REDIS_REST_TOKEN: expected the token .* got nothing; take it from/],
    [{ UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: 'SEC RET' }, /^UPSTASH_REDIS_REST_TOKEN: .*other char/],
    [
      { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: 'x', REDIS_PREFIX: '{a}' },
      /^REDIS_PREFIX: expected .*, got "\{a\}"; write what the gateways have, or leave it out/,
    ],
  ]
  for (const [env, message] of cases) {
    assert.throws(
      () => storeFromEnv(env),
      (error: Error) => error instanceof TypeError && message.test(error.message) && !/SEC/.test(error.message),
    )
  }
  for (const env of [{}, { UPSTASH_REDIS_REST_URL: ' ' }, undefined, null, 'x']) {
    assert.equal(storeFromEnv(env), undefined)
  }
})
