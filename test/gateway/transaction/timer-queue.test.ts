import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock, Timer } from '../../../functions/contract/clock.ts'
import { createTimerQueue, type TimerQueue } from '../../../gateway/transaction/timer-queue.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** Writes down which of its timers fired when. */
class Diary {
  readonly lines: string[] = []
  readonly #clock: Clock
  /** Done before the line is written, by kind. */
  readonly reactions = new Map<string, () => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  onTimer(kind: string): void {
    this.lines.push(`${this.#clock.now()} ${kind}`)
    this.reactions.get(kind)?.()
  }
}

function start(slackMs = 0): { clock: FakeClock; queue: TimerQueue; diary: Diary } {
  const clock = new FakeClock()
  return { clock, queue: createTimerQueue(clock, { slackMs }), diary: new Diary(clock) }
}

test('timers of any durations fire at their due times, ties in order of their start', () => {
  const { clock, queue, diary } = start()
  queue.start(500, diary, 'b')
  queue.start(100, diary, 'a')
  queue.start(32_000, diary, 'e')
  clock.advanceSync(100)
  queue.start(400, diary, 'c')
  queue.start(500, diary, 'd')
  clock.advanceSync(32_000)
  assert.deepEqual(diary.lines, ['100 a', '500 b', '500 c', '600 d', '32000 e'])
  assert.equal(queue.size, 0)
  assert.equal(clock.pending, 0)
})

test('however many timers run, one clock timer is set, and none when the last one is stopped', () => {
  const { clock, queue, diary } = start()
  const handles = Array.from({ length: 1000 }, (_, index) => queue.start(index % 7 === 0 ? 500 : 32_000, diary, 'x'))
  assert.equal(clock.pending, 1)
  assert.equal(queue.size, 1000)
  for (const handle of handles) assert.equal(queue.stop(handle), true)
  assert.equal(clock.pending, 0)
  assert.equal(queue.size, 0)
  clock.advanceSync(40_000)
  assert.deepEqual(diary.lines, [])
})

test('stopping twice, after the timer fired, or nothing at all does no harm', () => {
  const { clock, queue, diary } = start()
  const stopped = queue.start(10, diary, 'stopped')
  const fired = queue.start(20, diary, 'fired')
  assert.equal(queue.stop(stopped), true)
  assert.equal(queue.stop(stopped), false)
  clock.advanceSync(20)
  assert.equal(queue.stop(fired), false)
  assert.equal(queue.stop(undefined), false)
  assert.deepEqual(diary.lines, ['20 fired'])
})

test('a timer stopped by another one due at the same time does not fire', () => {
  const { clock, queue, diary } = start()
  queue.start(10, diary, 'first')
  const second = queue.start(10, diary, 'second')
  diary.reactions.set('first', () => queue.stop(second))
  clock.advanceSync(10)
  assert.deepEqual(diary.lines, ['10 first'])
  assert.equal(clock.pending, 0)
})

test('a timer of 0 ms fires in the next turn, also when a timer starts it, so that a loop of them lets time pass', () => {
  const { clock, queue, diary } = start()
  let rounds = 0
  diary.reactions.set('again', () => {
    if (++rounds < 3) queue.start(0, diary, 'again')
    assert.equal(diary.lines.length, rounds)
  })
  queue.start(0, diary, 'again')
  assert.deepEqual(diary.lines, [])
  clock.advanceSync(0)
  assert.deepEqual(diary.lines, ['0 again', '0 again', '0 again'])
})

test('with slack, timers that are due close together fire together, never early and never later than the slack', () => {
  const { clock, queue, diary } = start(5)
  queue.start(100, diary, 'a')
  clock.advanceSync(3)
  queue.start(100, diary, 'b')
  clock.advanceSync(4)
  queue.start(100, diary, 'c')
  clock.advanceSync(200)
  assert.deepEqual(diary.lines, ['105 a', '105 b', '112 c'])
})

test('an owner that throws costs the others nothing', () => {
  const { clock, queue, diary } = start()
  const broken = {
    onTimer() {
      throw new Error('a bug')
    },
  }
  queue.start(10, broken, 'x')
  queue.start(10, diary, 'same turn')
  queue.start(20, diary, 'later')
  assert.throws(() => clock.advanceSync(30), /a bug/)
  clock.advanceSync(30)
  assert.deepEqual(
    diary.lines.map((line) => line.split(' ').slice(1).join(' ')),
    ['same turn', 'later'],
  )
})

test('a duration that is no number of milliseconds is a bug and throws', () => {
  const { queue, diary } = start()
  for (const durationMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => queue.start(durationMs, diary, 'x'), RangeError)
  }
  assert.equal(queue.size, 0)
})

test('a duration beyond what a clock timer can sleep is slept in parts', () => {
  const sleeps: number[] = []
  const clock: Clock = {
    now: () => 0,
    after: (ms): Timer => {
      sleeps.push(ms)
      return { cancel() {} }
    },
  }
  createTimerQueue(clock).start(2 ** 40, { onTimer() {} }, 'far')
  assert.deepEqual(sleeps, [2 ** 31 - 1])
})

test('a clock that is set back delays timers and never puts them out of order', () => {
  let now = 1000
  let wake = () => {}
  const clock: Clock = {
    now: () => now,
    after: (_ms, action) => {
      wake = action
      return { cancel() {} }
    },
  }
  const queue = createTimerQueue(clock)
  const diary = new Diary(clock)
  queue.start(100, diary, 'a')
  now = 500
  queue.start(100, diary, 'b')
  now = 1100
  wake()
  assert.deepEqual(diary.lines, ['1100 a', '1100 b'])
})

test('10,000 random starts and stops fire as a sorted list would', () => {
  const { clock, queue, diary } = start()
  const random = numbers(7)
  const expected: { due: number; order: number }[] = []
  const running: { handle: ReturnType<TimerQueue['start']>; order: number }[] = []
  for (let order = 0; order < 10_000; order++) {
    const durationMs = random() % 3 === 0 ? random() % 5000 : 500 * (1 + (random() % 8))
    expected.push({ due: clock.now() + durationMs, order })
    running.push({ handle: queue.start(durationMs, diary, String(order)), order })
    if (random() % 2 === 0) stopOne(running.splice(random() % running.length, 1)[0]!)
    if (random() % 4 === 0) clock.advanceSync(random() % 20)
  }
  clock.advanceSync(10_000)
  expected.sort((one, other) => one.due - other.due || one.order - other.order)
  assert.deepEqual(
    diary.lines,
    expected.map(({ due, order }) => `${due} ${order}`),
  )
  assert.equal(clock.pending, 0)

  function stopOne({ handle, order }: { handle: ReturnType<TimerQueue['start']>; order: number }): void {
    if (!queue.stop(handle)) return
    const index = expected.findIndex((timer) => timer.order === order)
    expected.splice(index, 1)
  }
})

/** A small generator of numbers that are the same in every run. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 8
  }
}
