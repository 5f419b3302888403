import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LoopControl, Moderation } from '../../../gateway/transport/moderation.ts'

const options = { fromRate: 6000, periodMs: 1, windowMs: 50 }

/** An event loop whose time is made by what is done in it. */
class FakeLoop implements LoopControl {
  time = 0
  rests: number[] = []
  #due: (() => void)[] = []

  now(): number {
    return this.time
  }

  endOfTurn(action: () => void): void {
    this.#due.push(action)
  }

  rest(ms: number): void {
    this.rests.push(ms)
    this.time += ms
  }

  get due(): number {
    return this.#due.length
  }

  endTurn(): void {
    for (const action of this.#due.splice(0)) action()
  }
}

interface Traffic {
  datagrams: number
  /** Milliseconds of waiting for them, and of work after they came. */
  waitMs: number
  workMs?: number
}

/** Plays equal turns for `forMs` milliseconds; returns the rests they were followed by, 0 for none. */
function play(loop: FakeLoop, moderation: Moderation, forMs: number, traffic: Traffic): number[] {
  const perTurn: number[] = []
  for (const end = loop.time + forMs; loop.time < end; ) {
    loop.time += traffic.waitMs
    for (let datagram = 0; datagram < traffic.datagrams; datagram++) moderation.received()
    loop.time += traffic.workMs ?? 0
    const before = loop.rests.length
    loop.endTurn()
    perTurn.push(loop.rests[before] ?? 0)
  }
  return perTurn
}

function started(): { loop: FakeLoop; moderation: Moderation } {
  const loop = new FakeLoop()
  return { loop, moderation: new Moderation(options, loop) }
}

test('below the rate no turn is followed by a rest', () => {
  const { loop, moderation } = started()
  play(loop, moderation, 1000, { datagrams: 1, waitMs: 0.2 })
  assert.deepEqual(loop.rests, [])
})

test('from the rate on, after one window, what is left of each period is rested', () => {
  const { loop, moderation } = started()
  play(loop, moderation, 49.75, { datagrams: 2, waitMs: 0.25 })
  assert.deepEqual(loop.rests, [])
  play(loop, moderation, 1, { datagrams: 2, waitMs: 0.25 })
  const rests = play(loop, moderation, 4, { datagrams: 8, waitMs: 0.125, workMs: 0.25 })
  assert.deepEqual(rests, [0.625, 0.625, 0.625, 0.625])
})

test('a turn that works for longer than the period is followed by no rest, whatever it works on', () => {
  const { loop, moderation } = started()
  play(loop, moderation, 100, { datagrams: 2, waitMs: 0.125 })
  loop.rests = []
  play(loop, moderation, 200, { datagrams: 20, waitMs: 0, workMs: 1.25 })
  assert.deepEqual(loop.rests, [])
})

test('a long turn earns no shorter period for those after it', () => {
  const { loop, moderation } = started()
  play(loop, moderation, 100, { datagrams: 10, waitMs: 0.125 })
  play(loop, moderation, 30, { datagrams: 200, waitMs: 0, workMs: 30 })
  assert.deepEqual(play(loop, moderation, 2, { datagrams: 10, waitMs: 0.25 }), [0.75, 0.75])
})

test('a datagram that comes alone after heavy traffic is followed by no rest', () => {
  const { loop, moderation } = started()
  play(loop, moderation, 100, { datagrams: 10, waitMs: 0.125 })
  loop.rests = []
  assert.deepEqual(play(loop, moderation, 5, { datagrams: 1, waitMs: 5 }), [0], 'within the window')
  assert.deepEqual(play(loop, moderation, 10_000, { datagrams: 1, waitMs: 10_000 }), [0], 'after it')
  play(loop, moderation, 40, { datagrams: 1, waitMs: 0.2 })
  assert.deepEqual(loop.rests, [], 'the burst is forgotten')
})

test('a turn in which many datagrams come ends once, and one without any does not rest', () => {
  const { loop, moderation } = started()
  play(loop, moderation, 100, { datagrams: 10, waitMs: 0.125 })
  for (let datagram = 0; datagram < 32; datagram++) moderation.received()
  assert.equal(loop.due, 1)
  loop.endTurn()
  loop.rests = []
  play(loop, moderation, 100, { datagrams: 0, waitMs: 0.1 })
  assert.deepEqual(loop.rests, [])
})
