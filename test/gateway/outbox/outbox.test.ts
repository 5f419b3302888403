import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Store } from '../../../functions/store/store.ts'
import type { DeliveryOutcome } from '../../../gateway/outbox/sink.ts'
import { LIFETIME_MS, OWNER } from '../../../gateway/outbox/subscription.ts'
import { altered, away } from '../../support/altered-store.ts'
import { settled } from '../../support/fake-clock.ts'
import { Scene, SECRET } from './scene.ts'

const [A, B] = ['https://a.test', 'https://b.test']
const FAILED: DeliveryOutcome = { outcome: 'failed', error: 'answered 500' }

describe('standing subscriptions', () => {
  test('each match is delivered as a CloudEvent with its place in the order, and nothing else is', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    const { id } = await outbox.book.create(s.wish(A, ['pickup', 'call.*'], { filter: { aor: 'sip:bob@x' } }))
    await settled(20)
    await s.raise(1, { aor: 'sip:bob@x' })
    await s.raise(2, { aor: 'sip:eve@x' })
    await s.raise(3, { aor: 'sip:bob@x' }, 'other')
    await s.raise(4, { aor: 'sip:bob@x' })
    assert.deepEqual(s.receivers.of(A), [1, 4])
    const { body, id: messageId, secret } = s.receivers.heard[1]!
    assert.equal(messageId, `event-4.${id}`)
    assert.equal(secret, SECRET)
    assert.deepEqual(body, {
      ...{ specversion: '1.0', id: 'event-4', source: '/gateways/gw-1', type: 'pickup', subject: 'sip:bob@x' },
      ...{ time: new Date(s.clock.now()).toISOString(), datacontenttype: 'application/json', subscription: id },
      ...{ sequence: '0000000000000002', partitionkey: 'sip:bob@x', data: { n: 4, aor: 'sip:bob@x' } },
    })
    assert.deepEqual(await outbox.book.waiting(), [])
    await outbox.stop()
  })

  test('an event that two of its types match is delivered once', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    await outbox.book.create(s.wish(A, ['call.ended', 'call.*']))
    await settled(20)
    await s.raise(1, { callId: 'c' }, 'call.ended')
    assert.equal(s.receivers.heard.length, 1)
    await outbox.stop()
  })

  test('after hours of failing all that waits goes out at once, in order, when its way is known to be open again', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    await outbox.book.create(s.wish(A))
    await settled(20)
    s.receivers.answer = () => FAILED
    await s.raise(1, { callId: 'c1' })
    await s.raise(2, { callId: 'c1' })
    await s.raise(3, { callId: 'c2' })
    await s.pass(5 * 3_600_000)
    s.receivers.answer = () => ({ outcome: 'delivered' })
    s.receivers.heard.length = 0
    s.receivers.back()
    await settled(20)
    const heard = s.receivers.of(A)
    assert.deepEqual(heard.toSorted(), [1, 2, 3])
    assert.ok(heard.indexOf(1) < heard.indexOf(2))
    assert.deepEqual(await outbox.book.waiting(), [])
    await outbox.stop()
  })

  test('what fails is tried again with growing pauses under the same id, and holds back what follows for its key alone', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    await outbox.book.create(s.wish(A))
    await settled(20)
    s.receivers.answer = ({ body }) => (body.includes('"callId":"c1"') ? FAILED : { outcome: 'delivered' })
    await s.raise(1, { callId: 'c1' })
    await s.raise(2, { callId: 'c1' })
    await s.raise(3, { callId: 'c2' })
    assert.deepEqual(s.receivers.of(A), [1, 3])
    await s.pass(5000)
    assert.deepEqual(s.receivers.of(A), [1, 3, 1])
    assert.equal(s.receivers.heard[0]!.id, s.receivers.heard[2]!.id)
    assert.deepEqual(s.receivers.heard[0]!.body, s.receivers.heard[2]!.body)
    const [waiting] = (await outbox.book.waiting()).filter(({ attempts }) => attempts > 0)
    assert.deepEqual([waiting!.attempts, waiting!.error], [2, 'answered 500'])
    s.receivers.answer = () => ({ outcome: 'delivered' })
    await s.pass(30_000)
    assert.deepEqual(s.receivers.of(A), [1, 3, 1, 1, 2])
    assert.deepEqual(await outbox.book.waiting(), [])
    await outbox.stop()
  })

  test('a receiver that never answers delays nobody else', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    await outbox.book.create(s.wish(A))
    await outbox.book.create(s.wish(B))
    await settled(20)
    s.receivers.answer = ({ target }) => (target.url === A ? new Promise(() => {}) : { outcome: 'delivered' })
    for (let n = 1; n <= 400; n++) await s.raise(n, { callId: `c${n}` })
    assert.equal(s.receivers.of(A).length, 8)
    assert.equal(s.receivers.of(B).length, 400)
    await outbox.stop()
  })

  test('after a day it is a dead letter with its reason; what followed goes on; it can be replayed, alone or with others', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    const { id } = await outbox.book.create(s.wish(A))
    await settled(20)
    s.receivers.answer = ({ body }) =>
      body.includes('"n":1,') || body.includes('"n":2,') ? FAILED : { outcome: 'delivered' }
    for (const n of [1, 2, 3]) await s.raise(n, { callId: 'c' })
    for (let hours = 0; hours < 40; hours++) await s.pass(3_600_000)
    assert.equal(s.receivers.of(A).filter((n) => n === 1).length, 11)
    assert.equal(s.receivers.of(A).at(-1), 3)
    const dead = await outbox.book.dead()
    // The second has waited for a day behind the first: it is given up sooner.
    assert.deepEqual(
      dead.map(({ sequence, error }) => [sequence, error]),
      [
        [1, 'answered 500'],
        [2, 'answered 500'],
      ],
    )
    assert.equal(outbox.counters.get('outbox_given_up'), 2)
    s.receivers.answer = () => ({ outcome: 'delivered' })
    assert.equal(await outbox.book.replay(id, dead), 2)
    await settled(20)
    assert.deepEqual(s.receivers.of(A).slice(-2), [1, 2])
    assert.equal(s.receivers.heard.at(-1)!.id, `event-2.${id}`)
    assert.deepEqual(await outbox.book.dead(), [])
    assert.deepEqual(await outbox.book.waiting(), [])
    await outbox.stop()
  })

  test('410 ends it: nothing is matched or delivered any more, and people see why', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    const { id } = await outbox.book.create(s.wish(A))
    await settled(20)
    s.receivers.answer = () => ({ outcome: 'gone', error: 'answered 410' })
    await s.raise(1, { callId: 'a' })
    await s.raise(2, { callId: 'a' })
    assert.deepEqual(s.receivers.of(A), [1])
    assert.equal((await outbox.book.find(id))!.subscription.ended!.why, 'answered 410')
    assert.deepEqual(await outbox.book.waiting(), [])
    assert.equal(await s.store.publish([{ id: 'x', type: 'pickup', time: 0, attributes: {} }]), 0)
    await outbox.stop()
  })

  test('paused it keeps what comes, and delivers it in order when it is resumed', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    const { id } = await outbox.book.create(s.wish(A))
    await outbox.book.change(id, (one) => ({ ...one, isPaused: true }))
    await settled(20)
    for (const n of [1, 2, 3]) await s.raise(n)
    assert.deepEqual(s.receivers.of(A), [])
    assert.equal((await outbox.book.waiting()).length, 3)
    await outbox.book.change(id, ({ isPaused: _, ...one }) => one)
    await settled(20)
    assert.deepEqual(s.receivers.of(A), [1, 2, 3])
    await outbox.stop()
  })

  for (const first of ['the pause', 'the answer'] as const) {
    test(`it is paused, or deleted, while a try is under way: ${first} comes first`, async () => {
      const s = new Scene()
      const outbox = await s.outbox()
      const paused = await outbox.book.create(s.wish(A))
      const deleted = await outbox.book.create(s.wish(B))
      await settled(20)
      let answer = (_outcome: DeliveryOutcome): void => {}
      const answered = new Promise<DeliveryOutcome>((resolve) => {
        answer = resolve
      })
      s.receivers.answer = () => answered
      await s.raise(1)
      await s.raise(2)
      const change = async () => {
        await outbox.book.change(paused.id, (one) => ({ ...one, isPaused: true }))
        await outbox.book.remove(deleted.id)
        await settled(20)
      }
      if (first === 'the pause') await change()
      answer({ outcome: 'delivered' })
      await settled(20)
      if (first === 'the answer') await change()
      const more = first === 'the answer' ? [1, 2] : [1]
      assert.deepEqual([s.receivers.of(A), s.receivers.of(B)], [more, more])
      await s.pass(60_000)
      const waiting = await outbox.book.waiting()
      assert.deepEqual(
        waiting.map(({ subscription, sequence }) => [subscription, sequence]),
        first === 'the answer' ? [] : [[paused.id, 2]],
      )
      await outbox.stop()
    })
  }

  test('a new secret signs beside the old one for a day', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    const { id } = await outbox.book.create(s.wish(A))
    const fresh = `whsec_${Buffer.alloc(32, 8).toString('base64')}`
    await outbox.book.rotate(id, fresh)
    await settled(20)
    await s.raise(1)
    assert.equal(s.receivers.heard.at(-1)!.secret, `${fresh} ${SECRET}`)
    await s.pass(24 * 3_600_000)
    await s.raise(2)
    assert.equal(s.receivers.heard.at(-1)!.secret, fresh)
    await outbox.stop()
  })

  test('it expires when it was to', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    await outbox.book.create(s.wish(A, ['pickup'], { expiresAt: s.clock.now() + 90_000 }))
    await settled(20)
    await s.raise(1)
    await s.pass(90_000)
    await s.raise(2)
    await s.pass(60_000)
    assert.deepEqual(s.receivers.of(A), [1])
    assert.deepEqual(await outbox.book.all(), [])
    await outbox.stop()
  })

  test('it is renewed in the store, so that it lives as long as some gateway does', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    await outbox.book.create(s.wish(A))
    const end = async () => (await s.store.suspended(OWNER)).find(({ id }) => id.startsWith('standing'))!.expiresAt
    assert.equal(await end(), s.clock.now() + LIFETIME_MS)
    await s.pass(60_000)
    assert.equal(await end(), s.clock.now() + LIFETIME_MS)
    await outbox.stop()
  })

  test('what settings ask for is there once, and changes with them', async () => {
    const s = new Scene()
    const amqp = (types: string[]) => [{ id: 'amqp', types, target: { url: A } }]
    const first = await s.outbox(amqp(['pickup']))
    await s.raise(1)
    await first.stop()
    const second = await s.outbox(amqp(['other']))
    await s.pass(15_000)
    await s.raise(2)
    await s.raise(3, {}, 'other')
    assert.deepEqual(s.receivers.of(A), [1, 3])
    assert.equal((await second.book.all()).length, 1)
    await second.stop()
  })

  test('a test goes to one receiver alone, and takes no number', async () => {
    const s = new Scene()
    const outbox = await s.outbox()
    const one = await outbox.book.create(s.wish(A))
    await outbox.book.create(s.wish(B))
    await outbox.book.test(one)
    await settled(20)
    assert.equal(s.receivers.heard.length, 1)
    assert.deepEqual([s.receivers.heard[0]!.url, s.receivers.heard[0]!.body.type], [A, 'rouse.test'])
    await s.raise(1)
    assert.equal(s.receivers.heard.at(-1)!.body.sequence, '0000000000000001')
    await outbox.stop()
  })
})

