import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeenMessages } from '../../../functions/contract/seen.ts'

const NOW = 1_700_000_000

test('a message is new once, and its key means nothing at another second', () => {
  const seen = new SeenMessages()
  assert.deepEqual([seen.first('a', NOW, NOW * 1000), seen.first('a', NOW, NOW * 1000)], [true, false])
  assert.equal(seen.first('a', NOW + 1, NOW * 1000), true)
})

test('what is too old to pass as genuine is forgotten', () => {
  const seen = new SeenMessages()
  for (let at = 0; at < 1000; at++) seen.first('a', NOW + at, (NOW + at) * 1000)
  assert.equal(seen.size, 301)
})

test('its memory is bounded: what is older than what it knows is taken for a replay, what is younger is not', () => {
  const seen = new SeenMessages(10)
  for (let at = 0; at < 100; at++) assert.equal(seen.first(`m${at}`, NOW + at, (NOW + at) * 1000), true)
  assert.equal(seen.size, 10)
  const now = (NOW + 100) * 1000
  assert.equal(seen.first('m50', NOW + 50, now), false)
  assert.equal(seen.first('late', NOW + 50, now), false)
  assert.equal(seen.first('m99', NOW + 99, now), false)
  assert.equal(seen.first('new', NOW + 99, now), true)
})

test('more in one second than it can hold: the rest of that second is refused, the next is not', () => {
  const seen = new SeenMessages(3)
  const at = (second: number) => [1, 2, 3, 4].map((n) => seen.first(`m${n}`, second, second * 1000))
  assert.deepEqual(at(NOW), [true, true, true, false])
  assert.deepEqual(at(NOW + 1), [true, true, true, false])
})
