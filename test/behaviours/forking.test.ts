import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from '../../functions/sdk/index.ts'
import { uriOf, type WireMessage } from '../support/wire.ts'
import { cancelOf, forksTo, inDialog, type Peer, peer } from './peer.ts'
import { acknowledges, assertWire, BOB, CAROL, hangsUp, over, type Scene, scene } from './scene.ts'

const DAVE = '10.0.0.40'
const PARALLEL = { mode: 'parallel' } as const
const both = forksTo([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], PARALLEL)

interface Trio extends Scene {
  carol: Peer
  dave: Peer
}

async function trio(app = both): Promise<Trio> {
  const s = await scene({ app })
  const carol = await peer(s.w, 'carol', { address: CAROL })
  return { ...s, carol, dave: await peer(s.w, 'dave', { address: DAVE }) }
}

/** alice's INVITE is with bob and carol. */
async function called({ w, alice }: Trio): Promise<string> {
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  w.ladder.clear()
  return invite
}

test('FK1 of two targets the first to answer has the call, the other is cancelled (RFC 3261 16.7)', async () => {
  const s = await trio()
  const { w, alice, bob, carol } = s
  await called(s)
  await bob.answers(bob.last('INVITE'), 180)
  await carol.answers(carol.last('INVITE'), 200)
  const ok = alice.last('200 INVITE')
  await alice.sends(inDialog(alice, 'ACK', ok))
  await bob.answers(bob.last('CANCEL'), 200)
  await bob.answers(bob.last('INVITE'), 487)
  assertWire(
    w,
    `
    0 bob -> gw 180
    0 gw -> alice 180
    0 carol -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    0 gw -> bob CANCEL
    0 alice -> gw ACK
    0 gw -> carol ACK
    0 bob -> gw 200 CANCEL
    0 bob -> gw 487 INVITE
    0 gw -> bob ACK
  `,
  )
  await hangsUp({ ...s, bob: carol }, ok)
  await over(w)
})

test('FK2 when both answer, both 200 go to the caller (RFC 3261 16.7 step 5)', async () => {
  const s = await trio()
  const { w, alice, bob, carol } = s
  await called(s)
  await bob.answers(bob.last('INVITE'), 180)
  await carol.answers(carol.last('INVITE'), 200)
  await bob.answers(bob.last('INVITE'), 200)
  const oks = alice.all('200 INVITE')
  assert.deepEqual(
    oks.map((ok) => ok.tag('To')),
    ['to-carol', 'to-bob'],
  )
  for (const [ok, callee] of [
    [oks[0]!, carol],
    [oks[1]!, bob],
  ] as const) {
    await alice.sends(inDialog(alice, 'ACK', ok))
    callee.last('ACK')
    await hangsUp({ ...s, bob: callee }, ok)
  }
  await over(w)
})

for (const [one, other, best] of [
  [486, 404, 486],
  [404, 486, 486],
  [302, 486, 302],
  [500, 404, 404],
  [503, 500, 500],
  [486, 401, 401],
  [486, 407, 407],
  [486, 415, 415],
  [486, 420, 420],
  [486, 484, 484],
  [404, 603, 603],
  [408, 480, 480],
] as const) {
  test(`FK3 of ${one} and ${other} the caller gets ${best} alone (RFC 3261 16.7 step 6)`, async () => {
    const s = await trio()
    const { w, alice, bob, carol } = s
    const invite = await called(s)
    await bob.answers(bob.last('INVITE'), one)
    assert.equal(w.ladder.count('gw -> alice'), 0)
    await carol.answers(carol.last('INVITE'), other)
    await acknowledges(alice, invite, best)
    assert.equal(w.ladder.count('gw -> alice'), 1)
    await over(w)
  })
}

test('FK4 the challenges of all branches are collected into one response (RFC 3261 16.7 step 7)', async () => {
  const s = await trio()
  const { w, alice, bob, carol } = s
  const invite = await called(s)
  const challenge = (realm: string) => `Digest realm="${realm}",nonce="n"`
  await bob.answers(bob.last('INVITE'), 401, {
    headers: [
      ['WWW-Authenticate', challenge('bob')],
      ['WWW-Authenticate', challenge('bob too')],
    ],
  })
  await carol.answers(carol.last('INVITE'), 407, { headers: [['Proxy-Authenticate', challenge('carol')]] })
  const final = alice.last('401 INVITE')
  assert.deepEqual(final.headers('WWW-Authenticate'), [challenge('bob'), challenge('bob too')])
  assert.deepEqual(final.headers('Proxy-Authenticate'), [challenge('carol')])
  await acknowledges(alice, invite, 401)
  await over(w)
})

