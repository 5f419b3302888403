import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isoTime } from '../../../gateway/invocation/iso-time.ts'

test('times are written as Date writes them, over the ends of seconds and years, and with fractions of a millisecond', () => {
  const newYear = Date.UTC(2027, 0, 1)
  for (const from of [0, 1_700_000_000_000, newYear - 1500, -1500]) {
    for (const ms of [0, 1, 9, 10, 99, 100, 999, 1000, 1001, 2499, 2500]) {
      assert.equal(isoTime(from + ms), new Date(from + ms).toISOString())
    }
  }
  for (let second = 0; second < 40; second++)
    assert.equal(isoTime(second * 1000 + 5), new Date(second * 1000 + 5).toISOString())
  assert.equal(isoTime(1234.7), new Date(1234.7).toISOString())
})
