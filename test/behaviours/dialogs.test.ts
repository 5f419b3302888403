import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uriOf, type WireMessage } from '../support/wire.ts'
import { cancelOf, forksTo, inDialog, type Peer, peer } from './peer.ts'
import { acknowledges, answered, assertWire, BOB, CAROL, hangsUp, over, ringing, scene } from './scene.ts'

/** A request of the callee's in the dialog that its answer to this INVITE has made. */
function ofCallee(bob: Peer, method: string, invite: WireMessage, tag = 'to-bob'): string {
  return bob.request(method, {
    uri: uriOf(invite.header('Contact')),
    fromTag: tag,
    toTag: invite.tag('From'),
    callId: invite.header('Call-ID'),
    headers: invite.headers('Record-Route').map((route): [string, string] => ['Route', route]),
  })
}

test('PRACK and UPDATE go both ways in an early dialog, before the 200 (RFC 3262, RFC 3311)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await ringing(s)
  const early = alice.last('180')
  await alice.sends(inDialog(alice, 'PRACK', early, { headers: [['RAck', '1 1 INVITE']] }))
  await bob.answers(bob.last('PRACK'), 200)
  alice.last('200 PRACK')
  await bob.sends(ofCallee(bob, 'UPDATE', bob.last('INVITE')))
  await alice.answers(alice.last('UPDATE'), 200)
  bob.last('200 UPDATE')
  await bob.answers(bob.last('INVITE'), 200)
  const ok = alice.last('200 INVITE')
  await hangsUp(s, ok)
  await over(w)
})

test('the callee hangs up: its BYE reaches the caller, and the dialog is gone (RFC 3261 15.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await answered(s)
  await bob.sends(ofCallee(bob, 'BYE', bob.last('INVITE')))
  await alice.answers(alice.last('BYE'), 200)
  bob.last('200 BYE')
  assert.equal(w.gateway.counts().dialogs, 0)
  await over(w)
})

test('both hang up at the same moment: both BYEs are answered, one end is counted (RFC 3261 15.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const ok = await answered(s)
  await Promise.all([alice.sends(inDialog(alice, 'BYE', ok)), bob.sends(ofCallee(bob, 'BYE', bob.last('INVITE')))])
  await alice.answers(alice.last('BYE'), 200)
  await bob.answers(bob.last('BYE'), 200)
  alice.last('200 BYE')
  bob.last('200 BYE')
  assert.deepEqual([w.gateway.counts().dialogs, w.gateway.counts().calls], [0, 0])
  await over(w)
})

test('a BYE to a phone that is gone gets 500 at once, and the dialog is forgotten (RFC 3261 16.9)', async () => {
  const s = await scene()
  const { w, alice } = s
  const ok = await answered(s)
  w.network.refuses(BOB, 5060)
  await alice.sends(inDialog(alice, 'BYE', ok))
  await w.advance(0)
  alice.last('500 BYE')
  assert.equal(w.gateway.counts().dialogs, 0)
  await over(w)
})

test('a re-INVITE is forwarded to the far end alone, can be refused 491 and be cancelled (RFC 3261 14)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const ok = await answered(s)
  const glare = inDialog(alice, 'INVITE', ok)
  await alice.sends(glare)
  await bob.answers(bob.last('INVITE'), 491)
  await acknowledges(alice, glare, 491)
  const second = inDialog(alice, 'INVITE', ok, { cseq: 3 })
  await alice.sends(second)
  await bob.answers(bob.last('INVITE'), 180)
  await alice.sends(cancelOf(second))
  await bob.answers(bob.last('CANCEL'), 200)
  await bob.answers(bob.last('INVITE'), 487)
  await acknowledges(alice, second, 487)
  assert.equal(w.gateway.counts().dialogs, 1)
  await hangsUp(s, ok)
  await over(w)
})

test('a re-INVITE moves the target: later requests to the old Contact’s owner follow the new one (RFC 3261 12.2)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const ok = await answered(s)
  const moved = await peer(w, 'moved', { address: CAROL })
  await alice.sends(inDialog(alice, 'INVITE', ok, { contact: `<${moved.uri}>` }))
  await bob.answers(bob.last('INVITE'), 200)
  await alice.sends(inDialog(alice, 'ACK', ok, { cseq: 2 }))
  const reInvite = bob.last('INVITE')
  assert.equal(uriOf(reInvite.header('Contact')), moved.uri)
  await bob.sends(
    bob.request('BYE', {
      uri: moved.uri,
      fromTag: 'to-bob',
      toTag: 'from-alice',
      callId: reInvite.header('Call-ID'),
      headers: [['Route', '<sip:10.0.0.1:5060;lr>']],
    }),
  )
  await moved.answers(moved.last('BYE'), 200)
  bob.last('200 BYE')
  assert.equal(w.gateway.counts().dialogs, 0)
  await over(w)
})

