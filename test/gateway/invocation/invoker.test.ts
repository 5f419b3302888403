import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Action } from '../../../functions/contract/actions.ts'
import type { Invocation } from '../../../functions/contract/envelope.ts'
import type { FunctionHost, HostReply, InvokeOptions } from '../../../gateway/invocation/host.ts'
import { createInProcessHost } from '../../../gateway/invocation/in-process.ts'
import { createInvoker, type InvocationResult } from '../../../gateway/invocation/invoker.ts'
import { invalidAnswer, replyOfStatus, unreachable } from '../../../gateway/invocation/invoker-reply.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { ANSWER, invocationOf, Witness } from './functions.ts'

/** What one try does: a reply at once, `never`, or a reply after some milliseconds. */
type Behaviour =
  | { status: number; body?: unknown }
  | 'never'
  | { afterMs: number; reply: { status: number; body?: unknown } }

interface Asked {
  at: number
  path: string
  invocation: Invocation
}

/** An app in process that behaves as scripted, try by try; the last behaviour repeats. */
function scripted(clock: FakeClock, ...behaviours: Behaviour[]) {
  const asked: Asked[] = []
  const dispatch = (path: string, invocation: Invocation) => {
    asked.push({ at: clock.now(), path, invocation })
    const behaviour = behaviours[Math.min(asked.length, behaviours.length) - 1]!
    if (behaviour === 'never') return new Promise<never>(() => undefined)
    if ('status' in behaviour) return Promise.resolve(behaviour)
    return new Promise<{ status: number; body?: unknown }>((resolve) => {
      clock.after(behaviour.afterMs, () => resolve(behaviour.reply))
    })
  }
  const host = createInProcessHost({ dispatch, fetch: () => new Response(null, { status: 500 }) }, clock)
  return { host, asked }
}

/** A host whose replies are given as such. */
function replying(...replies: HostReply[]) {
  const asked: InvokeOptions[] = []
  const host: FunctionHost = {
    manifest: () => Promise.reject(new Error('not asked')),
    invoke(_path, _invocation, options) {
      asked.push(options)
      return Promise.resolve(replies[Math.min(asked.length, replies.length) - 1]!)
    },
    close: () => Promise.resolve(),
  }
  return { host, asked }
}

const OK = { status: 200, body: ANSWER }
const STATIC: Action[] = [{ action: 'fork', targets: ['sip:voicemail@example.com'] }]

interface Setup {
  clock: FakeClock
  primary: FunctionHost
  fallback?: FunctionHost
  staticActions?: Action[]
  method?: string
  type?: Invocation['type']
  signal?: AbortSignal
}

function invoking({ clock, primary, fallback, staticActions, method = 'INVITE', type, signal }: Setup) {
  const witness = new Witness()
  const invoker = createInvoker({ primary, fallback, staticActions, clock, count: witness.count, log: witness.log })
  const make = (attempt: number, deadline: number) => invocationOf(attempt, deadline, type)
  let result: InvocationResult | undefined
  const promise = invoker.invoke('/invite/example.com/bob', make, { method, signal })
  void promise.then((value) => {
    result = value
  })
  return { witness, promise, result: () => result }
}

describe('the first answer', () => {
  test('200 with actions is the answer; one try, no timer', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, OK)
    const { promise, witness } = invoking({ clock, primary: host })
    assert.deepEqual(await promise, { kind: 'answer', answer: ANSWER, from: 'function' })
    assert.equal(asked.length, 1)
    assert.equal(clock.pending, 0)
    assert.deepEqual([...witness.counts], [['invocations{result="answer",by="function"}', 1]])
    assert.deepEqual(witness.lines, [])
  })

  test('a function that answers within its budget leaves no timer behind', async () => {
    const clock = new FakeClock()
    const { host } = scripted(clock, { afterMs: 1199, reply: OK })
    const { promise } = invoking({ clock, primary: host })
    await clock.advance(1199)
    assert.equal((await promise).kind, 'answer')
    assert.equal(clock.pending, 0)
  })

  test('204 is "not mine": no retry, no fallback', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, { status: 204 })
    const fallback = scripted(clock, OK)
    const { promise } = invoking({ clock, primary: host, fallback: fallback.host })
    assert.deepEqual(await promise, { kind: 'none' })
    assert.equal(asked.length, 1)
    assert.equal(fallback.asked.length, 0)
  })
})