test('FK5 a 603 cancels the other branches, lets no new one start, and goes out when all have ended (RFC 3261 16.7 step 5)', async () => {
  const app = new SipRouter().invite('/*', (call) => {
    call.fork([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], PARALLEL)
    call.subscribe('late', {}, [{ action: 'fork', targets: [`sip:dave@${DAVE}`] }])
  })
  const s = await trio(app)
  const { w, alice, bob, carol, dave } = s
  const invite = await called(s)
  await bob.answers(bob.last('INVITE'), 180)
  await carol.answers(carol.last('INVITE'), 603)
  await w.publish('late', {})
  await bob.answers(bob.last('CANCEL'), 200)
  await bob.answers(bob.last('INVITE'), 487)
  await acknowledges(alice, invite, 603)
  assertWire(
    w,
    `
    0 bob -> gw 180
    0 gw -> alice 180
    0 carol -> gw 603 INVITE
    0 gw -> carol ACK
    0 gw -> bob CANCEL
    0 bob -> gw 200 CANCEL
    0 bob -> gw 487 INVITE
    0 gw -> bob ACK
    0 gw -> alice 603 INVITE
    0 alice -> gw ACK
  `,
  )
  assert.deepEqual(dave.received, [])
  await over(w)
})

test('FK6 a 503 as the best failure becomes a 500 of our own (RFC 3261 16.7 step 6)', async () => {
  const s = await trio()
  const { w, alice, bob, carol } = s
  const invite = await called(s)
  await bob.answers(bob.last('INVITE'), 503, { headers: [['Retry-After', '3600']] })
  await carol.answers(carol.last('INVITE'), 503)
  assert.deepEqual(alice.last('500 INVITE').headers('Retry-After'), [])
  await acknowledges(alice, invite, 500)
  await over(w)
})

test('FK7 when all targets are silent the caller gets 408 (RFC 3261 16.7, 16.8)', async () => {
  const s = await trio()
  const { w, alice } = s
  const invite = await called(s)
  await w.advance(32_000)
  await acknowledges(alice, invite, 408)
  await over(w)
})

test('FK8 targets of equal q ring together, the next group when all of the first have failed (RFC 3261 16.6)', async () => {
  const app = forksTo([
    { uri: `sip:dave@${DAVE}`, q: 0.3 },
    { uri: `sip:bob@${BOB}`, q: 0.7 },
    { uri: `sip:carol@${CAROL}`, q: 0.7 },
  ])
  const s = await trio(app)
  const { w, alice, bob, carol, dave } = s
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await bob.answers(bob.last('INVITE'), 486)
  await carol.answers(carol.last('INVITE'), 404)
  await dave.answers(dave.last('INVITE'), 480)
  await acknowledges(alice, invite, 486)
  assertWire(
    w,
    `
    0 alice -> gw INVITE
    0 gw -> alice 100
    0 gw -> bob INVITE
    0 gw -> carol INVITE
    0 bob -> gw 486 INVITE
    0 gw -> bob ACK
    0 carol -> gw 404 INVITE
    0 gw -> carol ACK
    0 gw -> dave INVITE
    0 dave -> gw 480 INVITE
    0 gw -> dave ACK
    0 gw -> alice 486 INVITE
    0 alice -> gw ACK
  `,
  )
  await over(w)
})

test('FK10 a target that comes while the call rings gets a branch of its own in the same transaction (RFC 3261 16.7)', async () => {
  const app = new SipRouter().invite('/*', (call) => {
    call.subscribe('late', {}, [{ action: 'fork', targets: [`sip:carol@${CAROL}`] }])
    call.fork(`sip:bob@${BOB}`)
  })
  const s = await trio(app)
  const { w, alice, bob, carol } = s
  await called(s)
  await bob.answers(bob.last('INVITE'), 180)
  await w.advance(1200)
  await w.publish('late', {})
  await carol.answers(carol.last('INVITE'), 180)
  await carol.answers(carol.last('INVITE'), 200)
  assertWire(
    w,
    `
    0 bob -> gw 180
    0 gw -> alice 180
    1200 gw -> carol INVITE
    1200 carol -> gw 180
    1200 gw -> alice 180
    1200 carol -> gw 200 INVITE
    1200 gw -> alice 200 INVITE
    1200 gw -> bob CANCEL
  `,
  )
  assert.deepEqual(
    alice.all('180').map((ringing) => ringing.tag('To')),
    ['to-bob', 'to-carol'],
  )
  assert.notEqual(bob.last('INVITE').branch, carol.last('INVITE').branch)
  assert.equal(bob.last('INVITE').headers('Via')[1], carol.last('INVITE').headers('Via')[1])
  await hangsUp({ ...s, bob: carol }, alice.last('200 INVITE'))
  await over(w)
})

