import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Breaker, type BreakerOptions, DEFAULT_BREAKER } from '../../../gateway/invocation/breaker.ts'
import { BREAKER, type BreakerState } from '../../../gateway/invocation/breaker-table.ts'
import { RecentTries } from '../../../gateway/invocation/recent-tries.ts'
import { step } from '../../../gateway/transaction/machine.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function breaker(options: Partial<BreakerOptions> = {}) {
  const clock = new FakeClock(1000)
  const changes: BreakerState[] = []
  const subject = new Breaker({ ...DEFAULT_BREAKER, ...options }, clock, (to) => changes.push(to))
  const fails = (times: number, retryAfterMs = 0) => {
    for (let i = 0; i < times; i++) subject.failed(subject.admit()!, retryAfterMs)
  }
  const succeeds = (times: number) => {
    for (let i = 0; i < times; i++) subject.succeeded(subject.admit()!)
  }
  return { clock, subject, changes, fails, succeeds }
}

test('the table: closed opens, open is probed after its rest, half-open closes or opens again', () => {
  assert.deepEqual(step(BREAKER, 'closed', 'last failure'), { to: 'open', do: ['rest'] })
  assert.deepEqual(step(BREAKER, 'open', 'rested'), { to: 'half-open' })
  assert.deepEqual(step(BREAKER, 'half-open', 'failure'), { to: 'open', do: ['rest longer'] })
  assert.deepEqual(step(BREAKER, 'half-open', 'last success'), { to: 'closed', do: ['forget'] })
  for (const input of ['success', 'failure'] as const) assert.equal(step(BREAKER, 'open', input), undefined)
})

test('of the last tries only so many count', () => {
  const recent = new RecentTries(4)
  for (const failed of [true, true, false, false]) recent.add(failed)
  assert.equal(recent.failures, 2)
  recent.add(false)
  recent.add(false)
  assert.equal(recent.failures, 0)
  for (let i = 0; i < 9; i++) recent.add(true)
  assert.equal(recent.failures, 4)
  recent.clear()
  assert.equal(recent.failures, 0)
})

describe('closed', () => {
  test('ten failures of the last twenty tries open it, whatever comes between them', () => {
    const { subject, fails, succeeds, changes } = breaker()
    for (let i = 0; i < 9; i++) {
      succeeds(1)
      fails(1)
    }
    assert.equal(subject.state, 'closed')
    fails(1)
    assert.deepEqual(changes, ['open'])
  })

  test('nine in twenty, for ever, do not', () => {
    const { subject, fails, succeeds } = breaker()
    for (let round = 0; round < 50; round++) {
      succeeds(11)
      fails(9)
    }
    assert.equal(subject.state, 'closed')
  })

  test('it never opens when it is off', () => {
    const { subject, fails } = breaker({ failures: Number.POSITIVE_INFINITY })
    fails(1000)
    assert.equal(subject.state, 'closed')
  })
})

describe('open', () => {
  test('nobody is let through until its rest is over, and nothing keeps a timer for that', () => {
    const { subject, clock, fails } = breaker()
    fails(10)
    clock.advanceSync(999)
    assert.equal(subject.admit(), undefined)
    assert.equal(clock.pending, 0)
    clock.advanceSync(1)
    assert.notEqual(subject.admit(), undefined)
    assert.equal(subject.state, 'half-open')
  })

  test('it rests as long as the function has asked for with Retry-After, but a minute at most', () => {
    for (const [asked, rests] of [
      [5000, 5000],
      [10, 1000],
      [3_600_000, 60_000],
    ] as const) {
      const { subject, clock, fails } = breaker()
      fails(10, asked)
      clock.advanceSync(rests - 1)
      assert.equal(subject.admit(), undefined)
      clock.advanceSync(1)
      assert.notEqual(subject.admit(), undefined)
    }
  })

  test('outcomes of tries that began before it opened count for nothing', () => {
    const { subject, clock, fails, changes } = breaker()
    const [slow, slower] = [subject.admit()!, subject.admit()!]
    fails(10)
    subject.succeeded(slow)
    clock.advanceSync(1000)
    subject.admit()
    subject.failed(slower, 0)
    subject.abandoned(slower)
    assert.deepEqual(changes, ['open', 'half-open'])
  })
})

describe('half-open', () => {
  function halfOpen() {
    const made = breaker()
    made.fails(10)
    made.clock.advanceSync(1000)
    return made
  }

  test('three probes are let through, and when all have succeeded it is closed and has forgotten', () => {
    const { subject, changes, fails } = halfOpen()
    const probes = [subject.admit()!, subject.admit()!, subject.admit()!]
    assert.equal(subject.admit(), undefined)
    for (const probe of probes) subject.succeeded(probe)
    assert.deepEqual(changes, ['open', 'half-open', 'closed'])
    fails(9)
    assert.equal(subject.state, 'closed')
  })

  test('a probe that fails opens it again, each time for twice as long, up to half a minute', () => {
    const { subject, clock } = halfOpen()
    for (const rest of [2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      subject.failed(subject.admit()!, 0)
      clock.advanceSync(rest - 1)
      assert.equal(subject.admit(), undefined, `${rest}`)
      clock.advanceSync(1)
    }
  })

  test('once it has been closed its first rest is short again', () => {
    const { subject, clock, fails, succeeds } = halfOpen()
    fails(1)
    clock.advanceSync(2000)
    succeeds(3)
    fails(10)
    clock.advanceSync(1000)
    assert.notEqual(subject.admit(), undefined)
  })

  test('a probe whose caller gives up leaves its place to another one', () => {
    const { subject, succeeds } = halfOpen()
    const given = [subject.admit()!, subject.admit()!, subject.admit()!]
    for (const probe of given) subject.abandoned(probe)
    succeeds(3)
    assert.equal(subject.state, 'closed')
  })
})
