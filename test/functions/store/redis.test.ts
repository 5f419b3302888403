import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Attributes, Filter } from '../../../functions/contract/events.ts'
import { applyRegister } from '../../../functions/store/apply-register.ts'
import { matches, patternsOf } from '../../../functions/store/filter.ts'
import { createRedisStore } from '../../../functions/store/redis/tcp.ts'
import type { Binding, RegisterChange } from '../../../functions/store/store.ts'
import { type RedisSubject, redisSubject as subjectAt } from '../../conformance/redis-subject.ts'
import {
  binding,
  event,
  expectDeliveries,
  listen,
  positionNow,
  put,
  registered,
  subscribe,
  subscription,
  subscriptionsOf,
  transaction,
} from '../../conformance/subject.ts'
import { eventually } from '../../interop/program.ts'
import { absent } from '../../peers.ts'
import { CountingIds } from '../../support/fake-clock.ts'
import { seeded } from '../../support/random.ts'
import { ask } from '../../support/redis-cluster.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'
import { ShiftedClock } from '../../support/shifted-clock.ts'

/** What is particular to the store in Redis, beside what test/conformance asks of every store. */

const PORT = 27_180
const URL = `redis://127.0.0.1:${PORT}`
const BOB = 'sip:bob@example.com'

describe('the store in Redis', { skip: absent('redis-server') }, () => {
  let server: TestRedis
  const subjects: RedisSubject[] = []
  const redisSubject = (options: Parameters<typeof subjectAt>[1] = {}) => {
    const subject = subjectAt(URL, options)
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

  test('every key has a lifetime', async () => {
    const subject = redisSubject()
    const { store } = subject
    const received = await listen(subject)
    const since = await positionNow(subject)
    const outcome = await store.register(put(subject, binding(subject, 'phone'), binding(subject, 'tablet')))
    assert.ok(outcome.ok)
    const held = transaction(subject, 't')
    const add = ['contact.registered', 'contact.*', 'pickup'].map((type, index) =>
      subscription(subject, `s${index}`, type, index < 2 ? { aor: BOB } : { key: ['a', 'b'] }, { transaction: 't' }),
    )
    await store.suspend({ transaction: held, add, drop: [], since })
    await store.publish([...outcome.events, event('pickup', { key: 'a' })])
    await store.claim('wait 1', 60_000)
    await store.register({ ...put(subject, binding(subject, 'tablet', { cseq: 2 })), put: [], remove: '*' })
    await expectDeliveries(subject, received, 5)
    await store.suspend({ transaction: { ...held, rev: 2 }, add: [], drop: ['s0'], since })
    await store.expire(subject.now() + 120_000, 10)

    const keys = await keysOf(subject)
    const kinds = ['recent', 'shapes', 'at', 'sub', 'inbox', 'read', 'suspended', 'claim', '{tt}']
    for (const kind of kinds)
      assert.ok(
        keys.some((key) => key.includes(kind)),
        `no key of ${kind} in ${keys}`,
      )
    for (const key of keys) assert.ok(Number(await ask(URL, 'PTTL', key)) > 0, `${key} lives for ever`)
  })

  test('location keys have a lifetime beyond the last expiry, and go when all are removed', async () => {
    const subject = redisSubject()
    await subject.store.register(put(subject, binding(subject, 'phone')))
    const keys = await keysOf(subject)
    assert.equal(keys.length, 3)
    for (const key of keys) {
      const ttl = Number(await ask(URL, 'PTTL', key))
      assert.ok(ttl > 60_000 && ttl <= 360_000, `${key}: ${ttl} ms`)
    }
    await subject.store.register({ ...put(subject, binding(subject, 'phone', { cseq: 2 })), put: [], remove: '*' })
    assert.deepEqual(await keysOf(subject), [])
  })

  test('nothing is left in the index of what was released', async () => {
    const subject = redisSubject()
    const since = await positionNow(subject)
    const filter = { aor: [BOB, 'sip:carol@example.com'], kind: ['new', 'refreshed'] }
    const one = subscription(subject, 's', 'contact.registered', filter, { transaction: 't' })
    await subject.store.suspend({ transaction: transaction(subject, 't'), add: [one], drop: [], since })
    assert.equal((await keysOf(subject)).filter((key) => key.includes(':at:')).length, 4)
    await subject.store.release('t')
    const left = (await keysOf(subject)).map((key) => key.replace(/^[^{]*/, ''))
    assert.deepEqual(left, ['{econtact}:shapes:contact.registered'])
  })

  test('digits, words and empty texts stay what they were', async () => {
    const subject = redisSubject()
    const received = await listen(subject)
    const whole = binding(subject, '15551234567', {
      contact: 'sip:15551234567@192.0.2.1',
      callId: '007',
      userAgent: 'true',
      parameters: '',
      path: [],
    })
    await subject.store.register(put(subject, whole))
    assert.deepEqual((await subject.store.lookup(whole.aor)).bindings, [whole])
    await subscribe(
      subject,
      await positionNow(subject),
      subscription(subject, '1', 'dtmf', { callId: '15551234567' }, { transaction: '2' }),
    )
    const pressed = event('dtmf', { callId: '15551234567', digit: '1', source: 'null', duration: 5 })
    await subject.store.publish([pressed])
    const [delivery] = await expectDeliveries(subject, received, 1)
    assert.deepEqual(delivery, { event: pressed, subscription: '1', transaction: '2' })
    assert.deepEqual((await subject.store.suspended('gw-a'))[0]?.id, '2')
  })

  test('REGISTER in Redis decides as applyRegister does, whatever comes', async () => {
    const subject = redisSubject()
    const random = seeded(7)
    const base = subject.now()
    for (let aors = 0; aors < 40; aors++) {
      const aor = `sip:user${aors}@example.com`
      let stored: Binding[] = []
      for (let step = 0; step < 15; step++) {
        const change = randomChange(random, aor, base + step * 20_000)
        const expected = applyRegister(stored, change)
        const outcome = await subject.store.register(change)
        if (expected.ok) stored = expected.bindings
        const live = stored.filter((one) => one.expiresAt > change.now)
        const context = JSON.stringify({ aor, step, change }, null, 1)
        assert.equal(outcome.ok, expected.ok, context)
        assert.deepEqual(outcome.bindings, JSON.parse(JSON.stringify(live)), context)
        if (outcome.ok && expected.ok) {
          const happened = outcome.events.map(({ type, attributes }) => ({ type, attributes }))
          assert.deepEqual(happened, expected.happened, context)
        } else assert.equal(!outcome.ok && outcome.why, !expected.ok && expected.why, context)
      }
    }
  })

  test('a look-up, a REGISTER and an event nobody waits for are one script each, a suspension is three in one pipeline', async () => {
    const subject = redisSubject()
    const { store } = subject
    const since = await positionNow(subject)
    const one = subscription(subject, 's', 'contact.registered', { aor: BOB })
    const steps: [scripts: number, act: () => Promise<unknown>][] = [
      [1, () => store.lookup(BOB)],
      [1, () => store.register(put(subject, binding(subject, 'phone')))],
      [1, () => store.publish([registered('sip:nobody@example.com'), registered('sip:nobody@example.com')])],
      [0, () => store.claim('k', 1000)],
      [3, () => subscribe(subject, since, one)],
      [2, () => store.publish([registered(BOB)])],
    ]
    for (const [, act] of steps) await act()
    for (const [scripts, act] of steps) {
      const { evalsha = 0 } = await callsWithin(act)
      assert.equal(evalsha, scripts, String(act))
    }
  })

  test('an event touches no more keys when a thousand others wait for something else', async () => {
    const subject = redisSubject()
    const since = await positionNow(subject)
    const publish = () => subject.store.publish([registered(BOB)])
    await subscribe(subject, since, subscription(subject, 'first', 'contact.registered', { aor: 'sip:u@example.com' }))
    await publish()
    const alone = await callsWithin(publish)
    for (let index = 0; index < 1000; index++) {
      const filter = { aor: `sip:u${index}@example.com` }
      await subscribe(subject, since, subscription(subject, `s${index}`, 'contact.registered', filter))
    }
    assert.deepEqual(await callsWithin(publish), alone)
  })

  test('events and claims go between gateways: both hear, one wins', async () => {
    const a = redisSubject()
    const b = redisSubject({ prefix: a.prefix, clock: a.clock })
    const [onA, onB] = [await listen(a, 'gw-a'), await listen(b, 'gw-b')]
    const since = await positionNow(a)
    await b.store.publish([event('pickup', { key: 'early' })])
    const missed = await subscribe(a, since, subscription(a, 'early', 'pickup', { key: 'early' }))
    assert.deepEqual(subscriptionsOf(missed), ['early'], 'published on b between the look-up and the suspension on a')
    await subscribe(a, since, subscription(a, 'on a', 'pickup', { key: 'k' }, { gateway: 'gw-a' }))
    await subscribe(b, since, subscription(b, 'on b', 'pickup', { key: 'k' }, { gateway: 'gw-b' }))
    const pressed = event('pickup', { key: 'k' })
    assert.equal(await b.store.publish([pressed]), 2)
    await expectDeliveries(a, onA, 1)
    await expectDeliveries(b, onB, 1)
    const won = await Promise.all([a, b].map(({ store }) => store.claim(`wait/${pressed.id}`, 60_000)))
    assert.deepEqual(won.sort(), [false, true])
  })

  test('two inboxes of one gateway both receive, and a third begins where they were', async () => {
    const subject = redisSubject()
    const other = redisSubject({ prefix: subject.prefix, clock: subject.clock })
    const both = [await listen(subject), await listen(other)] as const
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'pickup', {}))
    await subject.store.publish([event('pickup')])
    await expectDeliveries(subject, both[0], 1)
    await expectDeliveries(subject, both[1], 1)
    for (const each of both) await each.close()
    const missed = event('pickup')
    await subject.store.publish([missed])
    const third = await listen(subject)
    await eventually(
      'what came meanwhile',
      () => third.deliveries.some((one) => one.event.id === missed.id) || undefined,
    )
  })

  test('a transaction that was written is found after its gateway was killed', async () => {
    const first = redisSubject()
    const since = await positionNow(first)
    const one = subscription(first, 's', 'contact.registered', { aor: BOB }, { transaction: 't' })
    const held = transaction(first, 't')
    await first.store.suspend({ transaction: held, add: [one], drop: [], since })
    await first.close()
    const again = redisSubject({ prefix: first.prefix, clock: first.clock })
    assert.deepEqual(await again.store.suspended('gw-a'), [held])
    assert.deepEqual(await again.store.subscriptions('t'), [one])
  })

  test('no lost wake-up between two gateways: events and suspensions at once, families too, arrive one way or the other', async () => {
    const a = redisSubject()
    const b = redisSubject({ prefix: a.prefix, clock: a.clock })
    const received = await listen(a)
    const random = seeded(11)
    const missed: string[] = []
    const work: Promise<unknown>[] = []
    const all = Array.from({ length: 400 }, (_, index) => `sip:u${index}@example.com`)
    for (const [index, aor] of all.entries()) {
      const at = await positionNow(index % 2 === 0 ? a : b)
      const type = index % 3 === 0 ? 'contact.*' : 'contact.registered'
      const one = subscription(a, `s${index}`, type, index % 7 === 0 ? { contact: aor } : { aor })
      const suspend = async () => missed.push(...subscriptionsOf(await subscribe(a, at, one)))
      const publish = () => b.store.publish([event('contact.registered', { aor, contact: aor })])
      work.push(...(random() < 0.5 ? [suspend(), publish()] : [publish(), suspend()]))
      if (index % 40 === 0) await Promise.all(work)
    }
    await Promise.all(work)
    const woken = () => new Set([...missed, ...subscriptionsOf(received.deliveries)])
    await eventually('all', () => woken().size === all.length || undefined)
    assert.ok(missed.length > 20 && received.deliveries.length > 20, 'both orders were played')
    assert.equal(missed.length + received.deliveries.length, all.length, 'each once')
  })

  test('an event finds what its filter says, whatever the names, values and number of combinations', async () => {
    const subject = redisSubject()
    const received = await listen(subject)
    const random = seeded(5)
    const since = await positionNow(subject)
    const subscriptions = Array.from({ length: 150 }, (_, index) => {
      return subscription(subject, `s${index}`, pickOf(random, 'a.b', 'a.*', 'a.b.*', 'a'), randomFilter(random))
    })
    const owner = transaction(subject, 't')
    await subject.store.suspend({ transaction: owner, add: subscriptions, drop: [], since })
    const events = Array.from({ length: 200 }, () => {
      return event(pickOf(random, 'a', 'a.b', 'a.b.c', 'a.c'), randomAttributes(random))
    })
    const expected = events.flatMap((one) => {
      const found = subscriptions.filter((each) => {
        return patternsOf(one.type).includes(each.event) && matches(each.filter, one.attributes)
      })
      return found.map(({ id }) => `${one.id} ${id}`)
    })
    assert.ok(expected.length > 500, `${expected.length} matches`)
    assert.equal(await subject.store.publish(events), expected.length)
    const deliveries = await expectDeliveries(subject, received, expected.length)
    assert.deepEqual(deliveries.map((one) => `${one.event.id} ${one.subscription}`).sort(), expected.sort())
    const again = subscriptions.map((each) => ({ ...each, id: `${each.id}`, transaction: 't2' }))
    const missed = await subject.store.suspend({
      transaction: transaction(subject, 't2'),
      add: again,
      drop: [],
      since,
    })
    assert.deepEqual(missed.map((one) => `${one.event.id} ${one.subscription}`).sort(), expected, 'and as missed ones')
  })

  test('a recent event counts for its time, and is gone after twice that', async () => {
    const subject = redisSubject({ recentMs: 300 })
    const missedBy = (id: string) => subscribe(subject, '0', subscription(subject, id, 'contact.*', { aor: BOB }))
    await subject.store.publish([registered(BOB)])
    assert.equal((await missedBy('in time')).length, 1)
    await subject.pass(700)
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal((await missedBy('too late')).length, 0)
  })

  test('a frozen Redis: every operation is rejected at its deadline, by name; then all is well again', async () => {
    const states: boolean[] = []
    const observed: [string, boolean][] = []
    const subject = redisSubject({
      deadlineMs: 200,
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
        publish: store.publish([registered(BOB)]),
      }
      for (const [name, operation] of Object.entries(operations)) {
        await assert.rejects(operation, new RegExp(`^Error: store\\.${name}: Redis did not answer within 200 ms$`))
      }
      assert.ok(performance.now() - started < 1000)
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
    assert.ok(performance.now() - started < 100)
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

/** Keys of the subject; those of other tests do not count. */
async function keysOf({ prefix }: RedisSubject): Promise<string[]> {
  const [, keys] = (await ask(URL, 'SCAN', '0', 'MATCH', `${prefix}:*`, 'COUNT', '100000')) as [string, string[]]
  return keys.sort()
}

/** How often Redis did each command, those within scripts included, during `act`. */
async function callsWithin(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await callsSoFar()
  await act()
  const after = await callsSoFar()
  const grown = Object.entries(after).map(([name, calls]) => [name, calls - (before[name] ?? 0)] as const)
  const ours = new Set(['evalsha', 'xadd', 'pexpire', 'zrange', 'zrangebyscore', 'lrange', 'xrevrange', 'time'])
  return Object.fromEntries(grown.filter(([name, calls]) => calls > 0 && ours.has(name)))
}

async function callsSoFar(): Promise<Record<string, number>> {
  const text = String(await ask(URL, 'INFO', 'commandstats'))
  const rows = text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)
  return Object.fromEntries([...rows].map(([, name, calls]) => [name!, Number(calls)]))
}

const VALUES = ['x', '1:x', 'y\nz', '2', 2, true, 'true', 'grüße 🎉', '']

function pickOf<Item>(random: () => number, ...items: Item[]): Item {
  return items[Math.floor(random() * items.length)]!
}

function randomAttributes(random: () => number): Attributes {
  const names = ['k', 'l', 'm', 'constructor'].filter(() => random() < 0.7)
  return Object.fromEntries(names.map((name) => [name, pickOf(random, ...VALUES)]))
}

/** Sometimes lists of more combinations than become keys. */
function randomFilter(random: () => number): Filter {
  const names = ['k', 'l', 'm', 'constructor'].filter(() => random() < 0.4)
  const many = () => [...VALUES, ...Array.from({ length: 20 }, (_, index) => `v${index}`)]
  const wanted = () => (random() < 0.5 ? pickOf(random, ...VALUES) : random() < 0.5 ? many() : VALUES.slice(0, 3))
  return Object.fromEntries(names.map((name) => [name, wanted()]))
}

/** Two devices, two addresses, sometimes an instance: nearly everything meets nearly everything. */
function randomChange(random: () => number, aor: string, now: number): RegisterChange {
  const pick = <Item>(...items: Item[]): Item => items[Math.floor(random() * items.length)]!
  const named = () => {
    const instance = pick(undefined, 'urn:uuid:1', 'urn:uuid:2', '')
    const contact = pick('sip:bob@192.0.2.1', 'sip:bob@192.0.2.2', 'sip:15551234567@192.0.2.3')
    return { contact, device: pick('d1', 'd2', 'd3', 'd4'), ...(instance === undefined ? {} : { instance }) }
  }
  const callId = pick('call 1', 'call 2')
  const cseq = Math.floor(random() * 6)
  const put = Array.from({ length: Math.floor(random() * 3) }, (): Binding => {
    const expiresAt = now + pick(10_000, 30_000, 50_000, 400_000)
    const registeredAt = now - Math.floor(random() * 2)
    const received = {
      transport: 'udp' as const,
      address: '192.0.2.1',
      port: 5060,
      listener: 'l',
      connection: 0,
      gateway: 'gw-a',
      nat: false,
    }
    return {
      aor,
      ...named(),
      q: pick(1, 0.5),
      expiresAt,
      registeredAt,
      callId,
      cseq,
      path: [],
      received,
      parameters: '',
    }
  })
  const remove =
    Math.floor(random() * 5) === 0 ? ('*' as const) : Array.from({ length: Math.floor(random() * 2) }, named)
  return { aor, callId, cseq, now, put, remove, maxContacts: pick(2, 3, 10) }
}
