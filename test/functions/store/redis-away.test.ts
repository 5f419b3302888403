import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createUpstashStore } from '../../../functions/store/redis/rest.ts'
import { createRedisStore } from '../../../functions/store/redis/tcp.ts'
import { type RedisSubject, redisSubject as subjectAt } from '../../conformance/redis-subject.ts'
import {
  binding,
  event,
  listen,
  positionNow,
  put,
  registered,
  subscribe,
  subscription,
  transaction,
} from '../../conformance/subject.ts'
import { eventually } from '../../interop/program.ts'
import { absent } from '../../peers.ts'
import { CountingIds } from '../../support/fake-clock.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'
import { ShiftedClock } from '../../support/shifted-clock.ts'

/** A Redis that is frozen, killed, or was never there. */

const PORT = 27_190
const BOB = 'sip:bob@example.com'
/** Longer than a Redis that is well takes on a busy machine. */
const DEADLINE_MS = 1500

describe('the store when Redis is away', { skip: absent('redis-server') }, () => {
  let server: TestRedis
  const subjects: RedisSubject[] = []
  const redisSubject = (options: Parameters<typeof subjectAt>[1] = {}) => {
    const subject = subjectAt(server.url, options)
    subjects.push(subject)
    return subject
  }

  before(async () => {
    server = await startRedis({ port: PORT })
  })
  after(async () => {
    for (const subject of subjects) await subject.close()
    await server?.stop()
  })

  test('a frozen Redis: every operation is rejected at its deadline, by name; then all is well again', async () => {
    const states: boolean[] = []
    const observed: [string, boolean][] = []
    const subject = redisSubject({
      deadlineMs: DEADLINE_MS,
      blockMs: 500,
      onState: (isUp) => states.push(isUp),
      observe: (name, _ms, ok) => observed.push([name, ok]),
    })
    const { store } = subject
    const received = await listen(subject)
    const since = await positionNow(subject)
    server.pause()
    try {
      const started = performance.now()
      const operations: Record<string, Promise<unknown>> = {
        lookup: store.lookup(BOB),
        register: store.register(put(subject, binding(subject, 'phone'))),
        expire: store.expire(subject.now(), 10),
        registrations: store.registrations('', 10),
        suspend: store.suspend({ transaction: transaction(subject, 't'), add: [], drop: [], since }),
        release: store.release('t'),
        suspended: store.suspended('gw-a'),
        subscriptions: store.subscriptions('t'),
        claim: store.claim('k', 1000),
        recall: store.recall('k'),
        remember: store.remember('k', 'v', 1000),
        publish: store.publish([registered(BOB)]),
      }
      for (const [name, operation] of Object.entries(operations)) {
        await assert.rejects(
          operation,
          new RegExp(`^Error: store\\.${name}: Redis did not answer within ${DEADLINE_MS} ms$`),
        )
      }
      assert.ok(performance.now() - started < 4 * DEADLINE_MS)
    } finally {
      server.resume()
    }
    await eventually('an answer', () => store.lookup(BOB).catch(() => undefined))
    assert.deepEqual(states, [true, false, true])
    await subscribe(subject, since, subscription(subject, 's', 'pickup', {}))
    await store.publish([event('pickup')])
    await eventually('the inbox', () => received.deliveries.length > 0 || undefined)
    assert.ok(observed.some(([name, ok]) => name === 'claim' && !ok))
  })

  test('no Redis at all: operations are rejected at once, and nothing else happens', async () => {
    const states: boolean[] = []
    const store = createRedisStore({
      url: 'redis://127.0.0.1:1',
      clock: new ShiftedClock(),
      ids: new CountingIds(),
      onState: (isUp) => states.push(isUp),
    })
    const inbox = await store.inbox('gw-a', () => {})
    await assert.rejects(store.lookup(BOB), /^Error: store\.lookup: /)
    const started = performance.now()
    await assert.rejects(store.claim('k', 1000), /^Error: store\.claim: no connection to Redis: connect ECONNREFUSED/)
    assert.ok(performance.now() - started < 500)
    assert.deepEqual(states, [false])
    await inbox.close()
    await store.close()
  })

  test('an address that is none is refused, without its password', () => {
    const parts = { clock: new ShiftedClock(), ids: new CountingIds() }
    assert.throws(() => createRedisStore({ url: 'http://me:secret@redis.example.com', ...parts }), {
      name: 'TypeError',
      message: /^url: expected redis:\/\/, .* got "http:\/\/…@redis\.example\.com"$/,
    })
  })

  test('a Redis that is killed and starts again, empty, does not end the inbox', async () => {
    const subject = redisSubject()
    const received = await listen(subject)
    const wait = async (id: string) => {
      await subscribe(subject, '0', subscription(subject, id, 'pickup', { key: id }))
      await subject.store.publish([event('pickup', { key: id })])
      await eventually(id, () => received.deliveries.some((one) => one.subscription === id) || undefined)
    }
    await wait('before')
    await server.kill()
    await assert.rejects(subject.store.lookup(BOB))
    server = await startRedis({ port: PORT })
    await eventually('an answer', () => subject.store.lookup(BOB).catch(() => undefined))
    await wait('after')
  })
})

test('over REST, a request that is given up is an error of its operations, and of nothing else', async () => {
  const server = createServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const store = createUpstashStore({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: 't',
    deadlineMs: 50,
    clock: new ShiftedClock(),
    ids: new CountingIds(),
  })
  const asked = await Promise.allSettled([store.lookup(BOB), store.claim('k', 1000)])
  assert.deepEqual(
    asked.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  await store.close()
  server.closeAllConnections()
  server.close()
})
