import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { Phone, PhoneOptions } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { pushable } from './cast.ts'

/** Two gateways, each at an address of its own, share a store: what happens on one counts on the other. */

const B = { address: '10.0.0.2', port: 5060 }

/** Waits for the callee's phone and rings it. */
const waiting = new SipRouter().invite('/:domain/:user', (async (call: Call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480, 'Nobody came')
}) as (call: unknown) => Promise<void>)

/** Rings whoever is registered. */
const ringing = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))

async function two(app: SipRouter, options: WorldOptions = {}) {
  const w = await world({ app, gateway: { id: 'gw', cluster: { pool: 'east' } }, ...options })
  const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' } })
  await w.advance(1500)
  const b = await starting
  const alice = await w.phone('alice')
  return { w, b, alice, start: w.clock.now() }
}

/** bob's phone, which is known to B only. */
function phoneAtB(w: World, options: Partial<PhoneOptions> = {}): Promise<Phone> {
  return w.phone('bob', { gateway: B, ...pushable('bob'), ...options })
}

async function end({ w, b }: Awaited<ReturnType<typeof two>>): Promise<void> {
  await w.assertQuiet()
  assert.deepEqual({ ...b.gateway.counts(), timers: 0 }, { ...w.gateway.counts(), timers: 0 })
  assert.deepEqual(w.errors, [])
  assert.equal(w.counters.get('bugs'), 0)
  await b.stop()
  await w.stop()
}

test('a REGISTER on one gateway wakes the call that waits on the other', async () => {
  const both = await two(waiting)
  const { w, alice, start } = both
  await alice.invites('bob')
  await w.advance(3000)
  const bob = await phoneAtB(w)
  await bob.registers()
  await bob.answers()
  await alice.hangsUp()
  const at = start + 3000
  w.ladder.assert(`
    ${start} alice -> gw INVITE bob
    ${start} gw -> function /invite/example.com/bob
    ${start} gw -> alice 100
    ${at} bob -> gw-b REGISTER
    ${at} gw-b -> bob 200 REGISTER
    ${at} gw -> function /invite/example.com/bob wait.resumed
    ${at} gw-b -> bob INVITE bob
    ${at} bob -> gw-b 180
    ${at} gw -> alice 180
    ${at} bob -> gw-b 200 INVITE
    ${at} gw -> alice 200 INVITE
    ${at} alice -> gw ACK
    ${at} gw-b -> bob ACK
    ${at} alice -> gw BYE
    ${at} gw-b -> bob BYE
    ${at} bob -> gw-b 200 BYE
    ${at} gw -> alice 200 BYE
  `)
  await end(both)
})

for (const transport of ['tcp', 'udp'] as const) {
  /** Only B can reach it: by its connection, or by the hole in its NAT. */
  const hidden = (w: World): Promise<Phone> =>
    phoneAtB(w, transport === 'tcp' ? { transport } : { address: '203.0.113.9', port: 40_000 })
  const contact = transport === 'tcp' ? undefined : '<sip:bob@192.168.1.5:5060>'
  const registered = async (w: World): Promise<Phone> => {
    const bob = await hidden(w)
    await bob.registers(contact === undefined ? {} : { contact })
    return bob
  }

  test(`a phone that only the other gateway can reach (${transport}) is called through it, and talks back through it`, async () => {
    const both = await two(ringing, { hides: (label) => label === '100' })
    const { w, alice, start } = both
    const bob = await registered(w)
    w.ladder.clear()
    await alice.invites('bob')
    await bob.answers()
    await alice.presses('5')
    await bob.presses('6')
    await bob.hangsUp()
    w.ladder.assert(`
      ${start} alice -> gw INVITE bob
      ${start} gw -> function /invite/example.com/bob
      ${start} gw-b -> bob INVITE bob
      ${start} bob -> gw-b 180
      ${start} gw -> alice 180
      ${start} bob -> gw-b 200 INVITE
      ${start} gw -> alice 200 INVITE
      ${start} alice -> gw ACK
      ${start} gw-b -> bob ACK
      ${start} alice -> gw INFO
      ${start} gw-b -> bob INFO
      ${start} bob -> gw-b 200 INFO
      ${start} gw -> alice 200 INFO
      ${start} bob -> gw-b INFO
      ${start} gw -> alice INFO
      ${start} alice -> gw 200 INFO
      ${start} gw-b -> bob 200 INFO
      ${start} bob -> gw-b BYE
      ${start} gw -> alice BYE
      ${start} alice -> gw 200 BYE
      ${start} gw-b -> bob 200 BYE
    `)
    const invite = bob.last(({ isRequest, method }) => isRequest && method === 'INVITE')
    assert.equal(invite.headers('Route').length, 0)
    assert.match(invite.headers('Record-Route')[1]!, /^<sip:flow\.[\w-]+@10\.0\.0\.2:5060;transport=tcp;lr>$/)
    await end(both)
  })

  test(`the caller cancels while it rings behind the other gateway (${transport})`, async () => {
    const both = await two(ringing, { hides: (label) => label === '100' })
    const { w, alice } = both
    const bob = await registered(w)
    await alice.invites('bob')
    await alice.cancels()
    assert.equal(alice.finalStatus, 487)
    assert.equal(bob.incoming.at(-1)?.state, 'ended')
    await end(both)
  })
}

