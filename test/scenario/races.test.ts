import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import linear from '../../functions/examples/linear.ts'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import type { FunctionApp } from '../../gateway/invocation/in-process.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type World, world } from '../support/world.ts'
import { pushable, registeredLongAgo, sleepingPhone } from './cast.ts'

/** What happens at once, in an unexpected order, or many times. */

async function over(w: World): Promise<void> {
  await w.assertQuiet()
  await w.stop()
}

test('two calls wait for the same phone: one REGISTER brings it both, it answers one and declines the other', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const carol = await w.phone('carol')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await carol.invites('bob')
  await phone.wakes()
  assert.equal(phone.incoming.length, 2)
  await phone.answers()
  await phone.declines(486)
  assert.deepEqual([alice.finalStatus, carol.finalStatus].sort(), [200, 486])
  await (alice.finalStatus === 200 ? alice : carol).hangsUp()
  await over(w)
})

test('a REGISTER that is repeated because its 200 was lost rings the phone once (RFC 3261 17.2.2)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await phone.wakes()
  const register = phone.sent.findLast(({ method, isRequest }) => isRequest && method === 'REGISTER')!
  await w.advance(500)
  phone.send(register.text)
  await w.advance(500)
  assert.equal(w.ladder.count('gw -> phone INVITE'), 1)
  assert.equal(w.ladder.count('subscription.matched'), 1)
  await phone.answers()
  await alice.hangsUp()
  await over(w)
})

test('the phone wakes over TCP: the late INVITE comes on the connection of its REGISTER (RFC 5626, RFC 5923)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', { user: 'bob', transport: 'tcp', ...pushable('phone') })
  await phone.registers()
  await phone.vanish()
  await registeredLongAgo(w)
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(800)
  await phone.wakes()
  await phone.answers()
  await phone.hangsUp()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    800 phone -> gw REGISTER
    800 gw -> phone 200 REGISTER
    800 gw -> function /on/late-fork subscription.matched
    800 gw -> phone INVITE bob
    800 phone -> gw 180
    800 gw -> alice 180
    800 phone -> gw 200 INVITE
    800 gw -> alice 200 INVITE
    800 alice -> gw ACK
    800 gw -> phone ACK
    800 phone -> gw BYE
    800 gw -> alice BYE
    800 alice -> gw 200 BYE
    800 gw -> phone 200 BYE
  `)
  await over(w)
})

test('the caller and the phone use TCP, the tablet UDP: each hears in its own transport, with two Record-Routes where it changes (RFC 5658)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice', { transport: 'tcp' })
  const tablet = await w.phone('tablet', { user: 'bob' })
  const phone = await w.phone('phone', { user: 'bob', transport: 'tcp', ...pushable('phone') })
  await tablet.registers()
  await phone.registers()
  await alice.invites('bob')
  assert.equal(phone.ringing.invite.headers('Record-Route').join().split(',').length, 1)
  assert.equal(tablet.ringing.invite.headers('Record-Route').join().split(',').length, 2)
  await tablet.answers()
  assert.equal(phone.incoming[0]?.state, 'ended')
  await alice.hangsUp()
  assert.equal(w.ladder.count('gw -> tablet BYE'), 1)
  await over(w)
})

test("the caller's connection dies while the call waits: what the phone answers reaches nobody, and its own BYE ends the call (RFC 3261 13.3.1.4)", async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice', { transport: 'tcp' })
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await alice.vanish()
  await w.advance(1000)
  await phone.wakes()
  await phone.answers()
  await w.advance(32_000)
  assert.equal(w.gateway.counts().dialogs, 1)
  await phone.hangsUp()
  await w.advance(4_000)
  assert.equal(w.gateway.counts().dialogs, 0)
  w.ladder.assert(
    `
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    1000 phone -> gw REGISTER
    1000 gw -> phone 200 REGISTER
    1000 gw -> function /on/late-fork subscription.matched
    1000 gw -> phone INVITE bob
    1000 phone -> gw 180
    1000 phone -> gw 200 INVITE
    33000 phone -> gw BYE
    33000 gw -> phone 500 BYE
  `,
    { from: 'INVITE bob' },
  )
  await over(w)
})

test('the phone answers in the millisecond in which the caller gives up: the 200 crosses the CANCEL and is sent on, in both orders (RFC 3261 9.1, 16.7 step 5)', async () => {
  for (const order of ['cancel first', 'answer first'] as const) {
    const w = await world({ app: pushWakeUp })
    const alice = await w.phone('alice')
    const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
    await alice.invites('bob')
    await phone.wakes()
    await Promise.all(
      order === 'cancel first' ? [alice.cancels(), phone.answers()] : [phone.answers(), alice.cancels()],
    )
    assert.equal(w.ladder.count('gw -> alice 200 CANCEL'), 1, order)
    assert.equal(alice.finalStatus, 200, order)
    await alice.hangsUp()
    assert.equal(w.ladder.count('gw -> phone BYE'), 1, order)
    await over(w)
  }
})

test('the woken phone declines in the millisecond in which the wait ends: one final response, in both orders', async () => {
  for (const order of ['decline first', 'deadline first'] as const) {
    const w = await world({ app: pushWakeUp })
    const alice = await w.phone('alice')
    const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
    if (order === 'decline first') w.clock.after(30_000, () => void phone.declines())
    await alice.invites('bob')
    await phone.wakes()
    await w.advance(29_999)
    if (order === 'deadline first') w.clock.after(1, () => void phone.declines())
    await w.advance(1)
    assert.equal(alice.finalStatus, 486, order)
    assert.equal(w.ladder.count('gw -> alice 486'), 1, order)
    await over(w)
  }
})

/** The same functions, half a second slower from the second invocation on. */
function slowlyResumed(
  app: { fetch(request: Request, env?: unknown): Promise<Response> },
  clock: FakeClock,
): FunctionApp {
  let asked = 0
  return {
    fetch: async (request, env) => {
      const response = await app.fetch(request, env)
      if (request.method === 'POST' && ++asked > 1) await new Promise<void>((resolve) => clock.after(500, resolve))
      return response
    },
  }
}

test('the desk answers while the function is being told that its time is over: the call is answered, nobody is pushed', async () => {
  const clock = new FakeClock()
  const w = await world({ app: slowlyResumed(linear, clock), clock })
  const alice = await w.phone('alice')
  const desk = await w.phone('desk', { user: 'bob', instance: 'urn:uuid:desk' })
  await desk.registers()
  await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(15_200)
  await desk.answers()
  await w.advance(5000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> desk INVITE bob
    0 desk -> gw 180
    0 gw -> alice 180
    15000 gw -> function /invite/example.com/bob wait.timed_out
    15200 desk -> gw 200 INVITE
    15200 gw -> alice 200 INVITE
    15200 alice -> gw ACK
    15200 gw -> desk ACK
  `)
  await w.advance(60_000)
  assert.equal(w.pushes.length, 0)
  await alice.hangsUp()
  await over(w)
})

