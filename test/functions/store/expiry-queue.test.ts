import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ExpiryQueue } from '../../../functions/store/expiry-queue.ts'

interface Item {
  at: number
}

const queue = () => new ExpiryQueue<Item>((item) => item.at)

describe('the expiry queue', () => {
  test('gives out exactly what is due, to the millisecond', () => {
    const items = queue()
    const all = [1500, 1499, 1501, 900, 5000].map((at) => ({ at }))
    for (const item of all) items.add(item)
    assert.deepEqual(
      items
        .takeDue(1500)
        .map((item) => item.at)
        .sort((a, b) => a - b),
      [900, 1499, 1500],
    )
    assert.deepEqual(items.takeDue(1500), [])
    assert.deepEqual(items.takeDue(1501), [{ at: 1501 }])
    assert.equal(items.size, 1)
  })

  test('says when it is worth asking again, and Infinity when it is empty', () => {
    const items = queue()
    assert.equal(items.nextDue, Number.POSITIVE_INFINITY)
    const [late, early] = [{ at: 90_500 }, { at: 3_200 }]
    items.add(late)
    items.add(early)
    assert.equal(items.nextDue, 4_000)
    items.remove(early)
    assert.equal(items.nextDue, 91_000)
    items.remove(late)
    assert.equal(items.nextDue, Number.POSITIVE_INFINITY)
  })

  test('a limit leaves the rest for the next time, and what is not there can be removed', () => {
    const items = queue()
    for (let at = 0; at < 100; at++) items.add({ at })
    items.remove({ at: 3 })
    assert.equal(items.takeDue(10_000, 60).length, 60)
    assert.equal(items.takeDue(10_000, 60).length, 40)
    assert.equal(items.size, 0)
  })

  test('does what a plain list would do, over ten thousand steps', () => {
    const items = queue()
    const model = new Set<Item>()
    const random = numbers(42)
    let now = 0
    for (let step = 0; step < 10_000; step++) {
      const what = random(4)
      if (what < 2) add(items, model, { at: now + random(20_000) })
      else if (what === 2) remove(items, model, [...model][random(model.size + 1)])
      else now = expire(items, model, now + random(3_000))
      assert.equal(items.size, model.size)
      assert.ok(model.size === 0 || items.nextDue < Number.POSITIVE_INFINITY)
    }
  })
})

function add(items: ExpiryQueue<Item>, model: Set<Item>, item: Item): void {
  items.add(item)
  model.add(item)
}

function remove(items: ExpiryQueue<Item>, model: Set<Item>, item: Item | undefined): void {
  if (!item) return
  items.remove(item)
  model.delete(item)
}

function expire(items: ExpiryQueue<Item>, model: Set<Item>, now: number): number {
  const due = new Set(items.takeDue(now))
  const expected = [...model].filter((item) => item.at <= now)
  assert.equal(due.size, expected.length)
  for (const item of expected) {
    assert.ok(due.has(item))
    model.delete(item)
  }
  return now
}

/** A linear congruential generator: the same steps in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state % below
  }
}
