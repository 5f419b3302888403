import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import linear from '../../functions/examples/linear.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** bob has a desk phone that is awake, and a phone that sleeps; there is a voicemail. */
async function office() {
  const media = { ...nobodyElse, addresses: async (host: string) => (host === 'media.example.com' ? ['10.0.9.9'] : []) }
  const w = await world({ app: linear, resolver: media })
  const alice = await w.phone('alice')
  const desk = await w.phone('desk', { user: 'bob', instance: 'urn:uuid:desk' })
  await desk.registers()
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  const voicemail = await w.phone('voicemail', { address: '10.0.9.9', rings: false })
  w.ladder.clear()
  return { w, alice, desk, phone, voicemail }
}
const nobodyElse = { naptr: async () => [], srv: async () => [] }

test('the desk phone answers: the function is asked again, has nothing to do, and nobody is pushed', async () => {
  const { w, alice, desk } = await office()
  await alice.invites('bob')
  await w.advance(5000)
  await desk.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> desk INVITE bob
    0 desk -> gw 180
    0 gw -> alice 180
    5000 desk -> gw 200 INVITE
    5000 gw -> alice 200 INVITE
    5000 alice -> gw ACK
    5000 gw -> desk ACK
    5000 gw -> function /invite/example.com/bob wait.resumed
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the desk phone is silent for 15 s: it is cancelled, the phone is pushed, registers and answers', async () => {
  const { w, alice, phone } = await office()
  await alice.invites('bob')
  await w.advance(18_000)
  await phone.wakes()
  await w.advance(2000)
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> desk INVITE bob
    0 desk -> gw 180
    0 gw -> alice 180
    15000 gw -> function /invite/example.com/bob wait.timed_out
    15000 gw -> desk CANCEL
    15000 desk -> gw 200 CANCEL
    15000 desk -> gw 487 INVITE
    15000 gw -> push urn:uuid:phone
    15000 gw -> desk ACK
    18000 phone -> gw REGISTER
    18000 gw -> phone 200 REGISTER
    18000 gw -> function /invite/example.com/bob wait.resumed
    18000 gw -> phone INVITE bob
    18000 phone -> gw 180
    18000 gw -> alice 180
    20000 phone -> gw 200 INVITE
    20000 gw -> alice 200 INVITE
    20000 alice -> gw ACK
    20000 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('nobody answers and nobody comes: after 15 s and 25 s the call goes to the voicemail', async () => {
  const { w, alice, voicemail } = await office()
  await alice.invites('bob')
  await w.advance(40_000)
  await voicemail.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> desk INVITE bob
    0 desk -> gw 180
    0 gw -> alice 180
    15000 gw -> function /invite/example.com/bob wait.timed_out
    15000 gw -> desk CANCEL
    15000 desk -> gw 200 CANCEL
    15000 desk -> gw 487 INVITE
    15000 gw -> push urn:uuid:phone
    15000 gw -> desk ACK
    40000 gw -> function /invite/example.com/bob wait.timed_out
    40000 gw -> voicemail INVITE voicemail
    40000 voicemail -> gw 200 INVITE
    40000 gw -> alice 200 INVITE
    40000 alice -> gw ACK
    40000 gw -> voicemail ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the desk phone declines: the wait for the phone begins at once', async () => {
  const { w, alice, desk, phone } = await office()
  await alice.invites('bob')
  await w.advance(2000)
  await desk.declines()
  await w.advance(1000)
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> desk INVITE bob
    0 desk -> gw 180
    0 gw -> alice 180
    2000 desk -> gw 486 INVITE
    2000 gw -> desk ACK
    2000 gw -> function /invite/example.com/bob wait.resumed
    2000 gw -> push urn:uuid:phone
    3000 phone -> gw REGISTER
    3000 gw -> phone 200 REGISTER
    3000 gw -> function /invite/example.com/bob wait.resumed
    3000 gw -> phone INVITE bob
    3000 phone -> gw 180
    3000 gw -> alice 180
    3000 phone -> gw 200 INVITE
    3000 gw -> alice 200 INVITE
    3000 alice -> gw ACK
    3000 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the phone registers while the desk still rings: what is waited for afterwards is the REGISTER that the push brings', async () => {
  const { w, alice, phone } = await office()
  await alice.invites('bob')
  await w.advance(5000)
  await phone.wakes()
  await w.advance(10_000)
  assert.equal(phone.incoming.length, 0)
  assert.equal(w.pushes.length, 1)
  await w.advance(1000)
  await phone.registers()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the caller gives up while the call waits for the phone: 487 at once, and nothing of it is left (RFC 3261 9.2)', async () => {
  const { w, alice, phone } = await office()
  await alice.invites('bob')
  await w.advance(20_000)
  w.ladder.clear()
  await alice.cancels()
  await phone.wakes()
  w.ladder.assert(`
    20000 alice -> gw CANCEL
    20000 gw -> push urn:uuid:phone cancel
    20000 gw -> alice 200 CANCEL
    20000 gw -> alice 487 INVITE
    20000 alice -> gw ACK
    20000 phone -> gw REGISTER
    20000 gw -> phone 200 REGISTER
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the CANCEL of a desk phone that has rung too long has a Reason (RFC 3326)', async () => {
  const { w, alice, desk } = await office()
  await alice.invites('bob')
  await w.advance(15_000)
  const { length } = desk.last(({ method }) => method === 'CANCEL').headers('Reason')
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
  assert.equal(length, 1)
})

/** bob has two phones at desks, by name; what comes of each `ring` is noted. */
async function rung(handler: (call: Call) => Promise<unknown>, options: WorldOptions = {}) {
  const sip = new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
  const w = await world({ app: sip, ...options })
  const alice = await w.phone('alice')
  const one = await w.phone('one', { user: 'bob' })
  const other = await w.phone('other', { user: 'bob' })
  await one.registers()
  await other.registers()
  w.ladder.clear()
  return { w, alice, one, other }
}

test('a phone that has rung in vain is rung again together with another one: once it has said that it rings no more', async () => {
  const { w, alice, one, other } = await rung(async (call) => {
    const [first, second] = call.contacts
    const desk = await call.ring([first!.uri], { for: '10s' })
    if (desk.answered) return
    const both = await call.ring([second!.uri, first!.uri], { for: '10s' })
    if (!both.answered) call.reply(both.status)
  })
  await alice.invites('bob')
  await w.advance(11_000)
  w.ladder.assert(`
       0 alice -> gw INVITE bob
       0 gw -> function /invite/example.com/bob
       0 gw -> alice 100
       0 gw -> one INVITE bob
       0 one -> gw 180
       0 gw -> alice 180
   10000 gw -> function /invite/example.com/bob wait.timed_out
   10000 gw -> one CANCEL
   10000 one -> gw 200 CANCEL
   10000 one -> gw 487 INVITE
   10000 gw -> other INVITE bob
   10000 other -> gw 180
   10000 gw -> one ACK
   10000 gw -> one INVITE bob
   10000 one -> gw 180
   10000 gw -> alice 180
   10000 gw -> alice 180
  `)
  await one.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(other.incoming[0]!.state, 'ended')
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

for (const picksUp of [true, false])
  test(`a phone that does not hear that it is to stop is not rung again${picksUp ? ', and can still pick up' : ''}`, async () => {
    const { w, alice, one } = await rung(async (call) => {
      const [first] = call.contacts
      await call.ring([first!.uri], { for: '10s' })
      await call.ring([first!.uri], { for: '10s' })
    })
    await alice.invites('bob')
    w.network.silent(one.options.address, one.port)
    await w.advance(12_000)
    assert.equal(alice.finalStatus, 0)
    if (picksUp) await one.answers()
    await w.advance(40_000)
    assert.equal(alice.finalStatus, picksUp ? 200 : 480)
    assert.equal(one.incoming.length, 1)
    assert.equal(w.ladder.count('INVITE bob'), 2)
    if (picksUp) await alice.hangsUp()
    await w.advance(200_000)
    await w.stop()
  })

test('a phone that declines everywhere (603) ends the ring at once: the others are cancelled, and the handler hears it', async () => {
  const outcomes: unknown[] = []
  const { w, alice, one, other } = await rung(async (call) => {
    const outcome = await call.ring(call.contacts, { for: '10s' })
    outcomes.push(outcome)
    call.reply(outcome.status)
  })
  await alice.invites('bob')
  await w.advance(1000)
  await one.declines(603)
  assert.deepEqual(outcomes.at(-1), { answered: false, status: 603 })
  assert.equal(other.incoming[0]!.state, 'ended')
  assert.equal(alice.finalStatus, 603)
  await w.assertQuiet()
  await w.stop()
})

test('to ring nobody is 480 at once', async () => {
  const { w, alice } = await rung(async (call) => {
    const outcome = await call.ring([], { for: '10s' })
    call.reply(outcome.status)
  })
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})

test('a handler that goes on after the call has ended, and would look up, subscribe and wait, leaves nothing in the store', async () => {
  const outlives = { gateway: { cluster: { pool: 'east' } } }
  const { w, alice, one, other } = await rung(async (call) => {
    const [first, second] = call.contacts
    call.fork(first!.uri)
    await call.ring([second!.uri], { for: '10s' })
    call.subscribe('news', {}, [{ action: 'fork', targets: ['sip:bob@10.0.9.9'] }])
    await call.lookup('sip:bob@example.com')
    await call.wait('contact.registered', { aor: call.aor }, '10s')
  }, outlives)
  await alice.invites('bob')
  await w.advance(1000)
  await one.declines(603)
  assert.equal(alice.finalStatus, 603)
  assert.equal(other.incoming[0]!.state, 'ended')
  await w.advance(100)
  assert.equal(await w.publish('news', {}), 0)
  assert.deepEqual(await w.store.suspended('gw'), [])
  await w.assertQuiet()
  const stopped = w.stop()
  await w.advance(1000)
  await stopped
})
