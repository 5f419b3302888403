import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { Action } from '../../functions/contract/actions.ts'
import type { Manifest } from '../../functions/contract/envelope.ts'
import type { FunctionHost, HostReply } from '../../gateway/invocation/host.ts'
import type { FunctionApp } from '../../gateway/invocation/in-process.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

const MANIFEST: Manifest = {
  contract: 1,
  routes: [
    { method: 'INVITE', path: '/:domain/:user' },
    { method: 'MESSAGE', path: '/:domain/:user' },
  ],
  handlers: ['known'],
}

/** A function whose every answer is what `reply` says of the try, 1 for the first. */
function answering(reply: (tried: number, path: string) => HostReply | Promise<HostReply>): FunctionHost {
  let tried = 0
  return {
    manifest: async () => ({ ok: true, value: MANIFEST }),
    invoke: async (path) => reply(++tried, path),
    close: async () => {},
  }
}

const answer = (value: unknown): HostReply => ({ kind: 'answer', answer: value })
const actions = (...list: unknown[]): HostReply => answer({ actions: list })

async function started(host: FunctionHost, options: WorldOptions = {}) {
  const w = await world({ host, ...options })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  w.ladder.clear()
  return { w, alice, bob }
}

async function over(w: World): Promise<void> {
  await w.assertQuiet()
  await w.stop()
}

const header = (set: Record<string, string>) =>
  actions({ action: 'fork', targets: ['sip:bob@10.0.0.11'], headers: { set } })
const GARBAGE: Record<string, HostReply> = {
  'null': answer(null),
  'a text': answer('<html>'),
  'a number': answer(42),
  'an array': answer([]),
  'no actions': answer({}),
  'actions that are no list': answer({ actions: 'reply' }),
  'an action that is none': actions('reply'),
  'an unknown action': actions({ action: 'explode' }),
  'a status out of range': actions({ action: 'reply', status: 99 }),
  'an unreadable duration': actions({ action: 'halt', for: 'soon' }),
  'a target that is no SIP URI': actions({ action: 'fork', targets: ['https://example.com'] }),
  'a target with CR and LF': actions({ action: 'fork', targets: ['sip:bob@10.0.0.11\r\nX: 1'] }),
  'CR and LF in a header value': header({ 'X-Note': 'a\r\nVia: SIP/2.0/UDP 6.6.6.6' }),
  'LF in a header value': header({ 'X-Note': 'a\nb' }),
  'NUL in a header value': header({ 'X-Note': 'a\0b' }),
  'a colon in a header name': header({ 'X: Y': '1' }),
  'Via': header({ Via: 'SIP/2.0/UDP 6.6.6.6' }),
  'the compact form of Via': header({ v: 'SIP/2.0/UDP 6.6.6.6' }),
  'Call-ID': header({ 'call-id': 'other' }),
  'Record-Route': header({ 'Record-Route': '<sip:6.6.6.6;lr>' }),
  'Content-Length': header({ 'Content-Length': '0' }),
  'CR and LF in a reason phrase': actions({ action: 'reply', status: 480, reason: 'x\r\nX: 1' }),
  '65 actions': answer({ actions: Array.from({ length: 65 }, () => ({ action: 'annotate', values: {} })) }),
  'a filter that could match everything': actions({
    action: 'subscribe',
    event: 'contact.registered',
    filter: { aor: '' },
    handler: 'known',
  }),
  'a wait for nothing': actions({ action: 'wait', name: 'w', any: [], timeout: '5s' }),
}

for (const [what, reply] of Object.entries(GARBAGE)) {
  test(`an answer with ${what} is refused whole after one retry: the caller hears 503 with Retry-After at once`, async () => {
    const { w, alice } = await started(answering(() => reply))
    await alice.invites('bob')
    assert.equal(alice.finalStatus, 503)
    assert.notEqual(alice.outgoing?.final?.header('Retry-After'), '')
    assert.equal(w.invocations.length, 2)
    assert.equal(w.invocations[0]?.id, w.invocations[1]?.id)
    assert.equal(w.ladder.count('gw -> bob'), 0)
    await over(w)
  })
}

