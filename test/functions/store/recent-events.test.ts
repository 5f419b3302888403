import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { RecentEvents } from '../../../functions/store/recent-events.ts'
import type { StoredSubscription } from '../../../functions/store/store.ts'

const KEEP_MS = 6000
const PAID: StoredSubscription = {
  id: 's',
  transaction: 't',
  gateway: 'g',
  event: 'paid',
  filter: {},
  expiresAt: 60_000,
}

function paid(id: string): RouseEvent {
  return { id, type: 'paid', time: 0, attributes: {} }
}

function idsSince(recent: RecentEvents, position: number): string[] {
  return recent.since(position, PAID).map(({ id }) => id)
}

test('while nobody can subscribe to what was, nothing is kept, and positions go on', () => {
  const recent = new RecentEvents(KEEP_MS, 1000)
  recent.record(paid('a'), 0)
  assert.equal(recent.position, 1)
  assert.deepEqual(idsSince(recent, 0), [])
  assert.equal(recent.sweep(1), Number.POSITIVE_INFINITY)
})

test('a snapshot keeps what is raised after it, until it is closed', () => {
  const recent = new RecentEvents(KEEP_MS, 1000)
  const snapshot = recent.open(0)
  recent.record(paid('a'), 10)
  assert.deepEqual(idsSince(recent, 0), ['a'])
  recent.close(snapshot)
  recent.record(paid('b'), 20)
  recent.open(30)
  recent.record(paid('c'), 40)
  assert.deepEqual(idsSince(recent, 2), ['c'])
})

test('closing one snapshot takes nothing from another one, in either order', () => {
  for (const first of [0, 1]) {
    const recent = new RecentEvents(KEEP_MS, 1000)
    const snapshots = [recent.open(0), recent.open(0)]
    recent.record(paid('a'), 10)
    recent.close(snapshots[first]!)
    recent.record(paid('b'), 20)
    assert.deepEqual(idsSince(recent, 0), ['a', 'b'])
  }
})

test('a snapshot that is never closed lapses, and closing it late harms no other', () => {
  const recent = new RecentEvents(KEEP_MS, 1000)
  const forgotten = recent.open(0)
  recent.record(paid('a'), KEEP_MS)
  assert.deepEqual(idsSince(recent, 0), [])
  recent.open(KEEP_MS + 1)
  recent.close(forgotten)
  recent.record(paid('b'), KEEP_MS + 2)
  assert.deepEqual(idsSince(recent, 1), ['b'])
})

test('thousands of snapshots that nobody closes are not kept for ever', () => {
  const recent = new RecentEvents(KEEP_MS, 1000)
  for (let now = 0; now < 20_000; now++) recent.open(now)
  recent.record(paid('a'), 20_000 + KEEP_MS)
  assert.deepEqual(idsSince(recent, 0), [])
})

test('after `keep`, what is raised counts without a snapshot, for as long as one would last', () => {
  const recent = new RecentEvents(KEEP_MS, 1000)
  recent.keep(0)
  recent.record(paid('a'), KEEP_MS - 1)
  assert.deepEqual(idsSince(recent, 0), ['a'])
  recent.record(paid('b'), KEEP_MS)
  assert.deepEqual(idsSince(recent, 1), [])
})
