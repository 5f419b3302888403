import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Moderation } from '../../../gateway/transport/moderation.ts'

/** Turns of an event loop whose time is made by what is done in it. */
class Turning {
  now = 0
  readonly #moderation = new Moderation({ fromRate: 6000, periodMs: 1, windowMs: 50, mostInTurn: 32 }, 0)

  /** Equal turns for so many milliseconds: a wait, datagrams, work. Returns the rest after each. */
  play(
    forMs: number,
    { datagrams, waitMs, workMs = 0 }: { datagrams: number; waitMs: number; workMs?: number },
  ): number[] {
    const rests: number[] = []
    for (const end = this.now + forMs; this.now < end; ) {
      this.now += waitMs + workMs
      const rest = this.#moderation.endTurn(datagrams, this.now)
      this.now += rest
      rests.push(rest)
    }
    return rests
  }
}

function none(rests: number[]): void {
  assert.deepEqual([...new Set(rests)], [0])
}

test('below the rate no turn is followed by a rest', () => {
  none(new Turning().play(1000, { datagrams: 1, waitMs: 0.2 }))
})

test('from the rate on, after one window, what is left of each period is rested', () => {
  const turning = new Turning()
  none(turning.play(49.75, { datagrams: 2, waitMs: 0.25 }))
  turning.play(1, { datagrams: 2, waitMs: 0.25 })
  assert.deepEqual(turning.play(4, { datagrams: 8, waitMs: 0.125, workMs: 0.25 }), [0.625, 0.625, 0.625, 0.625])
})

test('a turn that works for longer than the period is followed by no rest, whatever it works on', () => {
  const turning = new Turning()
  turning.play(100, { datagrams: 2, waitMs: 0.125 })
  none(turning.play(200, { datagrams: 20, waitMs: 0, workMs: 1.25 }))
})

test('a turn that has left datagrams behind does not rest, and earns no shorter period for those after it', () => {
  const turning = new Turning()
  turning.play(100, { datagrams: 10, waitMs: 0.125 })
  none(turning.play(30, { datagrams: 32, waitMs: 0, workMs: 0.5 }))
  assert.deepEqual(turning.play(2, { datagrams: 10, waitMs: 0.25 }), [0.75, 0.75])
})

test('a datagram that comes alone after heavy traffic is followed by no rest', () => {
  const turning = new Turning()
  turning.play(100, { datagrams: 10, waitMs: 0.125 })
  assert.deepEqual(turning.play(5, { datagrams: 1, waitMs: 5 }), [0], 'within the window')
  assert.deepEqual(turning.play(10_000, { datagrams: 1, waitMs: 10_000 }), [0], 'after it')
  none(turning.play(40, { datagrams: 1, waitMs: 0.2 }))
})

test('a turn without any datagram does not rest', () => {
  const turning = new Turning()
  turning.play(100, { datagrams: 10, waitMs: 0.125 })
  none(turning.play(40, { datagrams: 0, waitMs: 0.1 }))
})
