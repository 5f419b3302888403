import assert from 'node:assert/strict'
import { test } from 'node:test'
import dtmfScreening from '../../functions/examples/dtmf-screening.ts'
import { SDP } from '../support/phone.ts'
import type { WireMessage } from '../support/wire.ts'
import { world } from '../support/world.ts'

const isBye = ({ isRequest, method }: WireMessage) => isRequest && method === 'BYE'

/** alice has called bob, and bob has answered. */
async function answered(transport: 'udp' | 'tcp' = 'udp') {
  const w = await world({ app: dtmfScreening })
  const alice = await w.phone('alice', { transport })
  const bob = await w.phone('bob', { transport })
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  w.ladder.clear()
  return { w, alice, bob }
}

test('a digit other than 2 hangs up both ends (RFC 3261 15, RFC 6086)', async () => {
  const { w, bob } = await answered()
  await w.advance(1000)
  await bob.presses('1')
  w.ladder.assert(`
    1000 bob -> gw INFO
    1000 gw -> alice INFO
    1000 alice -> gw 200 INFO
    1000 gw -> function /on/screen subscription.matched
    1000 gw -> bob 200 INFO
    1000 gw -> alice BYE
    1000 alice -> gw 200 BYE
    1000 gw -> bob BYE
    1000 bob -> gw 200 BYE
  `)
  await w.assertQuiet()
  await w.stop()
})

test('each BYE is in the dialog of its receiver: remote target, tags, the next CSeq of the other end, no Route to the router itself (RFC 3261 12.2.1.1)', async () => {
  const { w, alice, bob } = await answered()
  await alice.sendsInDialog('INFO')
  await bob.presses('1')
  const invite = bob.incoming[0]!.invite
  const answer = alice.outgoing!.final!

  const toBob = bob.last(isBye)
  assert.equal(toBob.uri, bob.shownContact)
  assert.equal(toBob.header('Call-ID'), invite.header('Call-ID'))
  assert.equal(toBob.header('From'), invite.header('From'))
  assert.equal(toBob.header('To'), answer.header('To'))
  assert.equal(toBob.cseq, alice.outgoing!.cseq + 1)
  assert.deepEqual(toBob.headers('Route'), [])

  const toAlice = alice.last(isBye)
  assert.equal(toAlice.uri, alice.shownContact)
  assert.equal(toAlice.header('From'), answer.header('To'))
  assert.equal(toAlice.header('To'), invite.header('From'))
  assert.equal(toAlice.cseq, alice.last(({ method }) => method === 'INFO').cseq + 1)
  assert.deepEqual(toAlice.headers('Route'), [])
  assert.equal(toAlice.header('Reason'), 'SIP;text="not the digit asked for"')
  await w.assertQuiet()
  await w.stop()
})

test('the BYE goes along the proxies that are between the router and each end (RFC 3261 12.2.1.1, 16.12.1)', async () => {
  const w = await world({ app: dtmfScreening })
  const edge = await w.phone('edge', { user: 'alice' })
  const far = await w.phone('far')
  const bob = await w.phone('bob')
  await bob.registers({ headers: [['Path', `<sip:${far.options.address}:5060;lr>`]] })
  await edge.invites('bob', { headers: [['Record-Route', `<sip:${edge.options.address}:5060;lr>`]] })
  const { invite, tag } = far.ringing
  assert.deepEqual(invite.headers('Route'), [`<sip:${far.options.address}:5060;lr>`])
  far.ringing.state = 'answered'
  far.respond(invite, 200, { tag, body: SDP, recordRoute: `<sip:${far.options.address}:5060;lr>` })
  await w.advance(0)
  w.ladder.clear()
  await edge.presses('1')
  assert.deepEqual(far.last(isBye).headers('Route'), [`<sip:${far.options.address}:5060;lr>`])
  assert.deepEqual(edge.last(isBye).headers('Route'), [`<sip:${edge.options.address}:5060;lr>`])
  await w.assertQuiet()
  await w.stop()
})

