import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  binding,
  type CreateSubject,
  event,
  expectDeliveries,
  listen,
  positionNow,
  put,
  registered,
  type Subject,
  subscribe,
  subscription,
  subscriptionsOf,
  transaction,
} from './subject.ts'

const BOB = 'sip:bob@example.com'
const CAROL = 'sip:carol@example.com'

export function eventConformance(create: CreateSubject): void {
  const it = (title: string, body: (subject: Subject) => Promise<void>): void =>
    void test(title, async () => {
      const subject = await create()
      await body(subject).finally(() => subject.close())
    })

  it('an event reaches the subscriptions whose filter it matches, and no others', async (subject) => {
    const received = await listen(subject)
    await subscribe(
      subject,
      await positionNow(subject),
      subscription(subject, 'bob', 'contact.registered', { aor: BOB }),
      subscription(subject, 'carol', 'contact.registered', { aor: CAROL }),
      subscription(subject, 'new bob', 'contact.registered', { aor: BOB, kind: 'new' }),
      subscription(subject, 'refreshed bob', 'contact.registered', { aor: BOB, kind: 'refreshed' }),
      subscription(subject, 'anybody', 'contact.registered', {}),
      subscription(subject, 'other event', 'contact.removed', { aor: BOB }),
      subscription(subject, 'other attribute', 'contact.registered', { instance: BOB }),
    )
    assert.equal(await subject.store.publish([registered(BOB)]), 3)
    const deliveries = await expectDeliveries(subject, received, 3)
    assert.deepEqual(subscriptionsOf(deliveries), ['anybody', 'bob', 'new bob'])
    assert.equal(deliveries.find((one) => one.subscription === 'bob')?.transaction, 'tx of bob')
  })

  it('an event arrives as it was published', async (subject) => {
    const received = await listen(subject)
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'dtmf', { callId: 'c1' }))
    const pressed = event('dtmf', { callId: 'c1', digit: '2', duration: 160, source: 'info', 'x-ok': true })
    await subject.store.publish([pressed])
    assert.deepEqual((await expectDeliveries(subject, received, 1))[0]?.event, pressed)
  })

  it('the detail of an event, of any depth, arrives as it was published, also at who subscribes a moment later', async (subject) => {
    const received = await listen(subject)
    const before = await positionNow(subject)
    await subscribe(subject, before, subscription(subject, 's', 'cdr.created', { callId: 'c1' }))
    const branches = [{ uri: 'sip:bob@192.0.2.1', code: 200, ringing: null, tries: [[1, 2], []] }]
    const detail = { branches, annotations: { 'ä "quoted"': 'line\nline' }, takenUp: true }
    const record = { ...event('cdr.created', { callId: 'c1' }), detail }
    await subject.store.publish([event('call.ended', { callId: 'c1' }), record])
    assert.deepEqual((await expectDeliveries(subject, received, 1))[0]?.event, record)
    const missed = await subscribe(subject, before, subscription(subject, 'late', 'cdr.created', { callId: 'c1' }))
    assert.deepEqual(
      missed.map(({ event: late }) => late),
      [record],
    )
  })

  it('a list of values is OR, several attributes are AND', async (subject) => {
    const received = await listen(subject)
    const filter = { callId: ['c1', 'c2', 'c2'], digit: ['1', '2', '3'] }
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'dtmf', filter))
    const pressed = [
      ['c1', '1'],
      ['c2', '3'],
      ['c3', '1'],
      ['c1', '4'],
    ] as const
    await subject.store.publish(pressed.map(([callId, digit]) => event('dtmf', { callId, digit })))
    const deliveries = await expectDeliveries(subject, received, 2)
    assert.deepEqual(
      deliveries.map((one) => one.event.attributes.digit),
      ['1', '3'],
    )
  })

  it('values compare as strings: 2 is "2", true is "true"', async (subject) => {
    const received = await listen(subject)
    await subscribe(
      subject,
      await positionNow(subject),
      subscription(subject, 'number', 'thing', { size: 2 }),
      subscription(subject, 'string', 'thing', { size: '2', on: true }),
    )
    await subject.store.publish([event('thing', { size: '2', on: 'true' }), event('thing', { size: 2, on: false })])
    assert.deepEqual(subscriptionsOf(await expectDeliveries(subject, received, 3)), ['number', 'number', 'string'])
  })

  it('values that only look alike when put together do not match', async (subject) => {
    const received = await listen(subject)
    const filters = [
      { a: 'x:1', b: 'y' },
      { a: 'x', b: '1:y' },
      { a: 'x\0y', b: 'z' },
    ]
    const all = filters.map((filter, index) => subscription(subject, `s${index}`, 'thing', filter))
    await subscribe(subject, await positionNow(subject), ...all)
    await subject.store.publish([event('thing', { a: 'x', b: 'y\0z' }), event('thing', { a: 'x', b: '1:y' })])
    assert.deepEqual(subscriptionsOf(await expectDeliveries(subject, received, 1)), ['s1'])
  })

  it('attributes named like what every object has match nothing', async (subject) => {
    const received = await listen(subject)
    const filters = ['constructor', 'toString', 'hasOwnProperty'].map((name) => ({ [name]: 'x' }))
    await subscribe(
      subject,
      await positionNow(subject),
      ...filters.map((filter, at) => subscription(subject, `s${at}`, 'thing', filter)),
    )
    await subject.store.publish([event('thing', { a: 'x' }), event('thing', { constructor: 'x' })])
    assert.deepEqual(subscriptionsOf(await expectDeliveries(subject, received, 1)), ['s0'])
  })

  it('contact.* matches the whole family, at every depth, and nothing else', async (subject) => {
    const received = await listen(subject)
    await subscribe(
      subject,
      await positionNow(subject),
      subscription(subject, 'family', 'contact.*', { aor: BOB }),
      subscription(subject, 'deeper', 'contact.registered.*', { aor: BOB }),
    )
    for (const type of [
      'contact.registered',
      'contact.registered.twice',
      'contact',
      'contacts.registered',
      'x.contact.y',
    ]) {
      await subject.store.publish([event(type, { aor: BOB })])
    }
    assert.deepEqual(subscriptionsOf(await expectDeliveries(subject, received, 3)), ['deeper', 'family', 'family'])
  })

  it('the order of events is kept, within a publish and from one to the next', async (subject) => {
    const received = await listen(subject)
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'count', {}))
    for (let tens = 0; tens < 20; tens++) {
      await subject.store.publish(Array.from({ length: 10 }, (_, ones) => event('count', { n: tens * 10 + ones })))
    }
    const deliveries = await expectDeliveries(subject, received, 200)
    assert.deepEqual(
      deliveries.map((one) => one.event.attributes.n),
      Array.from({ length: 200 }, (_, n) => n),
    )
  })

  it('each gateway receives what belongs to its own transactions', async (subject) => {
    const [a, b] = [await listen(subject, 'gw-a'), await listen(subject, 'gw-b')]
    const at = await positionNow(subject)
    await subscribe(subject, at, subscription(subject, 'on a', 'pickup', {}, { gateway: 'gw-a' }))
    await subscribe(subject, at, subscription(subject, 'on b', 'pickup', {}, { gateway: 'gw-b' }))
    await subject.store.publish([event('pickup')])
    assert.deepEqual(subscriptionsOf(await expectDeliveries(subject, a, 1)), ['on a'])
    assert.deepEqual(subscriptionsOf(await expectDeliveries(subject, b, 1)), ['on b'])
  })

  it('a closed inbox receives nothing more', async (subject) => {
    const received = await listen(subject)
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'pickup', {}))
    await received.close()
    await subject.store.publish([event('pickup')])
    await expectDeliveries(subject, received, 0)
  })

  it('a registration is heard of once it is published, and not before', async (subject) => {
    const received = await listen(subject)
    const filter = { aor: 'sip:bob@example.com', kind: ['new', 'refreshed'] }
    const wait = subscription(subject, 's', 'contact.registered', filter)
    await subscribe(subject, await positionNow(subject), wait)
    for (const [cseq, kind] of [
      [1, 'new'],
      [2, 'refreshed'],
    ] as const) {
      const outcome = await subject.store.register(put(subject, binding(subject, 'phone', { cseq })))
      assert.ok(outcome.ok)
      await expectDeliveries(subject, received, cseq - 1)
      assert.equal(await subject.store.publish(outcome.events), 1)
      const deliveries = await expectDeliveries(subject, received, cseq)
      // A store may say with it where the AOR is now.
      const { location: _, ...delivery } = deliveries.at(-1)!
      assert.deepEqual(delivery, { event: outcome.events[0], subscription: 's', transaction: 'tx of s' })
      assert.equal(delivery.event.attributes.kind, kind)
    }
  })

  it('a dropped subscription is silent, its sisters are not', async (subject) => {
    const received = await listen(subject)
    const at = await positionNow(subject)
    const one = subscription(subject, 'one', 'pickup', { key: ['a', 'b'] }, { transaction: 't' })
    await subject.store.suspend({
      transaction: transaction(subject, 't'),
      add: [one, { ...one, id: 'two' }],
      drop: [],
      since: at,
    })
    await subject.store.suspend({
      transaction: transaction(subject, 't', { rev: 2 }),
      add: [],
      drop: [one, { id: 'x', event: 'pickup' }],
      since: at,
    })
    await subject.store.publish([event('pickup', { key: 'a' })])
    assert.deepEqual(subscriptionsOf(await expectDeliveries(subject, received, 1)), ['two'])
    assert.deepEqual(
      (await subject.store.subscriptions('t')).map((live) => live.id),
      ['two'],
    )
  })

  it('a subscription stored again under its id is one subscription, with the new filter', async (subject) => {
    const received = await listen(subject)
    const at = await positionNow(subject)
    const first = subscription(subject, 's', 'pickup', { key: 'a' })
    await subscribe(subject, at, first)
    await subscribe(subject, at, { ...first, filter: { key: 'b' } })
    await subject.store.publish([event('pickup', { key: 'a' }), event('pickup', { key: 'b' })])
    const deliveries = await expectDeliveries(subject, received, 1)
    assert.equal(deliveries[0]?.event.attributes.key, 'b')
  })

  it('an expired subscription is silent and no longer listed', async (subject) => {
    const received = await listen(subject)
    const expiresAt = subject.now() + 100
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'pickup', {}, { expiresAt }))
    await subject.pass(150)
    assert.equal(await subject.store.publish([event('pickup')]), 0)
    await expectDeliveries(subject, received, 0)
    assert.deepEqual(await subject.store.subscriptions('tx of s'), [])
  })

  it('release takes the subscriptions with it', async (subject) => {
    const received = await listen(subject)
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'pickup', {}, { transaction: 't' }))
    await subject.store.release('t')
    await subject.store.release('never there')
    assert.equal(await subject.store.publish([event('pickup')]), 0)
    assert.deepEqual(await subject.store.subscriptions('t'), [])
    await expectDeliveries(subject, received, 0)
  })

  it('release takes the subscriptions with it that it is told of', async (subject) => {
    const received = await listen(subject)
    const all = ['pickup', 'contact.*', 'contact.registered'].map((pattern) =>
      subscription(subject, pattern, pattern, {}, { transaction: 't' }),
    )
    const since = await positionNow(subject)
    await subject.store.suspend({ transaction: transaction(subject, 't'), add: all, drop: [], since })
    await subject.store.release('t', 1, { gateway: 'gw-a', subscriptions: all })
    await subject.store.release('never there', 1, { gateway: 'gw-a', subscriptions: [] })
    assert.equal(await subject.store.publish([event('pickup'), registered('sip:bob@example.com')]), 0)
    assert.deepEqual(await subject.store.subscriptions('t'), [])
    assert.deepEqual(await subject.store.suspended('gw-a'), [])
    await expectDeliveries(subject, received, 0)
  })

  it('a subscription whose event changes to one of another family is heard of by the new one only', async (subject) => {
    const received = await listen(subject)
    const at = await positionNow(subject)
    const first = subscription(subject, 's', 'pickup', {})
    await subscribe(subject, at, first)
    await subscribe(subject, at, { ...first, event: 'word' })
    await subject.store.publish([event('pickup'), event('word')])
    const deliveries = await expectDeliveries(subject, received, 1)
    assert.equal(deliveries[0]?.event.type, 'word')
  })

  it('a gateway that reads its inbox is seen, also a while after it has stopped', async (subject) => {
    assert.equal(await subject.store.lastSeen('gw-a'), 0)
    const opened = subject.now()
    const received = await listen(subject)
    const wait = subscription(subject, 's', 'pickup', {})
    await subscribe(subject, await positionNow(subject), wait)
    await subject.store.publish([event('pickup')])
    await expectDeliveries(subject, received, 1)
    await received.close()
    const closed = subject.now()
    await subject.pass(20)
    const seen = await subject.store.lastSeen('gw-a')
    assert.ok(seen >= opened && seen <= closed, `${seen} of ${opened} to ${closed}`)
    assert.equal(await subject.store.lastSeen('gw-b'), 0)
  })

  it('no lost wake-up: one event counts once, wherever it falls around snapshot and suspend', async (subject) => {
    const received = await listen(subject)
    await subject.store.publish([registered(BOB)])
    const at = await positionNow(subject)
    await subject.store.publish([registered(CAROL), registered(BOB)])
    const missed = await subscribe(subject, at, subscription(subject, 's', 'contact.registered', { aor: BOB }))
    assert.equal(
      missed.length,
      1,
      'raised between the snapshot and the suspend: returned; raised before: in the snapshot',
    )
    assert.deepEqual([missed[0]?.subscription, missed[0]?.transaction], ['s', 'tx of s'])
    await expectDeliveries(subject, received, 0)
    await subject.store.publish([registered(BOB)])
    await expectDeliveries(subject, received, 1)
  })

  it('no lost wake-up: events and suspends at once, every event arrives one way or the other', async (subject) => {
    const received = await listen(subject)
    const aors = Array.from({ length: 50 }, (_, index) => `sip:u${index}@example.com`)
    const at = await positionNow(subject)
    const work = aors.flatMap((aor, index) => {
      const suspend = () => subscribe(subject, at, subscription(subject, `s${index}`, 'contact.registered', { aor }))
      const publish = () => subject.store.publish([registered(aor)]).then(() => [])
      return index % 2 === 0 ? [suspend(), publish()] : [publish(), suspend()]
    })
    const missed = (await Promise.all(work)).flat()
    for (let turn = 0; turn < 500 && received.deliveries.length + missed.length < 50; turn++) await subject.pass(1)
    const woken = new Set(subscriptionsOf([...missed, ...received.deliveries]))
    assert.equal(woken.size, 50)
  })

  it('what was missed obeys family, filter and order', async (subject) => {
    const at = await positionNow(subject)
    const types = ['contact.registered', 'call.ended', 'contact.removed', 'contact.expired']
    for (const type of types) await subject.store.publish([event(type, { aor: BOB }), event(type, { aor: CAROL })])
    const missed = await subscribe(
      subject,
      at,
      subscription(subject, 's', 'contact.*', { aor: [BOB, 'sip:x@example.com'] }),
    )
    assert.deepEqual(
      missed.map((one) => [one.event.type, one.event.attributes.aor]),
      [
        ['contact.registered', BOB],
        ['contact.removed', BOB],
        ['contact.expired', BOB],
      ],
    )
  })

  it('one event wakes 10,000 waiters, each once', async (subject) => {
    const received = await listen(subject)
    const at = await positionNow(subject)
    const waiters = Array.from({ length: 10_000 }, (_, index) =>
      subscription(subject, `s${index}`, 'pickup', { key: 'k' }),
    )
    for (let first = 0; first < waiters.length; first += 500) {
      await Promise.all(waiters.slice(first, first + 500).map((waiter) => subscribe(subject, at, waiter)))
    }
    assert.equal(await subject.store.publish([event('pickup', { key: 'k' })]), 10_000)
    const deliveries = await expectDeliveries(subject, received, 10_000)
    assert.equal(new Set(subscriptionsOf(deliveries)).size, 10_000)
  })
}