test('a refused answer performs nothing of what is right in it', async () => {
  const { w, alice } = await started(
    answering(() => actions({ action: 'fork', targets: ['sip:bob@10.0.0.11'] }, { action: 'explode' })),
  )
  await alice.invites('bob')
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 503 INVITE
    0 alice -> gw ACK
  `)
  await over(w)
})

test('unknown fields are ignored', async () => {
  const { w, alice } = await started(
    answering(() => answer({ actions: [{ action: 'reply', status: 486, colour: 'red' }], more: 1 })),
  )
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 486)
  await over(w)
})

test('a function that throws is tried once more, then 503 (RFC 3261 21.5.4)', async () => {
  const app: FunctionApp = {
    fetch: (request) => {
      if (request.method === 'GET') return Response.json(MANIFEST)
      throw new Error('a bug')
    },
  }
  const w = await world({ app })
  const alice = await w.phone('alice')
  await alice.invites('bob')
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 503 INVITE
    0 alice -> gw ACK
  `)
  await over(w)
})

test('a handler that throws after an await leaves the call to 503, too', async () => {
  const sip = new SipRouter({ onError: () => {} }).invite('/:domain/:user', async (call) => {
    await call.wait('red', {}, '5s')
    throw new Error('a bug')
  })
  const w = await world({ app: sip })
  const alice = await w.phone('alice')
  await alice.invites('bob')
  await w.advance(5000)
  assert.equal(alice.finalStatus, 503)
  await over(w)
})

/** A function whose every try takes so many milliseconds of virtual time, 1 for the first try, and then answers with `list`. */
function slow(clock: FakeClock, ms: (tried: number) => number, ...list: unknown[]): FunctionApp {
  let tried = 0
  return {
    fetch: async (request) => {
      if (request.method === 'GET') return Response.json(MANIFEST)
      const waitMs = ms(++tried)
      await new Promise<void>((resolve) => (waitMs === NEVER ? undefined : clock.after(waitMs, resolve)))
      return Response.json({ actions: list })
    },
  }
}
const NEVER = Number.POSITIVE_INFINITY

async function slowly(ms: (tried: number) => number, list: unknown[], options: WorldOptions = {}) {
  const clock = new FakeClock()
  const w = await world({ app: slow(clock, ms, ...list), clock, ...options })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  w.ladder.clear()
  return { w, alice, bob }
}

const BUSY = { action: 'reply', status: 486 }
const RING = { action: 'fork', targets: ['sip:bob@example.com'] }

test('a function that never answers is given 1.2 s and one more try: 503 after 2.5 s in all, 100 after 200 ms (RFC 3261 17.2.1)', async () => {
  const { w, alice } = await slowly(() => NEVER, [BUSY])
  await alice.invites('bob')
  await w.advance(2499)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    200 gw -> alice 100
    1200 gw -> function /invite/example.com/bob
    2500 gw -> alice 503 INVITE
    2500 alice -> gw ACK
  `)
  await over(w)
})

test('a MESSAGE is given 1.5 s: its sender hears 503 before it gives up (RFC 3261 17.1.2.2)', async () => {
  const { w, alice } = await slowly(() => NEVER, [BUSY])
  await alice.messages('bob', 'hello')
  await w.advance(1500)
  w.ladder.assert(`
    0 alice -> gw MESSAGE bob
    0 gw -> function /message/example.com/bob
    700 gw -> function /message/example.com/bob
    1500 gw -> alice 503 MESSAGE
  `)
  await over(w)
})

test('a function that is too slow the first time and fine the second: the caller waits 1.2 s longer, and the first answer is dropped', async () => {
  const { w, alice, bob } = await slowly((tried) => (tried === 1 ? 1300 : 50), [RING])
  await alice.invites('bob')
  await w.advance(1249)
  assert.equal(bob.incoming.length, 0)
  await w.advance(1)
  assert.equal(bob.ringing.state, 'ringing')
  await w.advance(1000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    200 gw -> alice 100
    1200 gw -> function /invite/example.com/bob
    1250 gw -> bob INVITE bob
    1250 bob -> gw 180
    1250 gw -> alice 180
  `)
  await bob.answers()
  await alice.hangsUp()
  await over(w)
})