test('481 to an in-dialog request ends the dialog here as well (RFC 3261 12.2.1.2)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const ok = await answered(s)
  await alice.sends(inDialog(alice, 'INFO', ok))
  await bob.answers(bob.last('INFO'), 481)
  alice.last('481 INFO')
  assert.deepEqual([w.gateway.counts().dialogs, w.gateway.counts().calls], [0, 0])
  await over(w)
})

test('a phone that answers after the caller has hung up is taken off the call: ACK, then BYE (RFC 3261 9.1, 16.7)', async () => {
  const { w, alice, bob } = await scene()
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await alice.sends(cancelOf(invite))
  await acknowledges(alice, invite, 487)
  w.ladder.clear()
  await bob.answers(bob.last('INVITE'), 200)
  await bob.answers(bob.last('BYE'), 200)
  assertWire(
    w,
    `
    0 bob -> gw 200 INVITE
    0 gw -> bob ACK
    0 gw -> bob BYE
    0 bob -> gw 200 BYE
  `,
  )
  await over(w)
})

test('such a phone repeats its 200 until it has its ACK: every repeat is acknowledged, there is one BYE (RFC 3261 13.3.1.4)', async () => {
  const { w, alice, bob } = await scene()
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await alice.sends(cancelOf(invite))
  await acknowledges(alice, invite, 487)
  const ok = bob.response(bob.last('INVITE'), 200)
  await bob.sends(ok)
  await bob.answers(bob.last('BYE'), 200)
  await w.advance(500)
  await bob.sends(ok)
  await w.advance(1000)
  assert.equal(bob.all('ACK').length, 2)
  assert.equal(bob.all('BYE').length, 1)
  await over(w)
})

test('a re-INVITE that is answered after it was cancelled ends no call: each 200 is acknowledged, no BYE is sent (RFC 3261 14.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const ok = await answered(s)
  const reInvite = inDialog(alice, 'INVITE', ok)
  await alice.sends(reInvite)
  await alice.sends(cancelOf(reInvite))
  await acknowledges(alice, reInvite, 487)
  w.ladder.clear()
  const late = bob.response(bob.last('INVITE'), 200)
  await bob.sends(late, late)
  assertWire(
    w,
    `
    0 bob -> gw 200 INVITE
    0 bob -> gw 200 INVITE
    0 gw -> bob ACK
    0 gw -> bob ACK
  `,
  )
  assert.equal(w.gateway.counts().dialogs, 1)
  await hangsUp(s, ok)
  await over(w)
})

test('a MESSAGE that is forked is answered once, whoever else accepts it (RFC 3261 16.7)', async () => {
  const s = await scene({ app: forksTo([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], { mode: 'parallel' }) })
  const { w, alice, bob } = s
  const carol = await peer(w, 'carol', { address: CAROL })
  await alice.sends(alice.request('MESSAGE'))
  await bob.answers(bob.last('MESSAGE'), 200)
  await carol.answers(carol.last('MESSAGE'), 200)
  assert.equal(alice.all('200 MESSAGE').length, 1)
  assert.equal(carol.all('CANCEL').length, 0)
  await over(w)
})

test('a SUBSCRIBE dialog works through the Record-Route alone: NOTIFYs of the far end reach the subscriber (RFC 6665)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('SUBSCRIBE', { headers: [['Event', 'presence']] }))
  const subscribe = bob.last('SUBSCRIBE')
  await bob.answers(subscribe, 200)
  alice.last('200 SUBSCRIBE')
  await bob.sends(ofCallee(bob, 'NOTIFY', subscribe))
  await alice.answers(alice.last('NOTIFY'), 200)
  bob.last('200 NOTIFY')
  assert.equal(w.gateway.counts().dialogs, 0)
  await over(w)
})

test('a call that nobody ends is forgotten after its limit, and its phones may still end it by their routes', async () => {
  const s = await scene({ gateway: { maxDialogMs: 3_600_000 } })
  const { w, alice, bob } = s
  const ok = await answered(s)
  await w.advance(3_599_999)
  assert.equal(w.gateway.counts().dialogs, 1)
  await w.advance(1)
  assert.deepEqual([w.gateway.counts().dialogs, w.gateway.counts().calls], [0, 0])
  await alice.sends(inDialog(alice, 'BYE', ok))
  await bob.answers(bob.last('BYE'), 200)
  alice.last('200 BYE')
  await over(w)
})
