import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from '../../functions/sdk/index.ts'
import { createRandomIds } from '../../gateway/system.ts'
import type { World } from '../support/world.ts'
import { cancelOf, forksTo, inDialog, peer, streamPeer } from './peer.ts'
import { acknowledges, answered, assertWire, BOB, CAROL, hangsUp, over, ringing, scene } from './scene.ts'

const IN_TURN = { mode: 'sequential' } as const
/** Tries bob, then carol. */
const bobThenCarol = forksTo([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], IN_TURN)

/** When the gateway sent that to whom. */
function times(w: World, to: string, label: string): number[] {
  return w.ladder.arrows.filter((arrow) => arrow.to === to && arrow.label === label).map(({ at }) => at)
}

test('CT1 an INVITE to a silent UDP target is sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s; at 32 s the next target is tried (RFC 3261 17.1.1.2)', async () => {
  const { w, alice } = await scene({ app: bobThenCarol })
  const carol = await peer(w, 'carol', { address: CAROL })
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await w.advance(32_000)
  assert.deepEqual(times(w, 'bob', 'INVITE'), [0, 500, 1500, 3500, 7500, 15_500, 31_500])
  assert.deepEqual(times(w, 'carol', 'INVITE'), [32_000])
  await carol.answers(carol.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  await over(w)
})

test('CT2 an INVITE to a silent TCP target is sent once, and the caller gets 408 at 32 s (RFC 3261 17.1.1.2)', async () => {
  const { w, alice } = await scene({ app: forksTo('sip:tina@10.0.0.40;transport=tcp') })
  await (await streamPeer(w, 'tina', { address: '10.0.0.40' })).listens()
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await w.advance(32_000)
  await acknowledges(alice, invite, 408)
  assertWire(
    w,
    `
    0 alice -> gw INVITE
    0 gw -> alice 100
    0 gw -> tina INVITE
    32000 gw -> alice 408 INVITE
    32000 alice -> gw ACK
  `,
  )
  await over(w)
})

test('CT3 a MESSAGE to a silent UDP target is repeated up to every T2 and given up at 32 s (RFC 3261 17.1.2.2)', async () => {
  const { w, alice } = await scene()
  await alice.sends(alice.request('MESSAGE'))
  await w.advance(60_000)
  const sent = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
  assert.deepEqual(times(w, 'bob', 'MESSAGE'), sent)
  assert.equal(w.gateway.counts().clientTransactions, 0)
  await over(w)
})

test('CT4 after a 100 a MESSAGE is repeated every T2 and still given up at 32 s (RFC 3261 17.1.2.2)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('MESSAGE'))
  await bob.answers(bob.last('MESSAGE'), 100)
  await w.advance(60_000)
  assert.deepEqual(times(w, 'bob', 'MESSAGE'), [0, 500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500])
  assert.deepEqual(alice.received, [])
  await over(w)
})

test('CT5 Timer C starts anew with every 101 to 199; when it ends the branch is cancelled and the caller gets 408 (RFC 3261 16.6, 16.8)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  await w.advance(100_000)
  await bob.answers(bob.last('INVITE'), 183)
  await w.advance(100_000)
  await bob.answers(bob.last('INVITE'), 100)
  await w.advance(84_999)
  assert.equal(bob.all('CANCEL').length, 0)
  await w.advance(1)
  await acknowledges(alice, invite, 408)
  await bob.answers(bob.last('CANCEL'), 200)
  await bob.answers(bob.last('INVITE'), 487)
  assertWire(
    w,
    `
    100000 bob -> gw 183
    100000 gw -> alice 183
    200000 bob -> gw 100
    285000 gw -> bob CANCEL
    285000 gw -> alice 408 INVITE
    285000 alice -> gw ACK
    285000 bob -> gw 200 CANCEL
    285000 bob -> gw 487 INVITE
    285000 gw -> bob ACK
  `,
  )
  await over(w)
})

test('CT6 the ACK to a 486 has the Request-URI, Via and Route of the INVITE, and is repeated for each repeat for 32 s (RFC 3261 17.1.1.3)', async () => {
  const { w, alice, bob } = await scene({ app: new SipRouter().invite('/*', (call) => call.fork(call.uri)) })
  const route: [string, string] = ['Route', `<sip:10.0.0.1;lr>, <sip:${BOB};lr>`]
  const invite = alice.request('INVITE', { uri: 'sip:far@away.example.net', headers: [route] })
  await alice.sends(invite)
  const sent = bob.last('INVITE')
  const busy = bob.response(sent, 486)
  await bob.sends(busy)
  await acknowledges(alice, invite, 486)
  await w.advance(31_999)
  await bob.sends(busy)
  await w.advance(1)
  await bob.sends(busy)
  assert.deepEqual(times(w, 'bob', 'ACK'), [0, 31_999])
  assert.equal(alice.all('486 INVITE').length, 1)
  for (const ack of bob.all('ACK')) {
    assert.equal(ack.uri, 'sip:far@away.example.net')
    assert.deepEqual(ack.headers('Route'), [`<sip:${BOB};lr>`])
    assert.deepEqual(ack.headers('Via'), sent.headers('Via').slice(0, 1))
    assert.equal(ack.tag('To'), 'to-bob')
    assert.equal(ack.header('CSeq'), '1 ACK')
  }
  await over(w)
})

