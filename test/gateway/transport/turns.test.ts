import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Loop, type TurnMember, Turns } from '../../../gateway/transport/turns.ts'

/** Runs what was asked for in this turn, in order; what is asked for meanwhile belongs to the next. */
class FakeLoop implements Loop {
  time = 0
  rests: number[] = []
  #actions: (() => void)[] = []

  now(): number {
    return this.time
  }

  inThisTurn(action: () => void): void {
    this.#actions.push(action)
  }

  rest(ms: number): void {
    this.rests.push(ms)
    this.time += ms
  }

  turn(): void {
    for (const action of this.#actions.splice(0)) action()
  }
}

function member(name: string, order: string[], caused: () => void = () => {}, datagrams = 1): TurnMember {
  return {
    deliver() {
      order.push(`${name} delivers`)
      caused()
      return datagrams
    },
    flush: () => void order.push(`${name} sends`),
  }
}

test('all sockets deliver before any of them sends, within one turn', () => {
  const order: string[] = []
  const loop = new FakeLoop()
  const turns = new Turns(loop)
  const second = member('b', order)
  const first: TurnMember = member('a', order, () => {
    turns.flushSoon(second)
    turns.flushSoon(first)
  })
  turns.deliverSoon(first)
  turns.deliverSoon(second)
  loop.turn()
  assert.deepEqual(order, ['a delivers', 'b delivers', 'b sends', 'a sends'])
  loop.turn()
  assert.equal(order.length, 4)
})

test('what is to leave without anything having come leaves in this turn', () => {
  const order: string[] = []
  const loop = new FakeLoop()
  const turns = new Turns(loop)
  turns.flushSoon(member('a', order))
  loop.turn()
  assert.deepEqual(order, ['a sends'])
})

test('what a delivery causes after this turn has sent already leaves in the next', () => {
  const order: string[] = []
  const loop = new FakeLoop()
  const turns = new Turns(loop)
  turns.flushSoon(member('timer', order))
  turns.deliverSoon(member('a', order, () => turns.flushSoon(member('answer', order))))
  loop.turn()
  assert.deepEqual(order, ['timer sends', 'a delivers'])
  loop.turn()
  assert.deepEqual(order, ['timer sends', 'a delivers', 'answer sends'])
})

test('under heavy traffic the loop rests after it has sent', () => {
  const order: string[] = []
  const loop = new FakeLoop()
  const turns = new Turns(loop, { fromRate: 1000, periodMs: 1, windowMs: 10, mostInTurn: 32 })
  for (let turn = 0; turn < 100; turn++) {
    loop.time += 0.25
    turns.deliverSoon(member('a', order, () => turns.flushSoon(member('a', order)), 5))
    const rests = loop.rests.length
    loop.turn()
    if (loop.rests.length > rests) assert.equal(order.at(-1), 'a sends')
  }
  assert.deepEqual([...new Set(loop.rests)], [0.75])
})
