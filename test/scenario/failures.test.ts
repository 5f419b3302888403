import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { FunctionApp } from '../../gateway/invocation/in-process.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** What calls go through when something beside the gateway and its store fails: infra/FAILURES.md names these tests. */

/** Waits for the callee's phone and rings it. */
const waiting = routed(async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480, 'Nobody came')
})

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

/** A function that can be taken down. */
function mortal(app: FunctionApp) {
  const state = { isDown: false }
  const host: FunctionApp = {
    fetch: async (request, env) => (state.isDown ? new Response('', { status: 503 }) : app.fetch(request, env)),
  }
  return { state, app: host }
}

async function started(app: FunctionApp, options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, phone }
}

async function end(w: World): Promise<void> {
  await w.assertQuiet()
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

for (const [what, push] of [
  ['refuses', async () => ({ outcome: 'failed', error: '503' }) as const],
  ['cannot be reached', () => Promise.reject(new Error('ECONNREFUSED'))],
  ['never answers', () => new Promise<never>(() => {})],
] as const) {
  test(`the push provider ${what}: a phone that comes by itself is rung, and without one the wait has its full time`, async () => {
    const { w, alice, phone } = await started(waiting, { push })
    await alice.invites('bob')
    await w.advance(10_000)
    await phone.wakes()
    await phone.answers()
    assert.equal(alice.finalStatus, 200)
    await alice.hangsUp()
    const carol = await w.phone('carol')
    await carol.invites('bob')
    await w.advance(24_999)
    assert.equal(carol.finalStatus, 0)
    await w.advance(1)
    assert.match(carol.outgoing!.final!.start, /480 Nobody came/)
    await end(w)
  })
}

test('the function is down while a call is talked on: digits set off nothing, the call goes on and its BYE ends it', async () => {
  const { state, app } = mortal(
    routed((call) => {
      call.subscribe('dtmf', { callId: call.id }, 'screen')
      call.fork(call.contacts)
    }).on('screen', (call) => call.hangup('fax')),
  )
  const { w, alice, phone } = await started(app)
  await phone.wakes()
  await alice.invites('bob')
  await phone.answers()
  state.isDown = true
  await phone.presses('5')
  await w.advance(10_000)
  assert.equal(w.gateway.counts().dialogs, 1)
  await alice.hangsUp()
  assert.ok(phone.received.some(({ method }) => method === 'BYE'))
  await end(w)
})

test('the function is down while nothing is asked of it: a call that waits for a while hears it again', async () => {
  const { state, app } = mortal(waiting)
  const { w, alice, phone } = await started(app)
  await alice.invites('bob')
  state.isDown = true
  await w.advance(10_000)
  state.isDown = false
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('a BYE that comes while the gateway is down is repeated, and ends the call when it is back (RFC 3261 17.1.2.2)', async () => {
  const { w, alice, phone } = await started(routed((call) => call.fork(call.contacts)))
  await phone.wakes()
  await alice.invites('bob')
  await phone.answers()
  await w.kill()
  await alice.hangsUp()
  assert.ok(!phone.received.some(({ method }) => method === 'BYE'))
  await w.advance(1000)
  await w.restart()
  alice.send(alice.sent.findLast(({ method }) => method === 'BYE')!.text)
  await w.advance(0)
  assert.ok(phone.received.some(({ method }) => method === 'BYE'))
  await end(w)
})

test('a phone goes while it rings: its caller hears 408 when Timer C is over, or 487 when he gives up before (RFC 3261 16.8, 9.1)', async () => {
  for (const givesUp of [true, false]) {
    const { w, alice, phone } = await started(routed((call) => call.fork(call.contacts)))
    await phone.wakes()
    await alice.invites('bob')
    await phone.vanish()
    await w.advance(60_000)
    if (givesUp) await alice.cancels()
    await w.advance(220_000)
    assert.equal(alice.finalStatus, givesUp ? 487 : 408)
    await end(w)
  }
})
