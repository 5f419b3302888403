import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { REMEMBERED_MS } from '../../../functions/ingress/once.ts'
import { Repeats } from '../../../functions/ingress/repeats.ts'
import { StoredRepeats } from '../../../functions/ingress/stored-repeats.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'
import { NOW } from './harness.ts'

/** Something to raise, that ends when the test says so. */
function work() {
  const running: { resolve(matched: number): void; reject(error: Error): void }[] = []
  return {
    running,
    raise: () => new Promise<number>((resolve, reject) => void running.push({ resolve, reject })),
  }
}

const ok = (value: number) => ({ ok: true, value })
const AWAY = new Error('away')

describe('in one process', () => {
  test('an event is raised once while it is remembered, and forgotten after that', async () => {
    const clock = new FakeClock(NOW)
    const repeats = new Repeats(clock)
    let count = 0
    const raise = async () => ++count
    assert.deepEqual(await repeats.raise('a', raise), ok(1))
    clock.advanceSync(REMEMBERED_MS - 1)
    assert.deepEqual(await repeats.raise('a', raise), ok(1))
    clock.advanceSync(REMEMBERED_MS)
    assert.deepEqual(await repeats.raise('a', raise), ok(2))
    assert.equal(repeats.size, 1)
  })

  test('when there are too many the oldest are forgotten', async () => {
    const repeats = new Repeats(new FakeClock(NOW), undefined, 3)
    let count = 0
    for (const id of ['a', 'b', 'c', 'd', 'e']) await repeats.raise(id, async () => ++count)
    assert.equal(repeats.size, 3)
    await repeats.raise('e', async () => ++count)
    assert.equal(count, 5)
    await repeats.raise('a', async () => ++count)
    assert.equal(count, 6)
  })

  test('what failed is not remembered, and who waited for it hears so', async () => {
    const repeats = new Repeats(new FakeClock(NOW))
    const { raise, running } = work()
    const both = Promise.allSettled([repeats.raise('a', raise), repeats.raise('a', raise)])
    await settled()
    assert.equal(running.length, 1)
    running[0]!.reject(AWAY)
    assert.deepEqual(
      (await both).map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.deepEqual(await repeats.raise('a', async () => 5), ok(5))
  })
})

describe('among processes that share a store', () => {
  /** Two processes, and how often each asked the store. */
  function two() {
    const clock = new FakeClock(NOW)
    const store = createMemoryStore({ clock, ids: new CountingIds() })
    const troubles: string[] = []
    const parts = { store, clock, onTrouble: (what: string) => void troubles.push(what) }
    return { clock, store, troubles, a: new StoredRepeats(parts), b: new StoredRepeats(parts) }
  }

  test('an event is raised at one of them, and answered by the other as the first time', async () => {
    const { a, b } = two()
    assert.deepEqual(await a.raise('e', async () => 3), ok(3))
    assert.deepEqual(await b.raise('e', () => assert.fail('it was raised')), ok(3))
    assert.deepEqual(await b.raise('f', async () => 4), ok(4))
  })

  for (const [first, second] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    test(`two at once, ${first} before ${second}: one raises, the other waits for its answer`, async () => {
      const { clock, ...processes } = two()
      const { raise, running } = work()
      const answers = Promise.all([processes[first].raise('e', raise), processes[second].raise('e', raise)])
      await clock.advance(200)
      assert.equal(running.length, 1)
      running[0]!.resolve(7)
      await clock.advance(1000)
      assert.deepEqual(await answers, [ok(7), ok(7)])
    })

    test(`two at once, ${first} before ${second}: when one fails the other raises`, async () => {
      const { clock, ...processes } = two()
      const { raise, running } = work()
      const failed = assert.rejects(processes[first].raise('e', raise), AWAY)
      const other = processes[second].raise('e', raise)
      await clock.advance(200)
      running[0]!.reject(AWAY)
      await failed
      await clock.advance(1000)
      assert.equal(running.length, 2)
      running[1]!.resolve(7)
      assert.deepEqual(await other, ok(7))
    })
  }

  test('after several failures, the next try raises at once', async () => {
    const { a, b } = two()
    for (const each of [a, b, a, b])
      await assert.rejects(
        each.raise('e', () => Promise.reject(AWAY)),
        AWAY,
      )
    assert.deepEqual(await a.raise('e', async () => 1), ok(1))
    assert.deepEqual(await b.raise('e', () => assert.fail('it was raised')), ok(1))
  })

  test('who waits in vain is told to try again, and after a claim has lapsed somebody else raises', async () => {
    const { a, b, clock } = two()
    const { raise, running } = work()
    void a.raise('e', raise).catch(() => {})
    const waiting = b.raise('e', raise)
    await clock.advance(8000)
    const answer = await waiting
    assert.equal(!answer.ok && answer.problem.code, 'request.in_progress')
    assert.equal(running.length, 1)
    await clock.advance(3000)
    assert.deepEqual(await b.raise('e', async () => 9), ok(9))
  })

  test('an event is remembered for as long as its signature is good, and then no more', async () => {
    const { a, b, clock } = two()
    await a.raise('e', async () => 1)
    await clock.advance(REMEMBERED_MS - 1)
    assert.deepEqual(await b.raise('e', async () => 2), ok(1))
    await clock.advance(20_000)
    assert.deepEqual(await b.raise('e', async () => 2), ok(2))
  })

  test('a store that cannot be asked keeps no event from being raised', async () => {
    const { clock, troubles } = two()
    const away = async () => Promise.reject(AWAY)
    const repeats = new StoredRepeats({
      store: { claim: away, recall: away, remember: away },
      clock,
      onTrouble: (what) => void troubles.push(what),
    })
    assert.deepEqual(await repeats.raise('e', async () => 2), ok(2))
    assert.deepEqual(troubles, [
      'whether an event has come before is not known',
      'an event may be raised again when it comes again',
    ])
  })

  test('nor does one that comes back in the middle forget it', async () => {
    const { clock, store, a } = two()
    let isAway = true
    const claim = async (key: string, ttlMs: number) => (isAway ? Promise.reject(AWAY) : store.claim(key, ttlMs))
    const repeats = new StoredRepeats({
      store: { claim, recall: (key) => store.recall(key), remember: (...memo) => store.remember(...memo) },
      clock,
    })
    assert.deepEqual(await repeats.raise('e', async () => 2), ok(2))
    isAway = false
    assert.deepEqual(await a.raise('e', () => assert.fail('it was raised')), ok(2))
  })

  test('ids of any length and any characters are apart', async () => {
    const { a } = two()
    const ids = ['e', 'e ', 'é', 'x'.repeat(10_000), `${'x'.repeat(9999)}y`, 'a#b', 'a', '']
    for (const [index, id] of ids.entries()) assert.deepEqual(await a.raise(id, async () => index), ok(index))
  })
})
