import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Action } from '../../functions/contract/actions.ts'
import type { Manifest } from '../../functions/contract/envelope.ts'
import type { FunctionHost, HostReply } from '../../gateway/invocation/host.ts'
import type { InvokerOptions } from '../../gateway/invocation/invoker.ts'
import { PendingReply } from '../../gateway/invocation/invoker-pending.ts'
import { replyOfStatus, unreachable } from '../../gateway/invocation/invoker-reply.ts'
import { CALLEE, type CallOutcome, CallStream, type StreamOptions } from '../support/call-stream.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { seeded } from '../support/random.ts'
import { world } from '../support/world.ts'

/**
 * Many calls while their function fails, in every way it can. Whatever it does, everybody gets a final response, those whom the fallback can
 * serve are served, and nothing is left behind. Left out: forks, waits and pushes, which other scenarios play; here calls are short.
 */

const FAILS_FROM = 10_000
const FAILS_UNTIL = 40_000
const ENDS = 80_000

/** What one try, which is given up after `timeoutMs`, meets: a reply, so many milliseconds later; undefined: none. */
type Fault = (at: number, random: () => number, timeoutMs: number) => { ms: number; reply: HostReply } | undefined

const ROUTED = answer({ actions: [fork('function')] })
const AWAY = unreachable('ECONNREFUSED')

function answer(value: unknown): HostReply {
  return { kind: 'answer', answer: value }
}

function fork(name: string): Action {
  return { action: 'fork', targets: [`sip:${name}@${CALLEE.address}`] }
}

const MANIFEST: Manifest = { contract: 1, routes: [{ method: 'INVITE', path: '/:domain/:user' }], handlers: [] }

function host(clock: FakeClock, behaves: Fault, random: () => number): FunctionHost {
  return {
    manifest: async () => ({ ok: true, value: MANIFEST }),
    invoke(_path, _invocation, options) {
      const pending = new PendingReply()
      pending.watch(clock, options)
      const fate = behaves(clock.now(), random, options.timeoutMs)
      if (fate?.ms === 0) pending.settle(fate.reply)
      else if (fate) clock.after(fate.ms, () => pending.settle(fate.reply))
      return pending.promise
    },
    close: async () => {},
  }
}

interface Play extends Partial<Omit<StreamOptions, 'clock'>> {
  clock?: FakeClock
  fault: Fault
  healthy?: HostReply
  withFallback?: boolean
  staticActions?: Action[]
  invoker?: Partial<InvokerOptions>
  seed?: number
}

/** Plays 80 seconds of calls; the function fails from the tenth to the fortieth. */
async function play({
  clock = new FakeClock(),
  fault,
  healthy = ROUTED,
  withFallback = true,
  staticActions,
  invoker,
  seed = 1,
  ...stream
}: Play) {
  const random = seeded(seed)
  const isFailing = (at: number) => at >= FAILS_FROM && at < FAILS_UNTIL
  const behaves: Fault = (at, _, timeoutMs) =>
    isFailing(at) ? fault(at, random, timeoutMs) : { ms: 20, reply: healthy }
  const w = await world({
    clock,
    host: host(clock, behaves, random),
    ...(withFallback
      ? { fallback: host(clock, () => ({ ms: 5, reply: answer({ actions: [fork('fallback')] }) }), random) }
      : {}),
    ...(staticActions ? { staticActions } : {}),
    invoker: { random, ...invoker },
    hides: () => true,
  })
  const calls = new CallStream({ network: w.network, clock, random, everyMs: 100, cancels: 0.1, ...stream })
  await calls.start(ENDS)
  await w.advance(ENDS)
  await w.assertQuiet()
  const gauges = new Map([...w.counters.gauges()].map(([series, read]) => [series, read()]))
  const counts = new Map(w.counters.counts())
  await w.stop()
  assert.equal(clock.pending, 0, 'timers are left')
  assert.equal(gauges.get('function_circuit{host="function"}'), 0, 'the circuit has not closed')
  assert.equal(gauges.get('function_running{host="function"}'), 0)
  assert.equal(gauges.get('function_queue{host="function"}'), 0)
  assert.equal(counts.get('bugs') ?? 0, 0)
  const outcomes = [...calls.calls.values()]
  assert.ok(outcomes.length > 600, `${outcomes.length} calls`)
  return { outcomes, counts, gauges }
}

