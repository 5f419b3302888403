import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMemoryStore, type MemoryLimits } from '../../functions/store/memory.ts'
import { CountingIds, FakeClock, settled } from '../support/fake-clock.ts'
import { storeConformance } from './store.ts'
import { binding, listen, positionNow, put, registered, type Subject, subscribe, subscription } from './subject.ts'

const START = 1_700_000_000_000

function memory(limits: Partial<MemoryLimits> = {}): Subject & { clock: FakeClock } {
  const clock = new FakeClock(START)
  const store = createMemoryStore({ clock, ids: new CountingIds(), limits })
  return { store, clock, now: () => clock.now(), pass: (ms) => clock.advance(ms), close: () => store.close() }
}

storeConformance('memory store', async () => memory())

describe('memory store: time and bounds', () => {
  test('an idle store holds no pending timer, one with something in it a single one', async () => {
    const subject = memory()
    assert.equal(subject.clock.pending, 0)
    for (let index = 0; index < 50; index++) {
      await subject.store.register(put(subject, binding(subject, `d${index}`, { aor: `sip:u${index}@example.com` })))
      await subscribe(subject, '0', subscription(subject, `s${index}`, 'pickup', { key: index }))
      await subject.store.claim(`claim ${index}`, 5_000 + index * 1000)
      await subject.store.remember(`memo ${index % 10}`, String(index), 5_000 + index * 1000)
      await subject.store.publish([registered(`sip:u${index}@example.com`)])
    }
    assert.equal(subject.clock.pending, 1)
    await subject.pass(400_000)
    assert.equal(subject.clock.pending, 0)
  })

  test('releasing everything and letting the recent events go leaves no timer', async () => {
    const subject = memory()
    await subscribe(subject, '0', subscription(subject, 's', 'pickup', {}, { transaction: 't' }))
    await subject.store.release('t')
    await subject.pass(61_000)
    assert.equal(subject.clock.pending, 0)
  })

  test('close stops the timer', async () => {
    const subject = memory()
    await subject.store.claim('key', 60_000)
    await subject.store.close()
    assert.equal(subject.clock.pending, 0)
    await subject.store.claim('another', 60_000)
    assert.equal(subject.clock.pending, 0)
  })

  test('a recent event counts for at least 6 s, longer than any invocation takes, and not for ever', async () => {
    const subject = memory()
    const at = await positionNow(subject)
    await subject.store.publish([registered('sip:bob@example.com')])
    await subject.pass(5_999)
    const late = subscription(subject, 'late', 'contact.registered', { aor: 'sip:bob@example.com' })
    assert.equal((await subscribe(subject, at, late)).length, 1)
    await subject.pass(13_000)
    assert.equal((await subscribe(subject, at, { ...late, id: 'too late' })).length, 0)
  })

  test('recent events are bounded in number: the newest ones stay', async () => {
    const subject = memory({ recentEvents: 100 })
    const at = await positionNow(subject)
    for (let index = 0; index < 1000; index++) await subject.store.publish([registered(`sip:u${index}@example.com`)])
    const all = await subscribe(subject, at, subscription(subject, 'all', 'contact.*', {}))
    assert.ok(all.length >= 50 && all.length <= 100, `${all.length} kept`)
    assert.equal(all.at(-1)?.event.attributes.aor, 'sip:u999@example.com')
  })

  test('what was missed is found among thousands of events that do not match, in order', async () => {
    const subject = memory()
    const at = await positionNow(subject)
    for (let index = 0; index < 3000; index++)
      await subject.store.publish([registered(`sip:u${index % 300}@example.com`)])
    const filter = { aor: ['sip:u7@example.com', 'sip:u9@example.com'] }
    const missed = await subscribe(subject, at, subscription(subject, 's', 'contact.registered', filter))
    const aors = missed.map((delivery) => delivery.event.attributes.aor)
    assert.deepEqual(
      aors.slice(0, 4),
      [7, 9, 7, 9].map((user) => `sip:u${user}@example.com`),
    )
    assert.equal(aors.length, 20)
  })

  test('a filter of more than 64 combinations is matched exactly all the same', async () => {
    const subject = memory()
    const received = await listen(subject)
    const many = Array.from({ length: 32 }, (_, index) => `v${index}`)
    await subscribe(subject, '0', subscription(subject, 's', 'thing', { a: many, b: many, c: 'one' }))
    for (const [a, b, c] of [
      ['v1', 'v31', 'one'],
      ['v1', 'v32', 'one'],
      ['v1', 'v2', 'two'],
      ['v40', 'v2', 'one'],
    ] as const) {
      await subject.store.publish([{ id: `${a}${b}${c}`, type: 'thing', time: 0, attributes: { a, b, c } }])
    }
    await settled()
    assert.deepEqual(
      received.deliveries.map((delivery) => delivery.event.id),
      ['v1v31one'],
    )
  })

  test('deliveries never come inside publish, and a long queue leaves turns for other work', async () => {
    const subject = memory({ batch: 10 })
    const received = await listen(subject)
    for (let index = 0; index < 25; index++) {
      await subscribe(subject, '0', subscription(subject, `s${index}`, 'pickup', {}))
    }
    const published = subject.store.publish([{ id: 'e', type: 'pickup', time: 0, attributes: {} }])
    assert.equal(received.deliveries.length, 0)
    await published
    await settled()
    assert.equal(received.deliveries.length, 10)
    await subject.pass(0)
    assert.equal(received.deliveries.length, 25)
    assert.equal(received.batches, 3)
  })

  test('deliveries wait for a gateway that comes later, but not for ever', async () => {
    const subject = memory({ absentMs: 30_000 })
    await subscribe(subject, '0', subscription(subject, 's', 'pickup', {}, { gateway: 'gw-b' }))
    await subject.store.publish([{ id: 'first', type: 'pickup', time: 0, attributes: {} }])
    await subject.pass(10_000)
    const received = await listen(subject, 'gw-b')
    await subject.pass(0)
    assert.deepEqual(
      received.deliveries.map((delivery) => delivery.event.id),
      ['first'],
    )
    await received.close()
    await subject.store.publish([{ id: 'second', type: 'pickup', time: 0, attributes: {} }])
    await subject.pass(40_000)
    assert.equal((await listen(subject, 'gw-b')).deliveries.length, 0)
  })

  test('a REGISTER beyond the limit of all bindings is refused, refreshes are not', async () => {
    const subject = memory({ bindings: 2 })
    const users = ['a', 'b', 'c'].map((user) => binding(subject, user, { aor: `sip:${user}@example.com` }))
    const outcomes = []
    for (const one of users) outcomes.push((await subject.store.register(put(subject, one))).ok)
    assert.deepEqual(outcomes, [true, true, false])
    assert.equal((await subject.store.register(put(subject, { ...users[0]!, cseq: 2 }))).ok, true)
  })

  test('bindings that expired and that nobody took with expire are forgotten in the end', async () => {
    const subject = memory()
    await subject.store.register(put(subject, binding(subject, 'phone')))
    await subject.pass(60_000 + 302_000)
    assert.deepEqual(await subject.store.expire(subject.now(), 10), [])
    assert.equal(subject.clock.pending, 0)
  })
})