test('the digit 2 keeps the call, and so does a second 2; the next other digit ends it', async () => {
  const { w, bob } = await answered()
  await bob.presses('2')
  await bob.presses('2')
  w.ladder.assert(`
    0 bob -> gw INFO
    0 gw -> alice INFO
    0 alice -> gw 200 INFO
    0 gw -> function /on/screen subscription.matched
    0 gw -> bob 200 INFO
    0 bob -> gw INFO
    0 gw -> alice INFO
    0 alice -> gw 200 INFO
    0 gw -> function /on/screen subscription.matched
    0 gw -> bob 200 INFO
  `)
  assert.equal(w.gateway.counts().dialogs, 1)
  await bob.presses('#')
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.assertQuiet()
  await w.stop()
})

test('a digit comes as application/dtmf, too: the digit alone', async () => {
  const { w, bob } = await answered()
  await bob.sendsInDialog('INFO', { headers: [['Content-Type', 'application/dtmf']], body: '5' })
  assert.equal(w.ladder.count('BYE'), 4)
  await w.assertQuiet()
  await w.stop()
})

test('an INFO that is no digit goes through and fires nothing (RFC 6086)', async () => {
  const { w, bob } = await answered()
  await bob.sendsInDialog('INFO', { headers: [['Content-Type', 'application/media_control+xml']], body: '<x/>' })
  w.ladder.assert(`
    0 bob -> gw INFO
    0 gw -> alice INFO
    0 alice -> gw 200 INFO
    0 gw -> bob 200 INFO
  `)
  await bob.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('either end may press: what the caller dials is screened as well', async () => {
  const { w, alice } = await answered()
  await alice.presses('7')
  assert.equal(w.ladder.count('gw -> bob BYE'), 1)
  assert.equal(w.ladder.count('gw -> alice BYE'), 1)
  await w.assertQuiet()
  await w.stop()
})

test('over TCP both ends get their BYE on the connection they have (RFC 3261 18)', async () => {
  const { w, bob } = await answered('tcp')
  await bob.presses('1')
  assert.equal(w.ladder.count('gw -> bob BYE'), 1)
  assert.equal(w.ladder.count('gw -> alice BYE'), 1)
  await w.assertQuiet()
  await w.stop()
})

test('one end has gone without a word: the other still gets its BYE, and the call is over', async () => {
  const { w, alice, bob } = await answered()
  await bob.vanish()
  await alice.presses('1')
  assert.equal(w.ladder.count('gw -> alice BYE'), 1)
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.assertQuiet()
  await w.stop()
})

test('a BYE crosses the hangup: both are answered, and nothing is left (RFC 3261 15.1.2)', async () => {
  const { w, alice, bob } = await answered()
  await Promise.all([bob.presses('1'), alice.hangsUp()])
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.assertQuiet()
  await w.stop()
})

test('a digit before the answer: the caller gets a final response, the phone a CANCEL (RFC 3261 16.10)', async () => {
  const w = await world({ app: dtmfScreening })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  w.ladder.clear()
  await w.publish('dtmf', { callId: alice.outgoing!.invite.header('Call-ID'), digit: '1', source: 'rtp' })
  w.ladder.assert(`
    0 gw -> function /on/screen subscription.matched
    0 gw -> alice 480 INVITE
    0 alice -> gw ACK
    0 gw -> bob CANCEL
    0 bob -> gw 200 CANCEL
    0 bob -> gw 487 INVITE
    0 gw -> bob ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the digit 2 before the answer lets it ring on', async () => {
  const w = await world({ app: dtmfScreening })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  await w.publish('dtmf', { callId: alice.outgoing!.invite.header('Call-ID'), digit: '2', source: 'rtp' })
  assert.equal(alice.finalStatus, 0)
  await bob.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a digit of another call fires nothing', async () => {
  const { w } = await answered()
  assert.equal(await w.publish('dtmf', { callId: 'another', digit: '1', source: 'rtp' }), 0)
  assert.equal(w.gateway.counts().dialogs, 1)
  const [call] = w.gateway.calls.list(1)
  await w.publish('dtmf', { callId: call!.callId, digit: '1', source: 'rtp' })
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.assertQuiet()
  await w.stop()
})

test('a digit after the call has ended fires nothing', async () => {
  const { w, alice, bob } = await answered()
  const callId = alice.outgoing!.invite.header('Call-ID')
  await bob.hangsUp()
  assert.equal(await w.publish('dtmf', { callId, digit: '1', source: 'rtp' }), 0)
  await w.assertQuiet()
  await w.stop()
})