/** Everybody has heard something final; who has not given up is talking. */
function assertAllServed(outcomes: readonly CallOutcome[], longestMs: number): void {
  for (const call of outcomes) {
    const isFine = call.status === 200 || (call.isCancelled && call.status === 487)
    assert.ok(isFine, `lost: ${JSON.stringify(call)}`)
    assert.ok(call.endedAt - call.begunAt <= longestMs, `${call.endedAt - call.begunAt} ms: ${JSON.stringify(call)}`)
  }
}

function servedBy(outcomes: readonly CallOutcome[], from: number, to: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { begunAt, servedBy } of outcomes)
    if (servedBy !== '' && begunAt >= from && begunAt < to) counts[servedBy] = (counts[servedBy] ?? 0) + 1
  return counts
}

/** So long everybody waits at most: the budget and the fallback. */
const LONGEST_MS = 2505

const FAULTS: Record<string, { fault: Fault; opens: boolean }> = {
  'is slow: it answers after three seconds': { fault: () => ({ ms: 3000, reply: ROUTED }), opens: true },
  'never answers': { fault: () => undefined, opens: true },
  'is dead: its connections are refused': { fault: () => ({ ms: 0, reply: AWAY }), opens: true },
  'flaps: two seconds dead, two seconds alive': {
    fault: (at) => (Math.floor(at / 2000) % 2 === 0 ? { ms: 0, reply: AWAY } : { ms: 20, reply: ROUTED }),
    opens: true,
  },
  'answers 500 half of the time': {
    fault: (_at, random) => ({ ms: 20, reply: random() < 0.5 ? replyOfStatus(500, undefined) : ROUTED }),
    opens: true,
  },
  'answers 500 once in ten times': {
    fault: (_at, random) => ({ ms: 20, reply: random() < 0.1 ? replyOfStatus(500, undefined) : ROUTED }),
    opens: false,
  },
  'starts anew for every call: 900 ms each': { fault: () => ({ ms: 900, reply: ROUTED }), opens: false },
  'wants to be left alone: 429, Retry-After 10': {
    fault: () => ({ ms: 20, reply: replyOfStatus(429, undefined, '10') }),
    opens: true,
  },
  'answers garbage': { fault: () => ({ ms: 20, reply: answer('<html>') }), opens: false },
}

describe('no call is lost that the fallback can serve, and the circuit closes again, while the function', () => {
  for (const [what, { fault, opens }] of Object.entries(FAULTS)) {
    test(what, async () => {
      const { outcomes, counts } = await play({ fault })
      assertAllServed(outcomes, LONGEST_MS)
      assert.equal((counts.get('function_circuit_changes{host="function",to="open"}') ?? 0) > 0, opens)
      assert.deepEqual(Object.keys(servedBy(outcomes, 0, FAILS_FROM - 2500)), ['function'])
      // Its last rest may have begun with the last failure, and is half a minute at most.
      assert.deepEqual(Object.keys(servedBy(outcomes, FAILS_UNTIL + 32_000, ENDS)), ['function'])
    })
  }
})

test('while the circuit is open nobody waits for a dead function; one call in many does, to probe it', async () => {
  const { outcomes } = await play({ fault: () => undefined, cancels: 0 })
  const inTheMiddle = outcomes.filter(({ begunAt }) => begunAt > FAILS_FROM + 2000 && begunAt < FAILS_UNTIL)
  const waited = inTheMiddle.filter(({ begunAt, endedAt }) => endedAt - begunAt > 5)
  assert.ok(inTheMiddle.length > 200, `${inTheMiddle.length}`)
  assert.ok(waited.length <= 5 * 3, `${waited.length} of ${inTheMiddle.length} have waited`)
})

