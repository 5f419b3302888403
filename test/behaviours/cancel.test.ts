import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from '../../functions/sdk/index.ts'
import { settled } from '../support/fake-clock.ts'
import { cancelOf, forksTo, inDialog, peer } from './peer.ts'
import { acknowledges, assertWire, BOB, CAROL, hangsUp, over, ringing, scene } from './scene.ts'

const bobAndCarol = forksTo([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], { mode: 'parallel' })

test('CA1 a CANCEL is answered 200 at once, every ringing branch is cancelled, and 487 follows when all have ended (RFC 3261 9.2, 16.10)', async () => {
  const s = await scene({ app: bobAndCarol })
  const { w, alice, bob } = s
  const carol = await peer(w, 'carol', { address: CAROL })
  const invite = await ringing(s)
  await carol.answers(carol.last('INVITE'), 180)
  w.ladder.clear()
  await alice.sends(cancelOf(invite))
  await bob.answers(bob.last('CANCEL'), 200)
  await carol.answers(carol.last('CANCEL'), 200)
  await bob.answers(bob.last('INVITE'), 487)
  await carol.answers(carol.last('INVITE'), 487)
  await acknowledges(alice, invite, 487)
  assertWire(
    w,
    `
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> bob CANCEL
    0 gw -> carol CANCEL
    0 bob -> gw 200 CANCEL
    0 carol -> gw 200 CANCEL
    0 bob -> gw 487 INVITE
    0 gw -> bob ACK
    0 carol -> gw 487 INVITE
    0 gw -> carol ACK
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
  `,
  )
  await over(w)
})

test('CA2 a branch that has said nothing gets its CANCEL with its first 1xx, and does not hold up the 487 (RFC 3261 9.1)', async () => {
  const { w, alice, bob } = await scene()
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await alice.sends(cancelOf(invite))
  await acknowledges(alice, invite, 487)
  await w.advance(400)
  await bob.answers(bob.last('INVITE'), 180)
  await bob.answers(bob.last('CANCEL'), 200)
  await bob.answers(bob.last('INVITE'), 487)
  assertWire(
    w,
    `
    0 alice -> gw INVITE
    0 gw -> alice 100
    0 gw -> bob INVITE
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
    400 bob -> gw 180
    400 gw -> bob CANCEL
    400 bob -> gw 200 CANCEL
    400 bob -> gw 487 INVITE
    400 gw -> bob ACK
  `,
  )
  await over(w)
})

test('CA2 a branch that stays silent is never sent a CANCEL and times out by itself (RFC 3261 9.1)', async () => {
  const { w, alice, bob } = await scene()
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await w.advance(100)
  await alice.sends(cancelOf(invite))
  await acknowledges(alice, invite, 487)
  await w.advance(40_000)
  assert.equal(bob.all('CANCEL').length, 0)
  assert.equal(bob.all('INVITE').length, 7)
  assert.equal(w.gateway.counts().clientTransactions, 0)
  await over(w)
})

test('CA3 a CANCEL that comes after the 200 is answered and does nothing (RFC 3261 9.2)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  await bob.answers(bob.last('INVITE'), 200)
  await alice.sends(cancelOf(invite))
  assertWire(
    w,
    `
    0 bob -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
  `,
  )
  await hangsUp(s, alice.last('200 INVITE'))
  await over(w)
})

test('CA3 a 200 that comes after the CANCEL goes to the caller all the same (RFC 3261 16.10, 9.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  await alice.sends(cancelOf(invite))
  await bob.answers(bob.last('INVITE'), 200)
  const ok = alice.last('200 INVITE')
  await alice.sends(inDialog(alice, 'ACK', ok))
  await bob.answers(bob.last('CANCEL'), 481)
  assertWire(
    w,
    `
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> bob CANCEL
    0 bob -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    0 alice -> gw ACK
    0 gw -> bob ACK
    0 bob -> gw 481 CANCEL
  `,
  )
  await hangsUp(s, ok)
  await over(w)
})