for (const [what, first] of [
  ['UDP target that refuses', `sip:bob@${BOB}`],
  ['TCP target that refuses', `sip:bob@${BOB};transport=tcp`],
] as const) {
  test(`CT7 a ${what} fails at once, and the next target is tried (RFC 3261 16.9, 18.4)`, async () => {
    const { w, alice } = await scene({ app: forksTo([first, `sip:carol@${CAROL}`], IN_TURN) })
    const carol = await peer(w, 'carol', { address: CAROL })
    w.network.refuses(BOB, 5060)
    const invite = alice.request('INVITE')
    await alice.sends(invite)
    await w.advance(0)
    await carol.answers(carol.last('INVITE'), 486)
    await acknowledges(alice, invite, 486)
    assertWire(
      w,
      `
      0 alice -> gw INVITE
      0 gw -> alice 100
      0 gw -> carol INVITE
      0 carol -> gw 486 INVITE
      0 gw -> carol ACK
      0 gw -> alice 486 INVITE
      0 alice -> gw ACK
    `,
    )
    await over(w)
  })
}

test('CT8 a branch is the magic cookie and an id of at least 64 random bits, a new one for every request sent (RFC 3261 8.1.1.7)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('MESSAGE'), alice.request('MESSAGE'))
  const branches = bob.all('MESSAGE').map(({ branch }) => branch)
  assert.match(branches[0]!, /^z9hG4bKbranch1\.[0-9a-f]+$/)
  assert.match(branches[1]!, /^z9hG4bKbranch2\.[0-9a-f]+$/)
  const ids = createRandomIds()
  const drawn = Array.from({ length: 10_000 }, () => ids.next('branch'))
  assert.equal(new Set(drawn).size, drawn.length)
  for (const id of drawn) assert.match(id, /^[0-9a-f]{16,}$/)
  await over(w)
})

for (const [title, change] of [
  [
    'CT9 a response with another method in its CSeq',
    (text: string) => text.replace('CSeq: 1 INVITE', 'CSeq: 1 OPTIONS'),
  ],
  [
    'CT10 a response whose topmost Via has another sent-by',
    (text: string) => text.replace('UDP 10.0.0.1:5060', 'UDP 10.0.0.1:5061'),
  ],
  [
    'CT11 a response with a branch that nobody has',
    (text: string) => text.replace('branch=z9hG4bK', 'branch=z9hG4bKno'),
  ],
] as const) {
  test(`${title} is dropped and counted (RFC 3261 17.1.3, 18.1.2)`, async () => {
    const s = await scene()
    const { w, alice, bob } = s
    const invite = await ringing(s)
    await bob.sends(change(bob.response(bob.last('INVITE'), 200)))
    assert.deepEqual(alice.all('200 INVITE'), [])
    assert.equal(w.counters.get('unmatched responses'), 1)
    await bob.answers(bob.last('INVITE'), 486)
    await acknowledges(alice, invite, 486)
    await over(w)
  })
}

test('CT12 a response without a Via below ours goes to nobody; an answered phone is taken off the call (RFC 3261 16.7 step 3)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  const onlyOurs = (text: string) => text.replace(/\r\nVia: [^\r]*10\.0\.0\.10[^\r]*/, '')
  await bob.sends(onlyOurs(bob.response(bob.last('INVITE'), 183)), onlyOurs(bob.response(bob.last('INVITE'), 200)))
  assertWire(
    w,
    `
    0 bob -> gw 183
    0 bob -> gw 200 INVITE
    0 gw -> bob ACK
    0 gw -> bob BYE
  `,
  )
  await bob.answers(bob.last('BYE'), 200)
  await alice.sends(cancelOf(invite))
  await acknowledges(alice, invite, 487)
  await over(w)
})

test('CT13 a final response from another address is taken when branch and sent-by fit, and counted (RFC 3261 17.1.3)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  const elsewhere = await peer(w, 'elsewhere')
  await elsewhere.answers(bob.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  assert.equal(w.counters.get('response from another address'), 1)
  await over(w)
})

test('CT14 after a 200 provisional and failure responses of the same branch are dropped (RFC 6026 7.2)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const ok = await answered(s)
  await bob.answers(bob.last('INVITE'), 183)
  await bob.answers(bob.last('INVITE'), 486)
  assertWire(w, '0 bob -> gw 183\n0 bob -> gw 486 INVITE')
  await hangsUp({ w, alice, bob }, ok)
  await over(w)
})

test('CT14 a 200 after the 486 of the same branch goes to the caller while another branch keeps the call open (RFC 3261 16.7 step 5)', async () => {
  const s = await scene({ app: forksTo([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], { mode: 'parallel' }) })
  const { w, alice, bob } = s
  const carol = await peer(w, 'carol', { address: CAROL })
  await alice.sends(alice.request('INVITE'))
  await carol.answers(carol.last('INVITE'), 180)
  await bob.answers(bob.last('INVITE'), 486)
  w.ladder.clear()
  await bob.answers(bob.last('INVITE'), 180)
  await bob.answers(bob.last('INVITE'), 200)
  const ok = alice.last('200 INVITE')
  await alice.sends(inDialog(alice, 'ACK', ok))
  assertWire(
    w,
    `
    0 bob -> gw 180
    0 bob -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    0 gw -> carol CANCEL
    0 alice -> gw ACK
    0 gw -> bob ACK
  `,
  )
  await hangsUp(s, ok)
  await over(w)
})

test('CT14 a 200 after the caller has got its 486 is not sent on: the phone gets ACK and BYE (RFC 3261 16.7 step 5)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  await bob.answers(bob.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
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
  assert.equal(w.gateway.counts().dialogs, 0)
  await over(w)
})