test('one event wakes two hundred calls: each is resumed once', async () => {
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    const event = await call.wait('open', {}, '60s')
    call.reply(480, event ? 'The office is open' : 'Closed')
  })
  const w = await world({ app })
  const callers = []
  for (let i = 0; i < 200; i++)
    callers.push(await w.phone(`caller${i}`, { address: `10.1.${i >> 7}.${1 + (i & 127)}` }))
  for (const caller of callers) await caller.invites('office')
  assert.equal(await w.publish('open', {}), 200)
  await w.advance(10)
  for (const caller of callers) assert.equal(caller.outgoing?.final?.start, 'SIP/2.0 480 The office is open')
  assert.equal(w.invocations.length, 400)
  await over(w)
})

test('hangup of a call that two phones have answered at once ends both (RFC 3261 13.2.2.4, 15.1.1)', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('end', {}, 'end', { until: 'ended' })
    call.fork(call.contacts)
  })
  app.on('end', (call) => call.hangup())
  const w = await world({ app })
  const alice = await w.phone('alice')
  const one = await w.phone('one', { user: 'bob' })
  const two = await w.phone('two', { user: 'bob' })
  await one.registers()
  await two.registers()
  await alice.invites('bob')
  await Promise.all([one.answers(), two.answers()])
  await w.publish('end', {})
  assert.equal(w.ladder.count('gw -> one BYE'), 1)
  assert.equal(w.ladder.count('gw -> two BYE'), 1)
  assert.equal(w.ladder.count('gw -> alice BYE'), 2)
  await over(w)
})

test('a handler waits in an answered call: a second digit within 3 s, or the call is ended', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('dtmf', { callId: call.id, digit: '*' }, 'menu')
    call.fork(call.contacts)
  })
  app.on('menu', async (call) => {
    const choice = await call.wait('dtmf', { callId: call.id, digit: ['1', '2'] }, '3s')
    if (choice) call.annotate({ choice: choice.digit })
    else call.hangup('no choice')
  })
  const w = await world({ app })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  await bob.presses('*')
  await w.advance(1000)
  await bob.presses('2')
  assert.deepEqual(w.newestCall.annotations, { choice: '2' })
  await bob.presses('*')
  await w.advance(3000)
  assert.equal(w.gateway.counts().dialogs, 0)
  await over(w)
})

test('a call that is over while one of its handlers waits is forgotten whole', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('dtmf', { callId: call.id }, 'menu')
    call.fork(call.contacts)
  })
  app.on('menu', async (call) => {
    await call.wait('never', {}, '1h')
    call.hangup()
  })
  const w = await world({ app })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  await bob.presses('*')
  await alice.hangsUp()
  await over(w)
})
