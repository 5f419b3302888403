import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from '../../functions/sdk/index.ts'
import { world } from '../support/world.ts'
import { ackOf, cancelOf, inDialog, peer, streamPeer } from './peer.ts'
import { ALICE, acknowledges, answered, assertWire, BOB, CAROL, hangsUp, over, ringing, scene } from './scene.ts'

/** Functions that never answer. */
const thinksForever = new SipRouter().all('/*', () => new Promise(() => {}))

test('ST1 an INVITE is told 100 without a To tag within 200 ms, however long the function thinks (RFC 3261 17.2.1)', async () => {
  const { w, alice } = await scene({ app: thinksForever })
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await w.advance(200)
  assert.equal(alice.last('100').tag('To'), '')
  await w.advance(3000)
  await acknowledges(alice, invite, 503)
  w.ladder.assert(
    `
    0 alice -> gw INVITE
    0 gw -> function /invite/example.com/bob
    200 gw -> alice 100
  `,
    { until: 'gw -> alice 100' },
  )
  await over(w)
})

test('ST2 a repeated INVITE gets the last provisional response, and the function is asked once (RFC 3261 17.2.1)', async () => {
  const { w, alice, bob } = await scene()
  const invite = alice.request('INVITE')
  await alice.sends(invite, invite)
  await bob.answers(bob.last('INVITE'), 180)
  await alice.sends(invite)
  assert.equal(w.ladder.count('function'), 1)
  assertWire(
    w,
    `
    0 alice -> gw INVITE
    0 alice -> gw INVITE
    0 gw -> alice 100
    0 gw -> bob INVITE
    0 bob -> gw 180
    0 gw -> alice 180
    0 alice -> gw INVITE
    0 gw -> alice 180
  `,
  )
  await over(w)
})

test('ST3 the same branch with another sent-by is another transaction (RFC 3261 17.2.3)', async () => {
  const { w, alice, bob } = await scene()
  const carol = await peer(w, 'carol', { address: CAROL })
  await alice.sends(alice.request('MESSAGE', { branch: 'z9hG4bK-same' }))
  await carol.sends(carol.request('MESSAGE', { branch: 'z9hG4bK-same' }))
  assert.equal(bob.all('MESSAGE').length, 2)
  for (const message of bob.all('MESSAGE')) await bob.answers(message, 200)
  alice.last('200 MESSAGE')
  carol.last('200 MESSAGE')
  await over(w)
})

test('ST4 CANCEL and ACK with the branch of an INVITE belong to it and never become requests of their own (RFC 3261 17.2.3)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  await alice.sends(ackOf(invite, alice.last('100')), cancelOf(invite))
  assertWire(
    w,
    `
    0 alice -> gw ACK
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> bob CANCEL
  `,
  )
  assert.equal(bob.all('INVITE').length, 1)
  await over(w)
})

test('ST5 over UDP a 486 without ACK is resent after 0.5, 1.5, 3.5, 7.5 s and then every T2 until 64*T1 (RFC 3261 17.2.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await ringing(s)
  await bob.answers(bob.last('INVITE'), 486)
  await w.advance(60_000)
  const sent = w.ladder.arrows.filter(({ to, label }) => to === 'alice' && label === '486 INVITE').map(({ at }) => at)
  assert.deepEqual(sent, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
  assert.equal(w.gateway.counts().serverTransactions, 0)
  assert.equal(alice.all('486 INVITE').length, sent.length)
  await over(w)
})

test('ST6 over TCP a 486 without ACK is sent once, and the transaction ends after 64*T1 (RFC 3261 17.2.1)', async () => {
  const { w, bob } = await scene()
  const tina = await (await streamPeer(w, 'tina')).connects()
  await tina.sends(tina.request('INVITE'))
  await bob.answers(bob.last('INVITE'), 486)
  await w.advance(31_999)
  assert.equal(w.gateway.counts().serverTransactions, 1)
  await w.advance(1)
  assert.equal(w.gateway.counts().serverTransactions, 0)
  assert.equal(w.ladder.count('gw -> tina 486'), 1)
  await over(w)
})

