import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import { type World, world } from '../support/world.ts'

/** Phones whose CANCEL is lost, and who answer all the same. */

async function losingCancels(app: SipRouter) {
  const w = await world({ app })
  const alice = await w.phone('alice')
  const desk = await w.phone('desk', { user: 'bob' })
  const mobile = await w.phone('mobile', { user: 'bob' })
  await desk.registers()
  await mobile.registers({ q: 0.5 })
  w.network.onDatagram((_from, _to, octets) => Buffer.from(octets).toString().startsWith('CANCEL'))
  w.ladder.clear()
  return { w, alice, desk, mobile }
}

async function over(w: World): Promise<void> {
  await w.assertQuiet()
  await w.stop()
}

test('a phone answers although the function has hung up: the router takes the call off it with ACK and BYE (RFC 3261 16.7 step 5, 13.2.2.4)', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('end', {}, 'end')
    call.fork(call.contacts)
  })
  app.on('end', (call) => call.hangup('not today', { status: 603 }))
  const { w, alice, desk } = await losingCancels(app)
  await alice.invites('bob')
  await w.publish('end', {})
  assert.equal(alice.finalStatus, 603)
  await w.advance(300)
  w.ladder.clear()
  await desk.answers()
  w.ladder.assert(`
    300 desk -> gw 200 INVITE
    300 gw -> desk ACK
    300 gw -> desk BYE
    300 desk -> gw 200 BYE
  `)
  const { invite, tag } = desk.incoming[0]!
  const bye = desk.last(({ method }) => method === 'BYE')
  assert.equal(bye.uri, desk.shownContact)
  assert.equal(bye.header('From'), invite.header('From'))
  assert.equal(bye.tag('To'), tag)
  assert.equal(bye.cseq, invite.cseq + 1)
  assert.equal(desk.last(({ method }) => method === 'ACK').cseq, invite.cseq)
  await over(w)
})

test('a phone whose time was over answers while the next one rings: the call is its, and the next is cancelled (RFC 3261 16.7 step 5)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => call.fork(call.contacts, { ringFor: '5s' }))
  const { w, alice, desk, mobile } = await losingCancels(app)
  await alice.invites('bob')
  await w.advance(5000)
  assert.equal(mobile.ringing.state, 'ringing')
  w.network.onDatagram(() => false)
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(mobile.incoming[0]?.state, 'ended')
  await alice.hangsUp()
  assert.equal(w.ladder.count('gw -> desk BYE'), 1)
  await over(w)
})

test('the caller has cancelled and its phone never heard: 487 after 64*T1 at the latest (RFC 3261 9.1)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => call.fork(call.contacts[0]!))
  const { w, alice } = await losingCancels(app)
  await alice.invites('bob')
  await alice.cancels()
  // The caller's own CANCEL is a datagram, too.
  assert.equal(w.ladder.count('gw -> alice 200 CANCEL'), 0)
  w.network.onDatagram(
    (_from, to, octets) =>
      to.port === 5060 && to.address !== '10.0.0.1' && Buffer.from(octets).toString().startsWith('CANCEL'),
  )
  await alice.cancels()
  assert.equal(w.ladder.count('gw -> alice 200 CANCEL'), 1)
  await w.advance(31_999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(alice.finalStatus, 487)
  await over(w)
})

test('an answer that comes when its branch is gone for 64*T1 is dropped (RFC 6026 7.2)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => call.fork(call.contacts[0]!))
  const { w, alice, desk } = await losingCancels(app)
  await alice.invites('bob')
  w.network.onDatagram(
    (_from, to, octets) => to.address !== '10.0.0.1' && Buffer.from(octets).toString().startsWith('CANCEL'),
  )
  await alice.cancels()
  await w.advance(32_001)
  assert.equal(alice.finalStatus, 487)
  w.ladder.clear()
  await desk.answers()
  w.ladder.assert(`
    32001 desk -> gw 200 INVITE
  `)
  await over(w)
})
