import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyTable } from '../../../gateway/transaction/key-table.ts'
import { seeded } from '../../support/random.ts'

test('what is added is found with its value and note until it ends', () => {
  const table = new KeyTable<string>()
  table.add('a', 'first', 1, 10)
  table.add('b', undefined, 2, 20)
  const place = table.find('a')
  assert.equal(table.valueAt(place), 'first')
  assert.equal(table.noteAt(place), 1)
  assert.equal(table.find('c'), -1)
  assert.equal(table.expire(10), 20)
  assert.equal(table.find('a'), -1)
  assert.equal(table.noteAt(table.find('b')), 2)
  assert.equal(table.expire(20), Number.POSITIVE_INFINITY)
  assert.equal(table.size, 0)
})

test('a key that comes again lives as long as the second time, and has its value', () => {
  const table = new KeyTable<string>()
  table.add('a', 'first', 0, 10)
  table.add('a', 'second', 0, 20)
  assert.equal(table.size, 1)
  table.expire(10)
  assert.equal(table.valueAt(table.find('a')), 'second')
  table.expire(20)
  assert.equal(table.size, 0)
})

test('a deleted key is gone, and may come again before its first end', () => {
  const table = new KeyTable<string>()
  table.add('a', 'first', 0, 10)
  table.delete('a')
  assert.equal(table.find('a'), -1)
  table.add('a', 'second', 0, 20)
  table.expire(10)
  assert.equal(table.valueAt(table.find('a')), 'second')
})

test('keys that differ in one character, or only in their order, are kept apart', () => {
  const table = new KeyTable<string>()
  const keys = ['', 'a', 'b', 'ab', 'ba', 'a\nb', 'INVITE\nz9hG4bK1', 'INVITE\nz9hG4bK2', 'BYE\nz9hG4bK1', '\u00ff']
  for (const key of keys) table.add(key, key, 0, 10)
  for (const key of keys) assert.equal(table.valueAt(table.find(key)), key)
})

test('it behaves as a map, whatever comes, goes, grows and shrinks', () => {
  const random = seeded(7)
  const below = (limit: number) => Math.floor(random() * limit)
  const table = new KeyTable<number>()
  const map = new Map<string, { value: number; endsAt: number }>()
  for (let now = 0; now < 60_000; now++) {
    // A flood, then a trickle: the table grows to some thousand entries and shrinks again.
    const isFlood = now % 30_000 < 15_000
    if (isFlood || now % 10 === 0) {
      const key = `k${below(isFlood ? 50_000 : 500)}`
      table.add(key, now, now, now + 8_000)
      map.set(key, { value: now, endsAt: now + 8_000 })
    }
    if (now % 3 === 0) {
      const key = `k${below(50_000)}`
      table.delete(key)
      map.delete(key)
    }
    if (now % 50 === 0) {
      table.expire(now)
      for (const [key, { endsAt }] of map) if (endsAt <= now) map.delete(key)
    }
    if (now % 1000 === 0) checkSame(table, map)
  }
  table.expire(Number.POSITIVE_INFINITY)
  assert.equal(table.size, 0)
})

function checkSame(table: KeyTable<number>, map: Map<string, { value: number }>): void {
  assert.equal(table.size, map.size)
  for (const [key, { value }] of map) assert.equal(table.valueAt(table.find(key)), value, key)
}