test('ST7 the ACK to a 486 and its repeats go no further, for T4 over UDP (RFC 3261 17.2.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = await ringing(s)
  await bob.answers(bob.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  await acknowledges(alice, invite, 486)
  await w.advance(4999)
  await acknowledges(alice, invite, 486)
  assertWire(
    w,
    `
    0 bob -> gw 486 INVITE
    0 gw -> bob ACK
    0 gw -> alice 486 INVITE
    0 alice -> gw ACK
    0 alice -> gw ACK
    4999 alice -> gw ACK
  `,
  )
  assert.equal(w.gateway.counts().serverTransactions, 1)
  await w.advance(1)
  assert.equal(w.gateway.counts().serverTransactions, 0)
  await acknowledges(alice, invite, 486)
  assertWire(w, '5000 alice -> gw ACK')
  await over(w)
})

test('ST8 the ACK to a 2xx goes on along the route set, one hop less, without a transaction (RFC 3261 16.11)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await ringing(s)
  await bob.answers(bob.last('INVITE'), 200)
  const ok = alice.last('200 INVITE')
  const before = w.gateway.counts()
  const route: [string, string] = ['Route', `<sip:bob@${BOB};lr>`]
  await alice.sends(inDialog(alice, 'ACK', ok, { maxForwards: 21, headers: [route] }))
  const ack = bob.last('ACK')
  assert.equal(ack.header('Max-Forwards'), '20')
  assert.deepEqual(ack.headers('Route'), [`<sip:bob@${BOB};lr>`])
  assert.equal(ack.headers('Via').length, 2)
  assert.deepEqual(w.gateway.counts(), before)
  await hangsUp(s, ok)
  await over(w)
})

test('ST9 an INVITE repeated after its 2xx is absorbed for 64*T1, not treated as new (RFC 6026 7.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = alice.request('INVITE')
  const ok = await answered(s, invite)
  await w.advance(31_999)
  await alice.sends(invite)
  assertWire(w, '31999 alice -> gw INVITE')
  assert.equal(bob.all('INVITE').length, 1)
  await hangsUp(s, ok)
  await over(w)
})

test('ST10 a second 2xx with another To tag, from a fork further on, goes to the caller too (RFC 3261 16.7 step 5)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await ringing(s)
  const invite = bob.last('INVITE')
  await bob.answers(invite, 200, { tag: 'one' })
  await bob.answers(invite, 200, { tag: 'two' })
  const oks = alice.all('200 INVITE')
  assert.deepEqual(
    oks.map((ok) => ok.tag('To')),
    ['one', 'two'],
  )
  for (const ok of oks) await hangsUp(s, ok)
  await over(w)
})

test('ST11 every repeat of a 2xx is sent on for 64*T1, and dropped after that (RFC 6026 7.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await ringing(s)
  const ok = bob.response(bob.last('INVITE'), 200)
  await bob.sends(ok)
  await w.advance(31_999)
  await bob.sends(ok)
  await w.advance(1)
  await bob.sends(ok)
  assertWire(
    w,
    `
    0 bob -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    31999 bob -> gw 200 INVITE
    31999 gw -> alice 200 INVITE
    32000 bob -> gw 200 INVITE
  `,
  )
  await hangsUp(s, alice.last('200 INVITE'))
  await over(w)
})

test('ST12 over UDP a repeated MESSAGE gets its final response again for 64*T1, and bob hears it once (RFC 3261 17.2.2)', async () => {
  const { w, alice, bob } = await scene()
  const message = alice.request('MESSAGE')
  await alice.sends(message)
  await bob.answers(bob.last('MESSAGE'), 200)
  await w.advance(31_999)
  await alice.sends(message)
  assertWire(
    w,
    `
    0 alice -> gw MESSAGE
    0 gw -> bob MESSAGE
    0 bob -> gw 200 MESSAGE
    0 gw -> alice 200 MESSAGE
    31999 alice -> gw MESSAGE
    31999 gw -> alice 200 MESSAGE
  `,
  )
  await over(w)
})