describe('the budget', () => {
  test('INVITE: a dead function is asked at 0 and at 1200 ms and given up at 2500 ms', async () => {
    const clock = new FakeClock(1000)
    const { host, asked } = scripted(clock, 'never')
    const run = invoking({ clock, primary: host })
    await clock.advance(2499)
    assert.equal(run.result(), undefined)
    await clock.advance(1)
    assert.deepEqual(run.result(), {
      kind: 'failed',
      problem: { code: 'handler.timeout', detail: 'the function did not answer within 1300 ms' },
    })
    assert.deepEqual(
      asked.map(({ at, invocation }) => [
        at - 1000,
        invocation.data.attempt,
        Date.parse(invocation.data.deadline) - 1000,
      ]),
      [
        [0, 1, 1200],
        [1200, 2, 2500],
      ],
    )
    assert.equal(clock.pending, 0)
  })

  test('other methods: a dead function is asked at 0 and at 700 ms and given up at 1500 ms', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, 'never')
    const run = invoking({ clock, primary: host, method: 'MESSAGE' })
    await clock.advance(1499)
    assert.equal(run.result(), undefined)
    await clock.advance(1)
    assert.equal(run.result()?.kind, 'failed')
    assert.deepEqual(
      asked.map(({ at }) => at),
      [0, 700],
    )
  })

  test('a slow first try whose answer comes after its deadline is dropped; the retry answers', async () => {
    const clock = new FakeClock()
    const late = { status: 200, body: { actions: [{ action: 'reply', status: 603 }] } }
    const { host } = scripted(clock, { afterMs: 1300, reply: late }, { afterMs: 200, reply: OK })
    const run = invoking({ clock, primary: host })
    await clock.advance(1400)
    assert.deepEqual(run.result(), { kind: 'answer', answer: ANSWER, from: 'function' })
    assert.equal(clock.pending, 0)
  })
})

describe('one retry', () => {
  const retried: [string, HostReply, string][] = [
    ['a refused connection', unreachable('ECONNREFUSED'), 'handler.unreachable'],
    ['408', replyOfStatus(408, undefined), 'handler.status'],
    ['429', replyOfStatus(429, undefined), 'handler.status'],
    ['500', replyOfStatus(500, undefined), 'handler.status'],
    ['503', replyOfStatus(503, undefined), 'handler.status'],
    ['HTML', invalidAnswer('expected JSON, got text/html'), 'handler.invalid_answer'],
    ['an unknown action', { kind: 'answer', answer: { actions: [{ action: 'explode' }] } }, 'handler.invalid_answer'],
    ['nothing', { kind: 'answer', answer: undefined }, 'handler.invalid_answer'],
    ['202', replyOfStatus(202, undefined), 'handler.invalid_answer'],
  ]
  for (const [title, reply, code] of retried) {
    test(`after ${title}; a second failure is the end`, async () => {
      const clock = new FakeClock()
      const flapping = replying(reply, { kind: 'answer', answer: ANSWER })
      const once = invoking({ clock, primary: flapping.host })
      assert.equal((await once.promise).kind, 'answer')
      assert.equal(flapping.asked.length, 2)
      assert.equal(once.witness.counts.get(`invocation_tries_failed{code="${code}"}`), 1)

      const dead = replying(reply)
      const result = await invoking({ clock, primary: dead.host }).promise
      assert.equal(result.kind === 'failed' && result.problem.code, code)
      assert.equal(dead.asked.length, 2)
      assert.equal(clock.pending, 0)
    })
  }

  for (const status of [302, 400, 401, 403, 404, 410, 422]) {
    test(`not after ${status}`, async () => {
      const { host, asked } = replying(replyOfStatus(status, undefined))
      const result = await invoking({ clock: new FakeClock(), primary: host }).promise
      assert.equal(result.kind === 'failed' && result.problem.code, 'handler.refused')
      assert.equal(asked.length, 1)
    })
  }

  test('carries the same id and the same body but for attempt and deadline', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, { status: 500 }, OK)
    await invoking({ clock, primary: host }).promise
    const [first, second] = asked.map(({ invocation }) => invocation)
    assert.equal(first!.id, second!.id)
    assert.deepEqual([first!.data.attempt, second!.data.attempt], [1, 2])
    const { attempt: _1, deadline: _2, ...before } = first!.data
    const { attempt: _3, deadline: _4, ...after } = second!.data
    assert.deepEqual(before, after)
  })

  test('an invalid answer is logged with the pointer to its fault and what it was about', async () => {
    const { host } = replying({ kind: 'answer', answer: { actions: [{ action: 'reply', status: 99 }] } })
    const { promise, witness } = invoking({ clock: new FakeClock(), primary: host })
    const result = await promise
    assert.equal(result.kind === 'failed' && result.problem.pointer, '/actions/0/status')
    const { level, message, fields } = witness.lines[0]!
    assert.deepEqual([level, message], ['warn', 'function failed: handler.invalid_answer'])
    assert.equal(fields.pointer, '/actions/0/status')
    assert.equal(fields.callId, 'abc@a')
    assert.equal(fields.path, '/invite/example.com/bob')
  })

  test('a function that is down logs a line a second, not a line a call', async () => {
    const clock = new FakeClock()
    const witness = new Witness()
    const { host } = replying(replyOfStatus(500, undefined))
    const invoker = createInvoker({
      primary: host,
      breaker: { failures: Number.POSITIVE_INFINITY },
      clock,
      count: witness.count,
      log: witness.log,
    })
    const call = () => invoker.invoke('/x', invocationOf, { method: 'INVITE' })
    for (let i = 0; i < 100; i++) await call()
    assert.equal(witness.lines.length, 2)
    clock.advanceSync(1000)
    await call()
    assert.equal(witness.lines[2]!.fields.omitted, 199)
    assert.equal(witness.counts.get('invocation_tries_failed{code="handler.status"}'), 202)
  })
})

