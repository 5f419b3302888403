import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Remembered } from '../../../functions/contract/remembered.ts'

describe('results that are remembered', () => {
  test('are forgotten when their time is over, and the oldest when there are too many', async () => {
    let seconds = 0
    const remembered = new Remembered({ now: () => seconds * 1000, limit: 2, stands: () => true })
    let sent = 0
    const once = (id: string, from: number, now = from) => {
      seconds = now
      return remembered.once(
        id,
        () => (from + 301) * 1000,
        () => {
          sent++
          return Promise.resolve('done')
        },
      )
    }
    await once('a', 1000)
    await once('a', 1000, 1299)
    assert.equal(sent, 1)
    await once('b', 1000)
    await once('c', 1000)
    await once('b', 1000)
    assert.equal(sent, 3)
    await once('a', 1000)
    assert.equal(sent, 4)
    await once('d', 1301)
    await once('a', 1301)
    assert.equal(sent, 6)
  })
})