describe('several gateways on one store', () => {
  test('one delivers; when it stops another one goes on with what waits, and numbers go on too', async () => {
    const s = new Scene()
    const first = await s.outbox()
    const second = await s.outbox()
    assert.match(first.health.text, /^delivers/)
    assert.equal(second.health.text, 'another gateway delivers')
    await second.book.create(s.wish(A))
    await settled(20)
    await s.raise(1)
    assert.deepEqual(s.receivers.of(A), [1])
    s.receivers.answer = () => FAILED
    await s.raise(2)
    await first.stop()
    s.receivers.answer = () => ({ outcome: 'delivered' })
    await s.raise(3)
    await s.pass(12_000)
    assert.match(second.health.text, /^delivers/)
    assert.deepEqual(s.receivers.of(A), [1, 2, 2, 3])
    assert.deepEqual(
      s.receivers.heard.map(({ body }) => Number(body.sequence)),
      [1, 2, 2, 3],
    )
    await second.stop()
  })

  test('one that stops while what has failed is written down leaves it to the next', async () => {
    let written = Promise.resolve()
    const suspend: (store: Store) => Store['suspend'] = (store) => async (step) => {
      await written
      return store.suspend(step)
    }
    const s = new Scene(altered((store) => ({ suspend: suspend(store) })))
    const first = await s.outbox()
    const second = await s.outbox()
    await second.book.create(s.wish(A))
    await settled(20)
    const answered = Promise.withResolvers<void>()
    s.receivers.answer = () => answered.promise.then(() => FAILED)
    await s.raise(1)
    const slow = Promise.withResolvers<void>()
    written = slow.promise
    answered.resolve()
    await settled(5)
    const stopped = first.stop()
    slow.resolve()
    await stopped
    s.receivers.answer = () => ({ outcome: 'delivered' })
    await s.pass(12_000)
    assert.deepEqual(s.receivers.of(A), [1, 1])
    await second.stop()
  })

  test('what the store does not take for a while is kept there as soon as it does', async () => {
    let isAway = false
    const s = new Scene(
      altered((store) => ({
        suspend: (step) => (isAway ? away() : store.suspend(step)),
        claim: (...args) => (isAway ? away() : store.claim(...args)),
      })),
    )
    const first = await s.outbox()
    await first.book.create(s.wish(A))
    await settled(20)
    s.receivers.answer = () => FAILED
    isAway = true
    await s.raise(1)
    await s.pass(60_000)
    isAway = false
    await s.pass(3000)
    assert.deepEqual(
      (await first.book.waiting()).map(({ event }) => event.attributes.n),
      [1],
    )
    await first.stop()
  })

  test('changes at either gateway at once are all made', async () => {
    const s = new Scene()
    const first = await s.outbox()
    const second = await s.outbox()
    const { id } = await first.book.create(s.wish(A))
    const fresh = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`
    await Promise.all([
      first.book.change(id, (one) => ({ ...one, isPaused: true })),
      second.book.rotate(id, fresh(1)),
      first.book.rotate(id, fresh(2)),
    ])
    const { subscription } = (await first.book.find(id))!
    assert.equal(subscription.isPaused, true)
    assert.deepEqual(new Set(subscription.secrets.map(({ secret }) => secret)), new Set([SECRET, fresh(1), fresh(2)]))
    await first.stop()
    await second.stop()
  })

  test('while the store is away what is known goes on being delivered, and who delivers stays', async () => {
    let isAway = false
    const unless = <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) => {
      return (...args: Args): Promise<Result> => (isAway ? away() : work(...args))
    }
    const s = new Scene(
      altered((store) => ({ claim: unless(store.claim.bind(store)), suspend: unless(store.suspend.bind(store)) })),
    )
    const outbox = await s.outbox()
    await outbox.book.create(s.wish(A))
    await settled(20)
    s.receivers.answer = () => FAILED
    await s.raise(1)
    isAway = true
    s.receivers.answer = () => ({ outcome: 'delivered' })
    await s.pass(10_000)
    assert.deepEqual(s.receivers.of(A), [1, 1])
    assert.equal(outbox.health.isUp, false)
    assert.match(outbox.health.text, /^delivers/)
    isAway = false
    await s.pass(5000)
    assert.equal(outbox.health.isUp, true)
    await s.raise(2)
    assert.deepEqual(s.receivers.of(A), [1, 1, 2])
    await outbox.stop()
  })
})

test('events that come with the news of their subscription, while it is read, are all delivered', async () => {
  let slow = false
  const s = new Scene(
    altered((store) => ({
      suspended: async (gateway) => {
        if (slow) await settled(5)
        return store.suspended(gateway)
      },
    })),
  )
  const outbox = await s.outbox()
  slow = true
  await outbox.book.create(s.wish(A))
  const raised = [1, 2, 3].map((n) => s.store.publish([{ id: `e${n}`, type: 'pickup', time: 0, attributes: { n } }]))
  await Promise.all(raised)
  await settled(60)
  assert.deepEqual(s.receivers.of(A), [1, 2, 3])
  await outbox.stop()
})

test('a subscription that is still read when its gateway stops delivering is not opened there any more', async () => {
  const read = Promise.withResolvers<void>()
  const s = new Scene(
    altered((store) => ({
      recall: async (key) => {
        await read.promise
        return store.recall(key)
      },
    })),
  )
  const outbox = await s.outbox()
  await outbox.book.create(s.wish(A))
  await settled(20)
  await outbox.stop()
  read.resolve()
  await settled(20)
  const { outbox_subscriptions } = Object.fromEntries(outbox.counters.gauges())
  assert.equal(outbox_subscriptions!(), 0)
})
