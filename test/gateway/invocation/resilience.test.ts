import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Action, Answer } from '../../../functions/contract/actions.ts'
import type { FunctionHost, HostReply, InvokeOptions } from '../../../gateway/invocation/host.ts'
import { createInvoker, type InvocationResult, type InvokerOptions } from '../../../gateway/invocation/invoker.ts'
import { PendingReply, timedOut } from '../../../gateway/invocation/invoker-pending.ts'
import { invalidAnswer, replyOfStatus, unreachable } from '../../../gateway/invocation/invoker-reply.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { ANSWER, invocationOf, Witness } from './functions.ts'

const OK: HostReply = { kind: 'answer', answer: ANSWER }
const AWAY = unreachable('ECONNREFUSED')
const SPARE: Answer = { actions: [{ action: 'fork', targets: ['sip:spare@example.com'] }] }

/** A function that says what it is told to, `ms` later. */
class Scripted implements FunctionHost {
  reply: HostReply = OK
  ms = 0
  asked = 0
  readonly options: InvokeOptions[] = []
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  invoke(_path: string, _invocation: unknown, options: InvokeOptions): Promise<HostReply> {
    this.asked++
    this.options.push(options)
    const pending = new PendingReply()
    pending.watch(this.#clock, options)
    const reply = this.reply
    if (this.ms === 0) pending.settle(reply)
    else {
      const timer = this.#clock.after(this.ms, () => pending.settle(reply))
      pending.giveUp = () => timer.cancel()
    }
    return pending.promise
  }

  manifest = () => Promise.reject(new Error('not asked'))
  close = () => Promise.resolve()
}

function started(options: Partial<InvokerOptions> & { withFallback?: boolean } = {}) {
  const { withFallback = false, ...more } = options
  const clock = new FakeClock(1_000_000)
  const host = new Scripted(clock)
  const fallback = new Scripted(clock)
  fallback.reply = { kind: 'answer', answer: SPARE }
  const witness = new Witness()
  const counters = new Counters()
  const invoker = createInvoker({
    primary: host,
    ...(withFallback ? { fallback } : {}),
    clock,
    count: witness.count,
    gauge: (series, read) => counters.gauge(series, read),
    log: witness.log,
    ...more,
  })
  const invoke = (signal?: AbortSignal, method = 'INVITE') =>
    invoker.invoke('/invite/example.com/bob', invocationOf, { method, signal })
  const gauge = (series: string) => new Map(counters.gauges()).get(series)!()
  /** Ten failed tries: five calls that are tried twice. */
  const breaks = async () => {
    const { reply } = host
    host.reply = AWAY
    for (let i = 0; i < 5; i++) await invoke()
    host.reply = reply
    host.asked = 0
  }
  return { clock, host, fallback, witness, invoke, gauge, breaks }
}

function fromOf(result: InvocationResult): string {
  if (result.kind === 'answer') return result.from
  return result.kind === 'failed' ? result.problem.code : result.kind
}

describe('an open circuit', () => {
  test('the function is not asked and nobody waits: the fallback answers, else the static actions, else 503', async () => {
    const STATIC: Action[] = [{ action: 'reply', status: 480 }]
    for (const [options, expected] of [
      [{ withFallback: true, staticActions: STATIC }, 'fallback'],
      [{ staticActions: STATIC }, 'static actions'],
      [{}, 'handler.circuit_open'],
    ] as const) {
      const { invoke, host, breaks, clock } = started(options)
      await breaks()
      const before = clock.now()
      assert.equal(fromOf(await invoke()), expected)
      assert.deepEqual([host.asked, clock.now() - before, clock.pending], [0, 0, 0])
    }
  })

  test('a call whose first try has opened it is not tried once more', async () => {
    const { invoke, host, fallback } = started({ withFallback: true, breaker: { failures: 1 } })
    host.reply = AWAY
    assert.equal(fromOf(await invoke()), 'fallback')
    assert.deepEqual([host.asked, fallback.asked], [1, 1])
  })

  test('the first try of who hears that it is open is what the problem tells', async () => {
    const { invoke, host } = started({ breaker: { failures: 1 } })
    host.reply = AWAY
    assert.equal(fromOf(await invoke()), 'handler.unreachable')
  })

  const failures: [string, HostReply, number][] = [
    ['a refused connection', AWAY, 0],
    ['a time-out', timedOut(1200), 0],
    ['500', replyOfStatus(500, undefined), 0],
    ['503', replyOfStatus(503, undefined), 0],
    ['429', replyOfStatus(429, undefined), 0],
    ['a handler that threw', replyOfStatus(500, { title: 'handler.threw' }), 0],
    ['404', replyOfStatus(404, undefined), 30],
    ['403', replyOfStatus(403, undefined), 30],
    ['a replay that has diverged', replyOfStatus(409, { title: 'replay.diverged' }), 30],
    ['an answer that is none', invalidAnswer('expected JSON'), 60],
    ['an answer with an unknown action', { kind: 'answer', answer: { actions: [{ action: 'explode' }] } }, 60],
    ['204', { kind: 'none' }, 30],
  ]
  for (const [what, reply, asked] of failures) {
    test(`${what} ${asked === 0 ? 'counts as a failure' : 'does not count: the function is there'}`, async () => {
      const { invoke, host, gauge } = started()
      host.reply = reply
      for (let i = 0; i < 30; i++) await invoke()
      assert.equal(host.asked, asked || 10)
      assert.equal(gauge('function_circuit{host="function"}'), asked === 0 ? 2 : 0)
    })
  }

  test('calls that are cancelled while the function thinks do not open it', async () => {
    const { invoke, host, gauge, clock } = started()
    host.ms = 500
    for (let i = 0; i < 30; i++) {
      const cancel = new AbortController()
      const result = invoke(cancel.signal)
      cancel.abort()
      assert.equal(fromOf(await result), 'aborted')
    }
    assert.equal(gauge('function_circuit{host="function"}'), 0)
    assert.equal(gauge('function_running{host="function"}'), 0)
    await clock.advance(500)
    assert.equal(clock.pending, 0)
  })

  test('after its rest three calls probe the function, others are not kept waiting; then it is closed', async () => {
    const { invoke, host, breaks, clock, gauge } = started({ withFallback: true })
    await breaks()
    clock.advanceSync(1000)
    host.ms = 300
    const calls = Array.from({ length: 10 }, () => invoke())
    await settled()
    assert.deepEqual([host.asked, gauge('function_circuit{host="function"}')], [3, 1])
    await clock.advance(300)
    const from = (await Promise.all(calls)).map(fromOf)
    assert.deepEqual(from, [...Array(3).fill('function'), ...Array(7).fill('fallback')])
    assert.equal(gauge('function_circuit{host="function"}'), 0)
    host.ms = 0
    assert.equal(fromOf(await invoke()), 'function')
  })

  test('a probe that fails is not tried once more: its caller gets the fallback', async () => {
    const { invoke, host, breaks, clock, gauge } = started({ withFallback: true })
    await breaks()
    clock.advanceSync(1000)
    host.reply = AWAY
    assert.equal(fromOf(await invoke()), 'fallback')
    assert.deepEqual([host.asked, gauge('function_circuit{host="function"}')], [1, 2])
  })

  test('each host has its own', async () => {
    const { invoke, fallback, breaks, gauge } = started({ withFallback: true })
    fallback.reply = AWAY
    await breaks()
    for (let i = 0; i < 10; i++) await invoke()
    assert.equal(gauge('function_circuit{host="fallback"}'), 2)
    assert.equal(fallback.asked, 10)
    assert.equal(fromOf(await invoke()), 'handler.circuit_open')
  })

  test('the log says once that it has opened and once that it has closed, however often it was probed and refused', async () => {
    const { invoke, host, breaks, clock, witness } = started()
    await breaks()
    host.reply = AWAY
    for (let second = 0; second < 600; second++) {
      await invoke()
      clock.advanceSync(1000)
    }
    host.reply = OK
    clock.advanceSync(30_000)
    for (let i = 0; i < 3; i++) assert.equal(fromOf(await invoke()), 'function')
    const about = witness.lines.filter(({ message }) => message.includes('circuit'))
    assert.deepEqual(
      about.map(({ level, message, fields }) => [level, message, fields]),
      [
        [
          'warn',
          'function: circuit opened, it is not asked for a while',
          { problem: 'handler.unreachable: ECONNREFUSED' },
        ],
        ['info', 'function: circuit closed, it is asked again', { afterMs: 630_000 }],
      ],
    )
    const probes = witness.counts.get('function_circuit_changes{host="function",to="half-open"}')!
    assert.ok(probes > 15 && probes < 30, `${probes}`)
    assert.equal(witness.lines.filter(({ message }) => message === 'no function answered').length < probes + 3, true)
    assert.equal(witness.counts.get('function_refused{host="function",code="handler.circuit_open"}')! > 500, true)
  })
})

describe('a retry', () => {
  test('is spread by chance, and a CANCEL meanwhile ends the call at once', async () => {
    const { invoke, host, clock } = started({ random: () => 0.5 })
    host.reply = AWAY
    const cancel = new AbortController()
    const result = invoke(cancel.signal)
    await clock.advance(99)
    assert.equal(host.asked, 1)
    cancel.abort()
    assert.equal(fromOf(await result), 'aborted')
    assert.equal(clock.pending, 0)
    void invoke()
    await clock.advance(100)
    assert.equal(host.asked, 3)
  })

  test('comes when Retry-After is over, where that is within the budget', async () => {
    const { invoke, host, clock } = started()
    host.reply = replyOfStatus(429, undefined, '2')
    const result = invoke()
    await clock.advance(1999)
    assert.equal(host.asked, 1)
    host.reply = OK
    await clock.advance(1)
    assert.equal(fromOf(await result), 'function')
  })

  test('does not come when it is not: the fallback is asked at once', async () => {
    const { invoke, host, clock } = started({ withFallback: true })
    host.reply = replyOfStatus(503, undefined, '3')
    const before = clock.now()
    assert.equal(fromOf(await invoke()), 'fallback')
    assert.deepEqual([host.asked, clock.now() - before], [1, 0])
  })
})

describe('so many at once', () => {
  const LIMITS = { places: { running: 2, waiting: 3 } }

  test('others wait for their turn, in order, and what they have waited is missing from their budget', async () => {
    const { invoke, host, clock, gauge } = started(LIMITS)
    host.ms = 1000
    const calls = Array.from({ length: 4 }, () => invoke())
    await settled()
    assert.deepEqual(
      [host.asked, gauge('function_running{host="function"}'), gauge('function_queue{host="function"}')],
      [2, 2, 2],
    )
    await clock.advance(1000)
    assert.equal(host.asked, 4)
    assert.deepEqual(
      host.options.map(({ timeoutMs }) => timeoutMs),
      [1200, 1200, 1200, 1200],
    )
    await clock.advance(1000)
    assert.deepEqual((await Promise.all(calls)).map(fromOf), Array(4).fill('function'))
    assert.deepEqual([gauge('function_running{host="function"}'), clock.pending], [0, 0])
  })

  test('the budget bounds the wait and the try together', async () => {
    const { invoke, host, clock } = started({ ...LIMITS, withFallback: true, breaker: { failures: 100 } })
    host.ms = 60_000
    const before = clock.now()
    const ends: number[] = []
    const calls = Array.from({ length: 5 }, () => invoke().finally(() => ends.push(clock.now() - before)))
    await clock.advance(2500)
    assert.deepEqual((await Promise.all(calls)).map(fromOf), Array(5).fill('fallback'))
    assert.ok(Math.max(...ends) <= 2500, `${ends}`)
    assert.ok(
      host.options.every(({ timeoutMs }) => timeoutMs >= 50),
      JSON.stringify(host.options),
    )
    assert.equal(clock.pending, 0)
  })

  test('who finds the queue full goes to the fallback at once, and the circuit stays closed', async () => {
    const { invoke, host, gauge, clock, witness } = started({ ...LIMITS, withFallback: true })
    host.ms = 1000
    const calls = Array.from({ length: 10 }, () => invoke())
    await settled()
    assert.equal(gauge('function_queue{host="function"}'), 3)
    await clock.advance(2500)
    const from = (await Promise.all(calls)).map(fromOf)
    assert.equal(from.filter((each) => each === 'fallback').length, 5 + 1)
    assert.equal(gauge('function_circuit{host="function"}'), 0)
    assert.equal(witness.counts.get('function_refused{host="function",code="handler.overloaded"}'), 5 + 1)
  })

  test('a caller who cancels leaves the queue at once and is never asked for', async () => {
    const { invoke, host, gauge, clock } = started({ places: { running: 1, waiting: 10 } })
    host.ms = 100
    const first = invoke()
    const cancel = new AbortController()
    const second = invoke(cancel.signal)
    const third = invoke()
    await settled()
    cancel.abort()
    assert.equal(fromOf(await second), 'aborted')
    assert.equal(gauge('function_queue{host="function"}'), 1)
    await clock.advance(200)
    assert.deepEqual([fromOf(await first), fromOf(await third), host.asked], ['function', 'function', 2])
  })

  test('those who wait when the circuit opens go to the fallback at once', async () => {
    const { invoke, host, clock, gauge } = started({
      withFallback: true,
      places: { running: 1, waiting: 10 },
      breaker: { failures: 1 },
    })
    host.ms = 600
    host.reply = AWAY
    const before = clock.now()
    const calls = Array.from({ length: 5 }, () => invoke())
    await clock.advance(600)
    assert.deepEqual((await Promise.all(calls)).map(fromOf), Array(5).fill('fallback'))
    assert.deepEqual([host.asked, clock.now() - before], [1, 600])
    assert.equal(gauge('function_running{host="function"}'), 0)
  })
})

describe('a budget of its own', () => {
  test('gives the function its time: both tries share it', async () => {
    const { host, clock } = started()
    const invoker = createInvoker({ primary: host, clock, count: () => {}, log: new Witness().log })
    host.ms = 60_000
    const result = invoker.invoke('/x', invocationOf, { method: 'INVITE', budgetMs: 5000 })
    await clock.advance(4999)
    assert.deepEqual(
      host.options.map(({ timeoutMs }) => timeoutMs),
      [2400, 2600],
    )
    await clock.advance(1)
    assert.equal(fromOf(await result), 'handler.timeout')
  })
})