test('a web page is called from either gateway, over the WebSocket that one of them has (RFC 7118 5)', async () => {
  const w = await world({ app: ringing, gateway: { id: 'gw', cluster: { pool: 'east' } } })
  const at = { address: B.address, advertisedHost: B.address }
  const listeners = (['udp', 'tcp', 'ws'] as const).map((transport) => {
    const port = transport === 'ws' ? 80 : 5060
    return { transport, ...at, port, advertisedPort: port }
  })
  const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' }, listeners })
  await w.advance(1500)
  const b = await starting
  const alice = await w.phone('alice')
  const bob = await w.phone('bob', { gateway: { ...B, port: 80 }, transport: 'ws' })
  await bob.registers()
  await alice.invites('bob')
  assert.match(bob.ringing.invite.header('Via'), /^SIP\/2\.0\/WS 10\.0\.0\.2:80;/)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  bob.last(({ method, isRequest }) => method === 'BYE' && isRequest)
  await alice.registers()
  await bob.invites('alice')
  await alice.answers()
  assert.equal(bob.finalStatus, 200)
  await bob.hangsUp()
  alice.last(({ method, isRequest }) => method === 'BYE' && isRequest)
  await end({ w, b, alice, start: 0 })
})

test('a connection that has gone is no way any more: the call fails at once, and not by silence', async () => {
  const both = await two(ringing)
  const { w, alice } = both
  const bob = await phoneAtB(w, { transport: 'tcp' })
  await bob.registers()
  await bob.vanish()
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 480)
  await end(both)
})

test('a flow that was not signed by a gateway, or is used by anybody else, is refused', async () => {
  const both = await two(ringing)
  const { w, alice } = both
  const bob = await phoneAtB(w, { transport: 'tcp' })
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  const [flow] = alice.outgoing!.routes.filter((route) => route.includes('flow.'))
  const mallory = await w.phone('mallory', { gateway: B })
  const forged = flow!.replace(/flow\.(..)/, (_, first) => `flow.${first === 'AA' ? 'AB' : 'AA'}`)
  for (const route of [flow!, forged]) {
    await mallory.requests('MESSAGE', bob.shownContact, { headers: [['Route', route]] })
    assert.equal(mallory.received.at(-1)?.status, 403)
  }
  await alice.hangsUp()
  await end(both)
})

test('both gateways have the same event in hand: the wait is over once', async () => {
  const both = await two(waiting)
  const { w, b, alice } = both
  await alice.invites('bob')
  const bob = await phoneAtB(w)
  const event = { id: 'twice', type: 'contact.registered', time: 0, attributes: { aor: bob.aor, contact: bob.contact } }
  await Promise.all([w.gateway.publish(event), b.gateway.publish({ ...event, id: 'again' }), bob.registers()])
  await w.advance(0)
  assert.equal(w.ladder.count('wait.resumed'), 1)
  assert.equal(w.ladder.count('gw-b -> bob INVITE'), 1)
  await bob.answers()
  await alice.hangsUp()
  await end(both)
})

test('a call to a phone behind the other gateway is hung up from the middle: both ends get their BYE', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('dtmf', { callId: call.id }, 'screen')
    call.fork(call.contacts)
  })
  app.on('screen', (call) => call.hangup('fax'))
  const both = await two(app)
  const { w, alice } = both
  const bob = await phoneAtB(w, { transport: 'tcp' })
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  await bob.presses('1')
  for (const phone of [alice, bob])
    assert.equal(phone.last(({ method }) => method === 'BYE').headers('Route').length, 0)
  assert.equal(bob.incoming.at(-1)?.state, 'ended')
  await end(both)
})

test('a phone that was sent for by one gateway and comes to the other is called there at once', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, 'late')
    call.fork(call.contacts)
    call.halt('60s')
  })
  app.on('late', (call, event) => call.fork(String(event.contact)))
  const both = await two(app)
  const { w, alice } = both
  const contact = '<sip:bob@192.168.1.5:5060>'
  const atA = await w.phone('bob', { ...pushable('bob'), address: '203.0.113.9' })
  await atA.registers({ contact })
  await atA.vanish()
  await alice.invites('bob')
  const atB = await phoneAtB(w, { address: '203.0.113.9' })
  await atB.registers({ contact })
  await atB.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(both)
})

test('a phone that was pushed by one gateway and registers at the other, when the call is over, is told so there (RFC 3326)', async () => {
  const both = await two(waiting, {
    push: ({ purpose }) => ({ outcome: purpose === 'cancel' ? 'unsupported' : 'accepted' }),
  })
  const { w, alice } = both
  const bob = await phoneAtB(w)
  await bob.registers()
  await bob.vanish()
  await w.advance(10_000)
  await alice.invites('bob')
  await w.advance(2000)
  await alice.cancels()
  await w.advance(1000)
  w.ladder.clear()
  await bob.wakes()
  await w.advance(100)
  assert.deepEqual([w.ladder.count('gw-b -> bob INVITE bob'), w.ladder.count('gw-b -> bob CANCEL')], [1, 1])
  assert.match(bob.last(({ method }) => method === 'CANCEL').header('Reason'), /cause=487/)
  await end(both)
})