test('the caller hangs up while the function thinks: 487 at once, and what it answers later is dropped (RFC 3261 9.2)', async () => {
  const { w, alice } = await slowly(
    () => 1000,
    [RING, { action: 'push', aor: 'sip:bob@example.com' }, { action: 'halt', for: '30s' }],
  )
  await alice.invites('bob')
  await w.advance(400)
  await alice.cancels()
  await w.advance(3000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    200 gw -> alice 100
    400 alice -> gw CANCEL
    400 gw -> alice 200 CANCEL
    400 gw -> alice 487 INVITE
    400 alice -> gw ACK
  `)
  await over(w)
})

test('the caller hangs up in the millisecond of the answer: 487, and no phone is left ringing, in both orders (RFC 3261 9.2)', async () => {
  for (const order of ['cancel first', 'answer first'] as const) {
    const { w, alice, bob } = await slowly(() => 1000, [RING])
    if (order === 'cancel first') w.clock.after(1000, () => void alice.cancels())
    await alice.invites('bob')
    await w.advance(999)
    if (order === 'answer first') w.clock.after(1, () => void alice.cancels())
    await w.advance(1)
    assert.equal(alice.finalStatus, 487, order)
    assert.ok(!bob.incoming.some(({ state }) => state === 'ringing'), order)
    await over(w)
  }
})

test('a caller who gives up after 503 has come hears 200 to its CANCEL and nothing else (RFC 3261 9.2)', async () => {
  const { w, alice } = await slowly(() => NEVER, [BUSY])
  await alice.invites('bob')
  await w.advance(2500)
  w.ladder.clear()
  await alice.cancels()
  w.ladder.assert(`
    2500 alice -> gw CANCEL
    2500 gw -> alice 200 CANCEL
  `)
  await over(w)
})

test('204, "not mine": the call goes by the location service (RFC 3261 16.5)', async () => {
  const { w, alice, bob } = await started(answering(() => ({ kind: 'none' })))
  await alice.invites('bob')
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await alice.invites('nobody')
  assert.equal(alice.finalStatus, 480)
  await alice.invites('bob', { domain: 'elsewhere.example' })
  assert.equal(alice.finalStatus, 404)
  await over(w)
})

test('an empty list of actions decides nothing: the caller is not left waiting (480)', async () => {
  const { w, alice } = await started(answering(() => actions()))
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 480)
  await over(w)
})

test('an empty list of actions to a MESSAGE is not silence either', async () => {
  const { w, alice } = await started(answering(() => actions()))
  await alice.messages('bob', 'hello')
  assert.equal(w.ladder.count('gw -> alice 480 MESSAGE'), 1)
  await over(w)
})

test('an answer that can only wait for a fork that does not exist ends at its time-out with a final response', async () => {
  const wait = { action: 'wait', name: 'w', any: [{ fork: 'none' }], timeout: '5s' }
  const { w, alice } = await started(answering((tried) => (tried === 1 ? actions(wait) : actions())))
  await alice.invites('bob')
  await w.advance(5000)
  assert.equal(alice.finalStatus, 480)
  await over(w)
})

const down: HostReply = {
  kind: 'problem',
  problem: { code: 'handler.unreachable', detail: 'connection refused' },
  retry: true,
}
const refused: HostReply = {
  kind: 'problem',
  problem: { code: 'handler.refused', detail: 'the function answered 404' },
  retry: false,
  status: 404,
}

test('the function is away: after one retry the fallback is asked, with the same invocation', async () => {
  const { w, alice, bob } = await started(
    answering(() => down),
    { fallback: answering(() => actions(RING)) },
  )
  await alice.invites('bob')
  await bob.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> function /invite/example.com/bob
    0 gw -> fallback /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> bob INVITE bob
    0 bob -> gw 180
    0 gw -> alice 180
    0 bob -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    0 alice -> gw ACK
    0 gw -> bob ACK
  `)
  assert.equal(new Set(w.invocations.map(({ id }) => id)).size, 1)
  assert.deepEqual(
    w.invocations.map(({ data }) => data.attempt),
    [1, 2, 3],
  )
  await alice.hangsUp()
  await over(w)
})