describe('the fallback', () => {
  test('is asked once, with the same id, after the function has failed twice', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, { status: 500 })
    const fallback = scripted(clock, OK)
    const { promise } = invoking({ clock, primary: host, fallback: fallback.host })
    assert.deepEqual(await promise, { kind: 'answer', answer: ANSWER, from: 'fallback' })
    assert.equal(asked.length, 2)
    assert.equal(fallback.asked.length, 1)
    assert.equal(fallback.asked[0]!.invocation.id, asked[0]!.invocation.id)
    assert.equal(fallback.asked[0]!.invocation.data.attempt, 3)
  })

  test('is asked at once after a 404 of the function', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, { status: 404 })
    const fallback = scripted(clock, OK)
    const { promise } = invoking({ clock, primary: host, fallback: fallback.host })
    assert.deepEqual(await promise, { kind: 'answer', answer: ANSWER, from: 'fallback' })
    assert.equal(asked.length, 1)
  })

  test('gets what is left of the budget, but a second at least', async () => {
    const clock = new FakeClock()
    const fallback = replying(replyOfStatus(500, undefined))
    await invoking({ clock, primary: scripted(clock, { status: 404 }).host, fallback: fallback.host }).promise
    assert.deepEqual(
      fallback.asked.map(({ timeoutMs }) => timeoutMs),
      [2500],
    )
    const dead = scripted(clock, 'never')
    const late = scripted(clock, 'never')
    const run = invoking({ clock, primary: dead.host, fallback: late.host })
    await clock.advance(3499)
    assert.equal(run.result(), undefined)
    await clock.advance(1)
    assert.equal(run.result()?.kind, 'failed')
    assert.equal(late.asked.length, 1)
    assert.equal(clock.pending, 0)
  })

  test('that says 204 is believed', async () => {
    const clock = new FakeClock()
    const { promise } = invoking({
      clock,
      primary: scripted(clock, { status: 500 }).host,
      fallback: scripted(clock, { status: 204 }).host,
    })
    assert.deepEqual(await promise, { kind: 'none' })
  })
})

describe('static actions', () => {
  test('stand in when function and fallback have failed', async () => {
    const clock = new FakeClock()
    const down = scripted(clock, { status: 500 })
    const { promise } = invoking({ clock, primary: down.host, fallback: down.host, staticActions: STATIC })
    assert.deepEqual(await promise, { kind: 'answer', answer: { actions: STATIC }, from: 'static actions' })
  })

  for (const type of ['wait.resumed', 'wait.timed_out'] as const) {
    test(`stand in for ${type}: the call must go somewhere`, async () => {
      const clock = new FakeClock()
      const { promise } = invoking({
        clock,
        primary: scripted(clock, { status: 500 }).host,
        staticActions: STATIC,
        type,
      })
      assert.equal((await promise).kind, 'answer')
    })
  }
  for (const type of ['subscription.matched', 'branch.failed', 'transaction.cancelled'] as const) {
    test(`do not stand in for ${type}: the call goes on as it is`, async () => {
      const clock = new FakeClock()
      const { promise } = invoking({
        clock,
        primary: scripted(clock, { status: 500 }).host,
        staticActions: STATIC,
        type,
      })
      assert.equal((await promise).kind, 'failed')
    })
  }
})

describe('CANCEL aborts', () => {
  test('at once while the function runs; its late answer is dropped, nothing is left behind or retried', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, { afterMs: 500, reply: OK })
    const cancel = new AbortController()
    const run = invoking({ clock, primary: host, signal: cancel.signal, fallback: host, staticActions: STATIC })
    await clock.advance(100)
    cancel.abort()
    await settled()
    assert.deepEqual(run.result(), { kind: 'aborted' })
    await clock.advance(5000)
    assert.equal(asked.length, 1)
    assert.equal(clock.pending, 0)
    assert.deepEqual([...run.witness.counts], [['invocations{result="aborted",by="nobody"}', 1]])
    assert.deepEqual(run.witness.lines, [])
  })

  test('also when the answer is there in the same turn', async () => {
    const clock = new FakeClock()
    const cancel = new AbortController()
    const run = invoking({ clock, primary: scripted(clock, OK).host, signal: cancel.signal })
    cancel.abort()
    assert.deepEqual(await run.promise, { kind: 'aborted' })
  })

  test('before the function was asked: it is not asked', async () => {
    const clock = new FakeClock()
    const { host, asked } = scripted(clock, OK)
    assert.deepEqual(await invoking({ clock, primary: host, signal: AbortSignal.abort() }).promise, { kind: 'aborted' })
    assert.equal(asked.length, 0)
    assert.equal(clock.pending, 0)
  })

  test('during the retry and during the fallback', async () => {
    for (const at of [1300, 2600]) {
      const clock = new FakeClock()
      const cancel = new AbortController()
      const dead = scripted(clock, 'never')
      const run = invoking({ clock, primary: dead.host, fallback: dead.host, signal: cancel.signal })
      await clock.advance(at)
      cancel.abort()
      await settled()
      assert.deepEqual(run.result(), { kind: 'aborted' })
      assert.equal(clock.pending, 0)
    }
  })
})
