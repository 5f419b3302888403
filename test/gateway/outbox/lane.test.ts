import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Delivery, keyOf } from '../../../gateway/outbox/delivery.ts'
import { Lane } from '../../../gateway/outbox/lane.ts'
import { pauseMs, restMs } from '../../../gateway/outbox/schedule.ts'
import type { Subscription } from '../../../gateway/outbox/subscription.ts'

const SUBSCRIPTION: Subscription = {
  id: 's',
  types: ['call.*'],
  filter: {},
  target: { url: 'https://x.test' },
  secrets: [],
  createdAt: 0,
}

let made = 0

function delivery(key: string, more: Partial<Delivery> = {}): Delivery {
  const sequence = ++made
  const event = { id: `e${sequence}`, type: 'call.ended', time: 0, attributes: {} }
  const usual = { id: `d${sequence}`, messageId: `m${sequence}`, subscription: 's', key, sequence, event, queuedAt: 0 }
  return { ...usual, attempts: 0, nextAt: 0, ...more }
}

function lane(...deliveries: Delivery[]): Lane {
  const made = new Lane(SUBSCRIPTION, 1)
  for (const each of deliveries) made.add(each)
  return made
}

describe('what waits for one subscription', () => {
  test('of one key one after the other, of several keys at once', () => {
    const [a1, a2, b1] = [delivery('a'), delivery('a'), delivery('b')]
    const one = lane(a1, a2, b1)
    assert.deepEqual(one.due(0, 100).due, [a1, b1])
    assert.deepEqual(one.due(0, 100).due, [])
    one.settled(a1, true)
    assert.deepEqual(one.due(0, 100).due, [a2])
    one.settled(b1, true)
    one.settled(a2, true)
    assert.equal(one.size, 0)
  })

  test('a delivery that failed holds back its key until its pause is over, and no other key', () => {
    const [a1, a2, b1] = [delivery('a'), delivery('a'), delivery('b')]
    const one = lane(a1, a2)
    assert.deepEqual(one.due(0, 100).due, [a1])
    a1.nextAt = 5000
    one.settled(a1, false)
    one.failed(0)
    one.add(b1)
    assert.deepEqual(one.due(0, 100), { due: [b1], at: 5000 })
    assert.deepEqual(one.due(4999, 100), { due: [], at: 5000 })
    assert.deepEqual(one.due(5000, 100).due, [a1])
  })

  test('eight at once, one after the other have their turn', () => {
    const all = Array.from({ length: 12 }, (_, key) => delivery(`k${key}`))
    const one = lane(...all, delivery('k0'))
    const first = one.due(0, 100).due
    assert.deepEqual(first, all.slice(0, 8))
    assert.equal(one.due(0, 0).due.length, 0)
    one.settled(first[0]!, true)
    // The second of k0 comes behind the other keys.
    assert.deepEqual(one.due(0, 100).due, [all[8]])
    // Somebody takes more at once.
    assert.deepEqual(one.due(0, 100, 10).due, [all[9], all[10]])
  })

  test('a receiver that goes on failing is asked by one at a time, with growing pauses; one success and all go', () => {
    const all = Array.from({ length: 5 }, (_, key) => delivery(`k${key}`))
    const one = lane(...all)
    const under = one.due(0, 100).due
    for (const each of under) {
      each.nextAt = 0
      one.settled(each, false)
      one.failed(0)
    }
    const rest = restMs(5)
    assert.deepEqual(one.due(0, 100), { due: [], at: rest })
    const probe = one.due(rest, 100).due
    assert.equal(probe.length, 1)
    one.succeeded()
    one.settled(probe[0]!, true)
    assert.equal(one.due(rest, 100).due.length, 4)
  })

  test('nothing goes while it is paused, has ended or has expired', () => {
    const one = lane(delivery('a'))
    for (const change of [{ isPaused: true }, { ended: { at: 0, why: '' } }, { expiresAt: 10 }]) {
      one.subscription = { ...SUBSCRIPTION, ...change }
      assert.deepEqual(one.due(10, 100), { due: [], at: undefined })
    }
    one.subscription = SUBSCRIPTION
    assert.equal(one.due(10, 100).due.length, 1)
  })
})

test('tries go on for a day, each pause spread by a fifth, longer where the receiver asks for it', () => {
  const pauses = Array.from({ length: 11 }, (_, index) => pauseMs(index + 1, undefined, 0.5))
  assert.deepEqual(pauses.slice(0, 3), [5000, 30_000, 120_000])
  assert.equal(pauses.at(-1), undefined)
  const hours = pauses.reduce<number>((sum, ms) => sum + (ms ?? 0), 0) / 3_600_000
  assert.ok(hours > 22 && hours < 26, String(hours))
  assert.deepEqual([pauseMs(1, undefined, 0), pauseMs(1, undefined, 1)], [4000, 6000])
  assert.equal(pauseMs(1, 60_000, 0.5), 60_000)
  assert.equal(pauseMs(1, 1e12, 0.5), 8 * 3_600_000)
  assert.deepEqual([restMs(2), restMs(3), restMs(4), restMs(50)], [0, 2000, 4000, 300_000])
})

test('the key is the call, else the address of record', () => {
  const key = (attributes: Record<string, string>) => keyOf({ id: '', type: 'x', time: 0, attributes })
  assert.equal(key({ callId: 'c', aor: 'sip:a' }), 'callId c')
  assert.equal(key({ aor: 'sip:a' }), 'aor sip:a')
  assert.equal(key({ other: 'x' }), '')
})