test('CA4 a CANCEL of nothing is answered 481, and goes to nobody (RFC 3261 9.2)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(cancelOf(alice.request('INVITE')))
  assertWire(w, '0 alice -> gw CANCEL\n0 gw -> alice 481 CANCEL')
  assert.deepEqual(bob.received, [])
  await over(w)
})

test('CA5 a branch that never says 487 is given up 64*T1 after its CANCEL, and the caller gets 487 (RFC 3261 9.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  await alice.sends(cancelOf(invite))
  await bob.answers(bob.last('CANCEL'), 200)
  await w.advance(32_000)
  await acknowledges(alice, invite, 487)
  assertWire(
    w,
    `
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> bob CANCEL
    0 bob -> gw 200 CANCEL
    32000 gw -> alice 487 INVITE
    32000 alice -> gw ACK
  `,
  )
  await over(w)
})

test('CA6 the Reason of the caller’s CANCEL is copied into ours (RFC 3326)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  const reason = 'Q.850;cause=16;text="Terminated"'
  await alice.sends(cancelOf(invite, [['Reason', reason]]))
  assert.deepEqual(bob.last('CANCEL').headers('Reason'), [reason])
  await over(w)
})

test('CA6 the losers of a fork are told that the call was completed elsewhere (RFC 3326)', async () => {
  const s = await scene({ app: bobAndCarol })
  const { w, alice, bob } = s
  const carol = await peer(w, 'carol', { address: CAROL })
  await ringing(s)
  await carol.answers(carol.last('INVITE'), 200)
  assert.deepEqual(bob.last('CANCEL').headers('Reason'), ['SIP;cause=200;text="Call completed elsewhere"'])
  await alice.sends(inDialog(alice, 'BYE', alice.last('200 INVITE')))
  await carol.answers(carol.last('BYE'), 200)
  await over(w)
})

test('CA7 a suspended INVITE that is cancelled gets 487 at once; the event it waited for does nothing any more (RFC 3261 9.2)', async () => {
  const app = new SipRouter().invite('/*', async (call) => {
    const event = await call.wait('pickup', { user: 'bob' }, '60s')
    if (event) call.fork(`sip:bob@${BOB}`)
  })
  const { w, alice, bob } = await scene({ app })
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await w.advance(10_000)
  await alice.sends(cancelOf(invite))
  await acknowledges(alice, invite, 487)
  assert.equal(w.gateway.counts().calls, 0)
  assert.equal(await w.publish('pickup', { user: 'bob' }), 0)
  await w.advance(60_000)
  assert.deepEqual(bob.received, [])
  assertWire(
    w,
    `
    0 alice -> gw INVITE
    0 gw -> alice 100
    10000 alice -> gw CANCEL
    10000 gw -> alice 200 CANCEL
    10000 gw -> alice 487 INVITE
    10000 alice -> gw ACK
  `,
  )
  await over(w)
})

test('CA7 an INVITE that is cancelled while its function thinks gets 487 at once; the late answer does nothing', async () => {
  let decide: () => void = () => {}
  const app = new SipRouter().invite('/*', async (call) => {
    await new Promise<void>((resolve) => {
      decide = resolve
    })
    call.fork(`sip:bob@${BOB}`)
  })
  const { w, alice, bob } = await scene({ app })
  const invite = alice.request('INVITE')
  await alice.sends(invite, cancelOf(invite))
  await acknowledges(alice, invite, 487)
  decide()
  await settled()
  assert.deepEqual(bob.received, [])
  await over(w)
})

test('CA8 a CANCEL of a MESSAGE is answered 200 and changes nothing (RFC 3261 9.1, 9.2)', async () => {
  const { w, alice, bob } = await scene()
  const message = alice.request('MESSAGE')
  await alice.sends(message, cancelOf(message))
  await bob.answers(bob.last('MESSAGE'), 200)
  assertWire(
    w,
    `
    0 alice -> gw MESSAGE
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> bob MESSAGE
    0 bob -> gw 200 MESSAGE
    0 gw -> alice 200 MESSAGE
  `,
  )
  await over(w)
})