test('without a fallback the static actions serve everybody', async () => {
  const { outcomes } = await play({
    fault: () => ({ ms: 0, reply: AWAY }),
    withFallback: false,
    staticActions: [fork('static')],
  })
  assertAllServed(outcomes, LONGEST_MS)
  assert.deepEqual(Object.keys(servedBy(outcomes, FAILS_FROM + 2000, FAILS_UNTIL - 1)), ['static'])
})

test('with nothing to fall back on everybody hears 503, at once while the circuit is open', async () => {
  const { outcomes } = await play({ fault: () => undefined, withFallback: false })
  for (const { status, isCancelled } of outcomes) assert.ok([200, 503].includes(status) || isCancelled, `${status}`)
  const refused = outcomes.filter(({ status }) => status === 503)
  const atOnce = refused.filter(({ begunAt, endedAt }) => endedAt === begunAt)
  assert.ok(refused.length > 150 && atOnce.length > refused.length * 0.8, `${atOnce.length} of ${refused.length}`)
})

test('regular callers are served by the function’s last good answers, and the fallback only gets those it has never seen', async () => {
  const { outcomes, counts } = await play({
    fault: () => ({ ms: 0, reply: AWAY }),
    healthy: answer({ actions: [fork('function')], cacheFor: '1s', staleIfError: '10m' }),
    user: (nth) => (nth % 10 === 0 ? `rare-${nth}` : `regular-${nth % 7}`),
  })
  assertAllServed(outcomes, LONGEST_MS)
  const failing = outcomes.filter(
    ({ begunAt, servedBy }) => servedBy !== '' && begunAt > FAILS_FROM && begunAt < FAILS_UNTIL - 1,
  )
  for (const { user, servedBy } of failing) assert.equal(servedBy, user.startsWith('regular') ? 'function' : 'fallback')
  assert.ok(counts.get('invocations{result="answer",by="stale cache"}')! > 150)
  assert.ok(counts.get('invocations{result="answer",by="cache"}')! > 50)
})

test('more calls than places: those who find none in time go to the fallback, and the function is not overrun', async () => {
  let running = 0
  let most = 0
  const crowded =
    (clock: FakeClock): Fault =>
    (_at, _random, timeoutMs) => {
      most = Math.max(most, ++running)
      // Given up in the end, it stops just before somebody else has its place.
      clock.after(Math.min(400, timeoutMs - 1), () => running--)
      return { ms: 400, reply: ROUTED }
    }
  const clock = new FakeClock()
  const { outcomes, counts } = await play({
    clock,
    fault: crowded(clock),
    everyMs: 50,
    invoker: { places: { running: 4, waiting: 10 } },
    // Nobody is given up on halfway: the function would not know of it.
    cancels: 0,
  })
  assertAllServed(outcomes, LONGEST_MS)
  assert.equal(most, 4)
  assert.ok(counts.get('function_refused{host="function",code="handler.overloaded"}')! > 50)
  const { function: own = 0, fallback = 0 } = servedBy(outcomes, FAILS_FROM, FAILS_UNTIL)
  assert.ok(own > 200 && fallback > 200, `${own} by the function, ${fallback} by the fallback`)
})

test('by chance: any faults in any order, four times over', async () => {
  const faults = Object.values(FAULTS).map(({ fault }) => fault)
  for (let seed = 1; seed <= 4; seed++) {
    const mixed: Fault = (at, ...rest) => faults[Math.floor(at / 3000 + seed) % faults.length]!(at, ...rest)
    const { outcomes } = await play({ fault: mixed, seed })
    assertAllServed(outcomes, LONGEST_MS)
  }
})
