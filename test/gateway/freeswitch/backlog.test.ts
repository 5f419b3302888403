import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { Backlog } from '../../../gateway/freeswitch/backlog.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'

function scene(publish: (events: RouseEvent[]) => Promise<number>) {
  const clock = new FakeClock()
  const told: string[] = []
  const taken: string[] = []
  const backlog = new Backlog({
    clock,
    store: {
      publish: async (events) => {
        const count = await publish(events)
        taken.push(...events.map(({ id }) => id))
        return count
      },
    },
    full: (isFull) => void told.push(isFull ? 'full' : 'few'),
    failed: (error) => void told.push(String(error)),
    lost: (count) => void told.push(`lost ${count}`),
  })
  const add = (from: number, to: number) => {
    for (let n = from; n < to; n++) backlog.add({ id: String(n), type: 'x', time: clock.now(), attributes: {} })
  }
  return { clock, told, taken, backlog, add }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => String(from + n))

test('events go to the store in their order, many at once, one lot after the other', async () => {
  const lots: number[] = []
  let atOnce = 0
  const { taken, add, backlog, told } = scene(async (events) => {
    assert.equal(++atOnce, 1)
    lots.push(events.length)
    await settled(1)
    atOnce--
    return 0
  })
  add(0, 200)
  await settled(50)
  assert.deepEqual(taken, numbers(0, 200))
  assert.deepEqual(lots, [1, 64, 64, 64, 7])
  assert.equal(backlog.size, 0)
  assert.deepEqual(told, [])
})

test('a store that takes its time: from a thousand on nothing more is wanted, until there are few', async () => {
  const answers: (() => void)[] = []
  const { told, add, taken } = scene(() => new Promise((resolve) => void answers.push(() => resolve(0))))
  add(0, 999)
  assert.deepEqual(told, [])
  add(999, 1010)
  assert.deepEqual(told, ['full'])
  while (taken.length < 1010) {
    answers.shift()!()
    await settled(2)
  }
  assert.deepEqual(told, ['full', 'few'])
  assert.deepEqual(taken, numbers(0, 1010))
})

test('a store that fails is tried again, and told of once; what is older than half a minute is given up', async () => {
  let isAway = true
  const { told, add, taken, clock, backlog } = scene(async () => {
    if (isAway) throw new Error('away')
    return 0
  })
  add(0, 2)
  await clock.advance(20_000)
  add(2, 3)
  assert.deepEqual(told, ['Error: away'])
  await clock.advance(10_500)
  assert.deepEqual(told, ['Error: away', 'lost 2'])
  isAway = false
  await clock.advance(1000)
  assert.deepEqual(taken, ['2'])
  isAway = true
  add(3, 4)
  await settled()
  assert.deepEqual(told, ['Error: away', 'lost 2', 'Error: away'])
  const closed = backlog.close(2000)
  await clock.advance(2000)
  await closed
  assert.equal(told.at(-1), 'lost 1')
  await clock.advance(60_000)
  assert.equal(clock.pending, 0)
})

test('it is closed at once when nothing is left, and as soon as that is so', async () => {
  const { backlog, add, taken, clock } = scene(async () => 0)
  await backlog.close(2000)
  add(0, 100)
  await backlog.close(2000)
  assert.equal(taken.length, 100)
  assert.equal(clock.pending, 0)
})
