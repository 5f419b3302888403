import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
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
import { seeded } from '../../support/random.ts'
import { ask } from '../../support/redis-cluster.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'

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
    await store.remember('memo 1', 'value', 60_000)
    await store.register({ ...put(subject, binding(subject, 'tablet', { cseq: 2 })), put: [], remove: '*' })
    await expectDeliveries(subject, received, 5)
    await store.suspend({ transaction: { ...held, rev: 2 }, add: [], drop: [add[0]!], since })
    await store.expire(subject.now() + 120_000, 10)

    await store.resume({ transaction: { ...held, rev: 3 }, claim: 'wait', ttlMs: 60_000 })

    const keys = await keysOf(subject)
    const kinds = [
      'memo',
      'recent',
      'shapes',
      'at',
      'sub',
      'inbox',
      'read',
      'seen',
      'suspended',
      'suspended:count',
      ':claim:',
      '}:claim:',
      '{tt}',
    ]
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
    const keys = (await keysOf(subject)).filter((key) => key.includes('{l'))
    assert.equal(keys.length, 3)
    for (const key of keys) {
      const ttl = Number(await ask(URL, 'PTTL', key))
      assert.ok(ttl > 60_000 && ttl <= 360_000, `${key}: ${ttl} ms`)
    }
    await subject.store.register({ ...put(subject, binding(subject, 'phone', { cseq: 2 })), put: [], remove: '*' })
    assert.deepEqual(
      (await keysOf(subject)).filter((key) => key.includes('{l')),
      [],
    )
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
    assert.deepEqual(await ask(URL, 'HKEYS', `${subject.prefix}:{tt}`), ['rev'], 'so that no late write brings it back')
    assert.deepEqual(left, ['{econtact}:shapes:contact.registered', '{ggw-a}:suspended:count', '{tt}'])
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

  test('a look-up, a REGISTER, an event nobody waits for and a look for what is due are one script each, a suspension is three in one pipeline, its resume two, its release one', async () => {
    const subject = redisSubject()
    const { store } = subject
    const since = await positionNow(subject)
    const one = subscription(subject, 's', 'contact.registered', { aor: BOB })
    const steps: [scripts: number, act: () => Promise<unknown>][] = [
      [1, () => store.lookup(BOB)],
      [1, () => store.register(put(subject, binding(subject, 'phone')))],
      [1, () => store.publish([registered('sip:nobody@example.com'), registered('sip:nobody@example.com')])],
      [1, () => store.expire(subject.now(), 100)],
      [1, () => store.refreshDue(subject.now(), 100)],
      [0, () => store.claim('k', 1000)],
      [3, () => subscribe(subject, since, one)],
      [2, () => store.resume({ transaction: transaction(subject, one.transaction), claim: 'wait', ttlMs: 1000 })],
      [2, () => store.release('another', 1, { gateway: 'gw-a', subscriptions: [{ ...one, id: 'other' }] })],
      [2, () => store.publish([registered(BOB)])],
    ]
    for (const [, act] of steps) await act()
    for (const [scripts, act] of steps) {
      const { evalsha = 0 } = await callsWithin(act)
      assert.equal(evalsha, scripts, String(act))
    }
  })

  test('a REGISTER says to who waits for it where everybody is, as of just after its event: what comes next is not lost, what was is not told twice', async () => {
    const subject = redisSubject()
    const { store } = subject
    const received = await listen(subject)
    await store.register(put(subject, binding(subject, 'desk')))
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'contact.registered', { aor: BOB }))
    const outcome = await store.register(put(subject, binding(subject, 'phone')))
    await store.publish(outcome.ok ? outcome.events : [])
    await expectDeliveries(subject, received, 1)
    const { location } = received.deliveries[0]!
    assert.deepEqual(location?.bindings, (await store.lookup(BOB)).bindings)
    const next = event('contact.registered', { aor: BOB, contact: 'sip:next@192.0.2.1' })
    await store.publish([next])
    const missed = await subscribe(
      subject,
      location!.at,
      subscription(subject, 't', 'contact.registered', { aor: BOB }),
    )
    assert.deepEqual(
      missed.map((delivery) => delivery.event.id),
      [next.id],
    )
  })

  test('a REGISTER with its event is one round trip while nobody waits for it, new or refreshed; a refused one has no event', async () => {
    const subject = redisSubject()
    const { store } = subject
    const since = await positionNow(subject)
    const changes = [1, 2, 2].map((cseq) => put(subject, binding(subject, 'phone', { cseq })))
    const kinds: unknown[] = []
    for (const change of changes) {
      const { evalsha } = await callsWithin(async () => {
        const outcome = await store.register(change)
        kinds.push(outcome.ok && outcome.events.map(({ attributes }) => attributes.kind))
        if (outcome.ok) await store.publish(outcome.events)
      })
      assert.equal(evalsha, 1)
    }
    assert.deepEqual(kinds, [['new'], ['refreshed'], false])
    const late = subscription(subject, 's', 'contact.registered', { aor: BOB })
    const missed = await subscribe(subject, since, late)
    assert.deepEqual(
      missed.map(({ event }) => event.attributes.kind),
      ['new', 'refreshed'],
    )
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

  test('a batch that was not taken over when the process ended is handed to the next one, however much came after it', async () => {
    const subject = redisSubject({ batch: 1 })
    const [inbox, read] = [`${subject.prefix}:{ggw-a}:inbox`, `${subject.prefix}:{ggw-a}:read`]
    const add = async (ms: number) => {
      const entry = { event: event('pickup', { ms }), to: [[`s${ms}`, 't']] }
      await ask(URL, 'XADD', inbox, `${ms}-0`, 'd', JSON.stringify(entry))
    }
    for (const ms of [1000, 20_000, 40_000]) await add(ms)
    const taking: string[] = []
    const first = await subject.store.inbox('gw-a', ([one]) => {
      taking.push(one!.subscription)
      return one!.subscription === 's1000' ? undefined : new Promise<void>(() => {})
    })
    await eventually('all batches to be handed over', () => taking.length === 3 || undefined)
    assert.deepEqual(taking, ['s1000', 's20000', 's40000'])
    await subject.pass(50)
    assert.equal(await ask(URL, 'GET', read), null, 'where to go on is behind the one that is not taken over')
    await first.close()

    const again = redisSubject({ prefix: subject.prefix, clock: subject.clock })
    const second = await listen(again)
    await eventually('all of them', () => second.deliveries.length === 3 || undefined)
    await eventually('the position', async () => (await ask(URL, 'GET', read)) === '40000-0' || undefined)
    await second.close()

    const third = await listen(redisSubject({ prefix: subject.prefix, clock: subject.clock }))
    await add(60_000)
    await eventually('what is new', () => third.deliveries.some((one) => one.subscription === 's60000') || undefined)
    assert.deepEqual(
      subscriptionsOf(third.deliveries),
      ['s40000', 's60000'],
      'what was taken over 5 s before is not repeated',
    )
  })

  test('no more than some hundred deliveries are with a receiver that has not taken them over', async () => {
    const subject = redisSubject({ batch: 64 })
    const add = subscription(subject, 's', 'count', {}, { transaction: 't' })
    await subscribe(subject, await positionNow(subject), add)
    let handed = 0
    const { promise: isTaken, resolve: take } = Promise.withResolvers<void>()
    const inbox = await subject.store.inbox('gw-a', (deliveries) => {
      handed += deliveries.length
      return isTaken
    })
    for (let round = 0; round < 10; round++)
      await subject.store.publish(Array.from({ length: 64 }, (_, n) => event('count', { n: round * 64 + n })))
    await eventually('the first ones', () => handed >= 256 || undefined)
    await subject.pass(50)
    assert.ok(handed <= 320, `${handed} handed over`)
    take()
    await eventually('the others', () => handed === 640 || undefined)
    await inbox.close()
  })

  test('how long an event was in the inbox is told when it is taken out, by gateway', async () => {
    const taken: [string, number][] = []
    const subject = redisSubject({ onTaken: (gateway, lagMs) => taken.push([gateway, lagMs]) })
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'pickup', {}))
    await subject.store.publish([event('pickup')])
    await subject.clock.pass(5000, 0)
    await expectDeliveries(subject, await listen(subject), 1)
    const [[gateway, lagMs], ...more] = taken as [[string, number]]
    assert.deepEqual([gateway, more.length], ['gw-a', 0])
    assert.ok(lagMs >= 5000 && lagMs < 60_000, `${lagMs} ms`)
  })

  test('a write that reaches Redis after the release, though it was sent before, is dropped; a later one is not', async () => {
    const subject = redisSubject()
    const one = subscription(subject, 's', 'pickup', {}, { transaction: 't' })
    const write = (rev: number) =>
      subject.store.suspend({ transaction: transaction(subject, 't', { rev }), add: [one], drop: [], since: '0' })
    for (const writtenBefore of [true, false]) {
      if (writtenBefore) await write(1)
      await subject.store.release('t', 2)
      await write(2)
      assert.deepEqual(await subject.store.suspended('gw-a'), [])
      assert.deepEqual(await subject.store.subscriptions('t'), [])
      await write(3)
      assert.deepEqual(
        (await subject.store.suspended('gw-a')).map(({ rev }) => rev),
        [3],
      )
      await subject.store.release('t', 0)
    }
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

  test('a recent event counts for its time, and is gone after twice that', async () => {
    const subject = redisSubject({ recentMs: 300 })
    const missedBy = (id: string) => subscribe(subject, '0', subscription(subject, id, 'contact.*', { aor: BOB }))
    await subject.store.publish([registered(BOB)])
    assert.equal((await missedBy('in time')).length, 1)
    await subject.pass(700)
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal((await missedBy('too late')).length, 0)
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