test('the function refuses (4xx): no retry, straight to the fallback', async () => {
  const { w, alice } = await started(
    answering(() => refused),
    { fallback: answering(() => actions(BUSY)) },
  )
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 486)
  assert.equal(w.invocations.length, 2)
  await over(w)
})

test('function and fallback are away: the static actions are performed', async () => {
  const staticActions = [{ action: 'reply', status: 480, reason: 'Closed' }] as Action[]
  const { w, alice } = await started(
    answering(() => down),
    { fallback: answering(() => down), staticActions },
  )
  await alice.invites('bob')
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 Closed')
  assert.equal(w.invocations.length, 3)
  await over(w)
})

test('a subscription to an unknown handler is refused; the rest of the answer is performed, and an event says so', async () => {
  const subscribe = { action: 'subscribe', event: 'red', filter: {}, handler: 'unknown' }
  const failed = {
    action: 'subscribe',
    event: 'handler.failed',
    filter: { handler: 'unknown' },
    actions: [{ action: 'annotate', values: { said: { fromEvent: 'error' } } }],
  }
  const { w, alice, bob } = await started(answering(() => actions(failed, subscribe, RING)))
  await alice.invites('bob')
  assert.equal(await w.publish('red', {}), 0)
  assert.deepEqual(w.newestCall.annotations, { said: 'handler.unknown' })
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(w)
})

test('a handler that fails leaves the ringing call as it is', async () => {
  const subscribe = { action: 'subscribe', event: 'red', filter: {}, handler: 'known' }
  const { w, alice, bob } = await started(
    answering((_tried, path) => (path.startsWith('/on/') ? down : actions(subscribe, RING))),
  )
  await alice.invites('bob')
  await w.publish('red', {})
  assert.equal(w.ladder.count('/on/known'), 2)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await over(w)
})

test('a handler that never answers does not hold up the answer of the phone, nor the CANCEL of the caller', async () => {
  for (const end of ['answer', 'cancel'] as const) {
    const subscribe = { action: 'subscribe', event: 'red', filter: {}, handler: 'known' }
    const { w, alice, bob } = await slowly((tried) => (tried === 1 ? 0 : NEVER), [subscribe, RING])
    await alice.invites('bob')
    await w.advance(0)
    await w.publish('red', {})
    if (end === 'answer') await bob.answers()
    else await alice.cancels()
    assert.equal(alice.finalStatus, end === 'answer' ? 200 : 487, end)
    if (end === 'answer') await alice.hangsUp()
    await over(w)
  }
})

test('the function goes down while the call waits: the event comes, it cannot be resumed, and the caller hears 503', async () => {
  const wait = { action: 'wait', name: 'w', any: [{ event: 'red' }], timeout: '60s' }
  const { w, alice } = await started(answering((tried) => (tried === 1 ? actions(wait) : down)))
  await alice.invites('bob')
  await w.advance(1000)
  await w.publish('red', {})
  assert.equal(alice.finalStatus, 503)
  await over(w)
})

test('a function that subscribes to its own events runs once for each event, and the call still ends', async () => {
  const loop = { action: 'subscribe', event: 'red', filter: {}, handler: 'known', name: 'loop' }
  let asked = 0
  const host = answering((_tried, path) => {
    if (!path.startsWith('/on/')) return actions(loop, RING)
    return ++asked < 20 ? actions({ action: 'publish', type: 'red' }) : actions()
  })
  const { w, alice } = await started(host)
  await alice.invites('bob')
  await w.publish('red', {})
  for (let turn = 0; turn < 10; turn++) await w.advance(0)
  assert.equal(asked, 20)
  await alice.cancels()
  assert.equal(alice.finalStatus, 487)
  await over(w)
})

test('a fork to the router itself is not followed in circles: 482 ends it (RFC 3261 16.3 step 4)', async () => {
  const { w, alice } = await started(answering(() => actions({ action: 'fork', targets: ['sip:loop@10.0.0.1:5060'] })))
  await alice.invites('bob')
  await w.advance(1000)
  assert.equal(alice.finalStatus, 482)
  assert.equal(w.invocations.length, 2)
  await over(w)
})