test('FK11 a target that comes after the final response is refused (RFC 3261 16.7)', async () => {
  const app = new SipRouter().invite('/*', (call) => {
    call.subscribe('late', {}, [{ action: 'fork', targets: [`sip:carol@${CAROL}`] }], { until: 'ended' })
    call.fork(`sip:bob@${BOB}`)
  })
  const s = await trio(app)
  const { w, alice, bob, carol } = s
  await called(s)
  await bob.answers(bob.last('INVITE'), 200)
  assert.equal(await w.publish('late', {}), 1)
  assert.deepEqual(carol.received, [])
  await hangsUp(s, alice.last('200 INVITE'))
  await over(w)
})

test('FK12 every provisional response but 100 is sent on with the To tag of its branch (RFC 3261 16.7 step 5)', async () => {
  const s = await trio()
  const { w, alice, bob, carol } = s
  const invite = await called(s)
  await bob.answers(bob.last('INVITE'), 100)
  await bob.answers(bob.last('INVITE'), 183)
  await carol.answers(carol.last('INVITE'), 180)
  await carol.answers(carol.last('INVITE'), 181)
  const heard = alice.received.filter(({ status }) => status > 100).map((each) => [each.status, each.tag('To')])
  assert.deepEqual(heard, [
    [183, 'to-bob'],
    [180, 'to-carol'],
    [181, 'to-carol'],
  ])
  assert.equal(alice.all('100').length, 1)
  await alice.sends(cancelOf(invite))
  await over(w)
})

test('FK13 a contact that is named twice is tried once, also by a later fork while it rings (RFC 3261 16.5)', async () => {
  const app = new SipRouter().invite('/*', (call) => {
    call.fork([`sip:bob@${BOB}`, `sip:bob@${BOB}`], PARALLEL)
    call.fork(`sip:bob@${BOB}`)
  })
  const s = await trio(app)
  const { w, alice, bob } = s
  const invite = await called(s)
  const branches = new Set(bob.all('INVITE').map(({ branch }) => branch))
  assert.equal(branches.size, 1)
  await bob.answers(bob.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  await over(w)
})

test('FK14 a branch that spirals through the router and forks there is answered, acknowledged and ended on the right path (RFC 3261 16.3)', async () => {
  const app = new SipRouter()
    .invite('/:domain/bob', (call) => call.fork('sip:group@10.0.0.1'))
    .invite('/:domain/group', (call) => call.fork([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], PARALLEL))
  const s = await trio(app)
  const { w, alice, bob, carol } = s
  await alice.sends(alice.request('INVITE'))
  await bob.answers(bob.last('INVITE'), 180)
  await carol.answers(carol.last('INVITE'), 200)
  const ok = alice.last('200 INVITE')
  assert.deepEqual(ok.headers('Via').length, 1)
  assert.deepEqual(
    alice.all('180').map((ringing) => ringing.tag('To')),
    ['to-bob'],
  )
  await alice.sends(inDialog(alice, 'ACK', ok))
  assert.equal(carol.all('ACK').length, 1)
  assert.equal(bob.all('CANCEL').length, 1)
  await bob.answers(bob.last('CANCEL'), 200)
  await bob.answers(bob.last('INVITE'), 487)
  await alice.sends(inDialog(alice, 'BYE', ok))
  await carol.answers(carol.last('BYE'), 200)
  alice.last('200 BYE')
  assert.equal(carol.last('BYE').uri, contactOf(ok))
  await over(w)
})

test('FK14 a CANCEL of such a call reaches every branch, and one 487 comes back (RFC 3261 16.10)', async () => {
  const app = new SipRouter()
    .invite('/:domain/bob', (call) => call.fork('sip:group@10.0.0.1'))
    .invite('/:domain/group', (call) => call.fork([`sip:bob@${BOB}`, `sip:carol@${CAROL}`], PARALLEL))
  const s = await trio(app)
  const { w, alice, bob, carol } = s
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  for (const each of [bob, carol]) await each.answers(each.last('INVITE'), 180)
  await alice.sends(cancelOf(invite))
  for (const each of [bob, carol]) {
    await each.answers(each.last('CANCEL'), 200)
    await each.answers(each.last('INVITE'), 487)
  }
  await acknowledges(alice, invite, 487)
  assert.equal(alice.all('487 INVITE').length, 1)
  await over(w)
})

function contactOf(ok: WireMessage): string {
  return uriOf(ok.header('Contact'))
}