test('ST12 over TCP nothing is kept beyond the answer (RFC 3261 17.2.2)', async () => {
  const { w, bob } = await scene()
  const tina = await (await streamPeer(w, 'tina')).connects()
  await tina.sends(tina.request('MESSAGE'))
  await bob.answers(bob.last('MESSAGE'), 200)
  await w.advance(0)
  tina.last('200 MESSAGE')
  assert.equal(w.gateway.counts().serverTransactions, 0)
  await over(w)
})

test('ST13 a MESSAGE that nobody answers gets no 100 and no 408, and leaves nothing after 64*T1 (RFC 4320 4.1, 4.2)', async () => {
  const { w, alice } = await scene()
  await alice.sends(alice.request('MESSAGE'))
  await w.advance(31_999)
  assert.equal(w.gateway.counts().serverTransactions, 1)
  await w.advance(1)
  assert.deepEqual(alice.received, [])
  assert.equal(w.gateway.counts().serverTransactions, 0)
  await over(w)
})

for (const [name, branch] of [
  ['no branch', ''],
  ['a branch without the magic cookie', 'old'],
  ['the bare magic cookie', 'z9hG4bK'],
] as const) {
  test(`ST14 with ${name} requests are told apart as in RFC 2543, and CANCEL and ACK find their INVITE (RFC 3261 17.2.3)`, async () => {
    const { w, alice, bob } = await scene()
    const invite = alice.request('INVITE', { branch })
    const other = alice.request('INVITE', { branch })
    await alice.sends(invite, invite, other)
    assert.equal(bob.all('INVITE').length, 2)
    await bob.answers(bob.all('INVITE')[0]!, 180)
    await alice.sends(cancelOf(invite))
    await bob.answers(bob.last('CANCEL'), 200)
    await bob.answers(bob.all('INVITE')[0]!, 487)
    await acknowledges(alice, invite, 487)
    await w.advance(20_000)
    assert.equal(alice.all('487 INVITE').length, 1)
    assert.equal(bob.all('CANCEL').length, 1)
    await over(w)
  })
}

test('ST15 a merged MESSAGE is forwarded, as a proxy does; a REGISTER that comes twice is refused as out of order (RFC 3261 8.2.2.2, 10.3)', async () => {
  const w = await world({ app: new SipRouter().message('/*', (call) => call.fork(`sip:bob@${BOB}`)) })
  const alice = await peer(w, 'alice', { address: ALICE })
  const bob = await peer(w, 'bob', { address: BOB })
  const merged = { callId: 'merged', fromTag: 'same', cseq: 7 }
  await alice.sends(alice.request('MESSAGE', merged), alice.request('MESSAGE', merged))
  assert.equal(bob.all('MESSAGE').length, 2)
  for (const message of bob.all('MESSAGE')) await bob.answers(message, 200)
  const register = { ...merged, uri: 'sip:example.com', callId: 'register' }
  await alice.sends(alice.request('REGISTER', register), alice.request('REGISTER', register))
  assert.equal(alice.all('200 REGISTER').length, 1)
  assert.equal(alice.all('500 REGISTER').length, 1)
  await over(w)
})

test('ST16 a final response that cannot be sent ends its transaction; the next request is served (RFC 3261 17.2.4)', async () => {
  const { w, alice, bob } = await scene()
  w.network.refuses(ALICE, 5060)
  await alice.sends(alice.request('MESSAGE'))
  await bob.answers(bob.last('MESSAGE'), 200)
  await w.advance(1)
  assert.deepEqual(alice.received, [])
  assert.equal(w.gateway.counts().serverTransactions, 0)
  w.network.restore(ALICE, 5060)
  await alice.sends(alice.request('MESSAGE'))
  await bob.answers(bob.last('MESSAGE'), 200)
  alice.last('200 MESSAGE')
  await over(w)
})

test('ST16 with its connection gone and nobody at the address of the Via a final response is dropped (RFC 3261 18.2.2)', async () => {
  const { w, bob } = await scene()
  const tina = await (await streamPeer(w, 'tina')).connects()
  await tina.sends(tina.request('INVITE'))
  await tina.hangsUp()
  await bob.answers(bob.last('INVITE'), 486)
  await w.advance(10)
  assert.equal(w.gateway.counts().serverTransactions, 0)
  await over(w)
})
