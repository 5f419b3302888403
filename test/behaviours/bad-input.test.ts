import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from '../../functions/sdk/index.ts'
import { settled } from '../support/fake-clock.ts'
import { seeded } from '../support/random.ts'
import { type World, world } from '../support/world.ts'
import { cancelOf, inDialog, peer, streamPeer } from './peer.ts'
import { ALICE, acknowledges, assertWire, BOB, over, type Scene, scene } from './scene.ts'

/** Nothing is alive, at once, and an honest MESSAGE gets through. */
async function assertUnharmed({ w, alice, bob }: Scene): Promise<void> {
  assert.deepEqual(w.gateway.counts(), {
    calls: 0,
    serverTransactions: 0,
    clientTransactions: 0,
    dialogs: 0,
    timers: 0,
  })
  await alice.sends(alice.request('MESSAGE'))
  await bob.answers(bob.last('MESSAGE'), 200)
  alice.last('200 MESSAGE')
  await over(w)
}

/** Sends octets that make no arrow. */
async function throws(w: World, octets: Buffer): Promise<void> {
  const socket = await w.network.udp({ address: '10.0.0.66', port: 0 }, { receive: () => {} })
  socket.send(octets, '10.0.0.1', 5060)
  await settled()
  socket.close()
}

test('10,000 distinct garbage datagrams leave no transaction, no timer and nothing sent', async () => {
  const s = await scene()
  const random = seeded(4711)
  const socket = await s.w.network.udp({ address: '10.0.0.66', port: 5060 }, { receive: () => assert.fail('answered') })
  for (let count = 0; count < 10_000; count++) {
    const octets = Buffer.from(Array.from({ length: 1 + Math.floor(random() * 120) }, () => Math.floor(random() * 256)))
    socket.send(octets, '10.0.0.1', 5060)
    if (count % 500 === 0) await settled()
  }
  await settled()
  assert.equal(s.w.counters.get('udp.received'), 10_000)
  await assertUnharmed(s)
})

test('10,000 different requests that cannot be read are answered statelessly and leave nothing', async () => {
  const s = await scene()
  let answers = 0
  const socket = await s.w.network.udp({ address: '10.0.0.66', port: 5060 }, { receive: () => answers++ })
  for (let count = 0; count < 10_000; count++) {
    const broken = s.alice.request('INVITE', { branch: `z9hG4bK-${count}`, uri: 'sip:bob@[example.com' })
    socket.send(Buffer.from(broken), '10.0.0.1', 5060)
    if (count % 500 === 0) await settled()
  }
  await settled()
  assert.equal(s.w.counters.get('broken requests'), 10_000)
  assert.equal(answers, 10_000)
  await assertUnharmed(s)
})

test('a request cut anywhere leaves nothing: its headers are refused or dropped, never acted on', async () => {
  const s = await scene()
  const whole = s.alice.request('MESSAGE', { body: 'a body of some length' })
  for (let length = 1; length < whole.length; length++) await throws(s.w, Buffer.from(whole.slice(0, length)))
  assert.deepEqual(s.bob.received, [])
  await assertUnharmed(s)
})

test('half a message on TCP is dropped with its connection when the peer leaves', async () => {
  const s = await scene()
  const tina = await (await streamPeer(s.w, 'tina')).connects()
  tina.stream.write(Buffer.from(tina.request('INVITE').slice(0, 120)))
  await tina.hangsUp()
  assert.deepEqual(s.bob.received, [])
  assert.equal(s.w.counters.get('tcp.closed'), 1)
  await assertUnharmed(s)
})

test('half a message on TCP is given 30 s, then its connection is closed', async () => {
  const s = await scene()
  const tina = await (await streamPeer(s.w, 'tina')).connects()
  tina.stream.write(Buffer.from(tina.request('INVITE', { body: 'x'.repeat(100) }).slice(0, -50)))
  await s.w.advance(29_999)
  assert.equal(tina.isOpen, true)
  await s.w.advance(1)
  assert.equal(tina.isOpen, false)
  await assertUnharmed(s)
})

test('a body of 10 MB is refused 513 when it is announced, and none of it is read (RFC 3261 21.5.7)', async () => {
  const s = await scene()
  const tina = await (await streamPeer(s.w, 'tina')).connects()
  const head = tina.request('INVITE').replace('Content-Length: 0', 'Content-Length: 10485760')
  tina.stream.write(Buffer.from(head))
  for (let part = 0; part < 160; part++) tina.stream.write(Buffer.alloc(65_536, 'x'))
  await settled()
  tina.last('513 INVITE')
  assert.equal(tina.isOpen, false)
  await s.w.advance(10_000)
  await assertUnharmed(s)
})

test('more header lines than any honest request has are refused 400, over UDP and TCP', async () => {
  const s = await scene()
  const bomb = (text: string) => text.replace('\r\nContact', `${'\r\nX: y'.repeat(3000)}\r\nContact`)
  await s.alice.sends(bomb(s.alice.request('OPTIONS')))
  s.alice.last('400 OPTIONS')
  const tina = await (await streamPeer(s.w, 'tina')).connects()
  await tina.sends(bomb(tina.request('OPTIONS')))
  tina.last('400 OPTIONS')
  assert.deepEqual(s.bob.received, [])
  await s.w.advance(40_000)
  await assertUnharmed(s)
})

test('requests just below and above the largest datagram are forwarded or answered, and never harm the process (RFC 3261 18.1.1)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const room = 65_507 - alice.request('MESSAGE').length - 20
  await alice.sends(alice.request('MESSAGE', { body: 'x'.repeat(room - 400) }))
  await bob.answers(bob.last('MESSAGE'), 200)
  alice.last('200 MESSAGE')
  // with one more Via it is too large to be sent on
  await alice.sends(alice.request('MESSAGE', { body: 'x'.repeat(room) }))
  await w.advance(0)
  assert.equal(bob.all('MESSAGE').length, 1)
  alice.last('500 MESSAGE')
  await w.advance(40_000)
  await assertUnharmed(s)
})

test('responses to nothing are dropped, whoever sends them and whatever they say', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  for (const status of [100, 180, 200, 302, 486, 603]) {
    const request = `OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKbranch99.0\r\nVia: SIP/2.0/UDP ${ALICE}:5060;branch=z9hG4bK-x`
    await bob.sends(
      `SIP/2.0 ${status} Lie\r\n${request.slice(request.indexOf('\r\n') + 2)}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: lie\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n`,
    )
  }
  assert.deepEqual(alice.received, [])
  assert.equal(w.counters.get('unmatched responses'), 6)
  await assertUnharmed(s)
})

test('a CANCEL of nothing is answered 481 and leaves nothing after 64*T1 (RFC 3261 9.2)', async () => {
  const s = await scene()
  await s.alice.sends(cancelOf(s.alice.request('INVITE')))
  s.alice.last('481 CANCEL')
  await s.w.advance(32_000)
  assert.deepEqual(s.bob.received, [])
  await assertUnharmed(s)
})

test('an ACK of nothing is dropped, also one with our Route and a foreign host (RFC 3261 17.2.1)', async () => {
  const s = await scene()
  const { alice, bob } = s
  await alice.sends(alice.request('ACK', { uri: bob.uri }), alice.request('ACK', { uri: bob.uri, toTag: 'x' }))
  assertWire(s.w, '0 alice -> gw ACK\n0 alice -> gw ACK')
  await assertUnharmed(s)
})

test('a BYE without a dialog gets 481, and so does any request with a To tag that names a foreign host (RFC 3261 12.2.2)', async () => {
  const s = await scene()
  const { alice, bob } = s
  for (const method of ['BYE', 'INFO', 'MESSAGE', 'INVITE', 'SUBSCRIBE', 'FOO']) {
    await alice.sends(alice.request(method, { uri: bob.uri, toTag: 'none' }))
    alice.last(`481 ${method}`)
  }
  assert.deepEqual(bob.received, [])
  await s.w.advance(40_000)
  await assertUnharmed(s)
})

test('BYE, PRACK and UPDATE without a To tag belong to no dialog and start none: 481, and no function is asked (RFC 3261 12.2.2, 15.1.2)', async () => {
  const s = await scene()
  for (const method of ['BYE', 'PRACK', 'UPDATE']) {
    await s.alice.sends(s.alice.request(method))
    s.alice.last(`481 ${method}`)
  }
  assert.equal(s.w.ladder.count('function'), 0)
  assert.deepEqual(s.bob.received, [])
  await s.w.advance(40_000)
  await assertUnharmed(s)
})

test('the router is no open relay: without a function a foreign Request-URI, Route or not, is 404', async () => {
  const w = await world()
  const alice = await peer(w, 'alice', { address: ALICE })
  const bob = await peer(w, 'bob', { address: BOB })
  for (const method of ['INVITE', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'FOO']) {
    await alice.sends(alice.request(method, { uri: bob.uri }))
    await alice.sends(
      alice.request(method, { uri: bob.uri, headers: [['Route', `<sip:10.0.0.1;lr>, <sip:${BOB};lr>`]] }),
    )
    assert.equal(alice.all(`404 ${method}`).length, 2, method)
  }
  assert.deepEqual(bob.received, [])
  await over(w)
})

test('a REGISTER for a foreign domain is 404 and stores nothing (RFC 3261 10.3)', async () => {
  const w = await world()
  const alice = await peer(w, 'alice', { address: ALICE })
  await alice.sends(alice.request('REGISTER', { uri: 'sip:elsewhere.example.net' }))
  alice.last('404 REGISTER')
  const foreign = alice.request('REGISTER', { uri: 'sip:example.com' })
  await alice.sends(foreign.replace('To: <sip:bob@example.com>', 'To: <sip:bob@elsewhere.example.net>'))
  assert.equal(alice.all('404 REGISTER').length, 2)
  assert.deepEqual((await w.gateway.registrations('', 10)).bindings, [])
  await over(w)
})

for (const uri of [
  'gopher:bob@example.com',
  'urn:service:sos',
  'http://example.com/',
  'sip:',
  'sip:@',
  'x',
  'tel:',
  'sip:bob@example.com:99999',
  'sip:bob@exa mple.com',
  'sip:bob@-',
]) {
  test(`a Request-URI ${JSON.stringify(uri)} is refused, forwarded to nobody, and harms nothing (RFC 3261 16.3)`, async () => {
    const s = await scene({ app: new SipRouter().all('/*', (call) => call.fork(call.uri)) })
    for (const method of ['INVITE', 'FOO', 'OPTIONS']) await s.alice.sends(s.alice.request(method, { uri }))
    await s.w.advance(0)
    const finals = s.alice.received.filter(({ status }) => status >= 200)
    assert.equal(finals.length, 3)
    for (const { status } of finals) assert.ok(status >= 400, String(status))
    assert.deepEqual(s.bob.received, [])
    await over(s.w)
  })
}

test('a subscription to a handler that the function does not have is refused and reported; the call goes on', async () => {
  const app = new SipRouter().invite('/*', (call) => {
    call.subscribe('pickup', { user: 'bob' }, 'nobody')
    call.fork(`sip:bob@${BOB}`)
  })
  const s = await scene({ app })
  const { w, alice, bob } = s
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  assert.equal(await w.publish('pickup', { user: 'bob' }), 0)
  assert.equal(w.counters.get('handler.unknown'), 1)
  await bob.answers(bob.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  await over(w)
})

test('header values cannot smuggle lines: what a request folds or escapes stays one line of what is sent on (RFC 3261 7.3.1)', async () => {
  const s = await scene()
  const { alice, bob } = s
  const parts = {
    uri: 'sip:b%0d%0aEvil:%201@example.com',
    headers: [['Subject', 'one\r\n Evil: two\r\n\tEvil: three']] as [string, string][],
  }
  await alice.sends(alice.request('MESSAGE', parts))
  assert.deepEqual(bob.last('MESSAGE').headers('Evil'), [])
  await bob.answers(bob.last('MESSAGE'), 200)
  assert.deepEqual(alice.last('200 MESSAGE').headers('Evil'), [])
  await alice.sends(alice.request('MESSAGE', { headers: [['Subject', 'one\rEvil: two']] }))
  await alice.sends(alice.request('MESSAGE', { headers: [['Subject', 'one\nEvil: two']] }))
  assert.equal(alice.all('400 MESSAGE').length, 2)
  assert.equal(bob.all('MESSAGE').length, 1)
  await over(s.w)
})

test('a retransmission flood of one INVITE is one call: 1,000 repeats, one branch', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const invite = alice.request('INVITE')
  await alice.sends(...Array.from({ length: 1000 }, () => invite))
  assert.equal(bob.all('INVITE').length, 1)
  assert.equal(w.gateway.counts().calls, 1)
  await bob.answers(bob.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  await over(w)
})

test('a flood of CANCELs, ACKs and BYEs for one call ends it once', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await alice.sends(alice.request('INVITE'))
  await bob.answers(bob.last('INVITE'), 200)
  const ok = alice.last('200 INVITE')
  for (let count = 0; count < 50; count++) {
    await alice.sends(inDialog(alice, 'ACK', ok), inDialog(alice, 'BYE', ok, { cseq: 2 + count }))
  }
  for (const bye of bob.all('BYE')) await bob.answers(bye, 200)
  assert.equal(w.gateway.counts().dialogs, 0)
  assert.equal(w.gateway.counts().calls, 0)
  await over(w)
})

test('a request whose Via claims to be the router’s is answered where it came from (RFC 3261 18.2.1, 18.2.2)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await alice.sends(alice.request('MESSAGE', { via: 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-self' }))
  await bob.answers(bob.last('MESSAGE'), 200)
  alice.last('200 MESSAGE')
  await w.advance(40_000)
  await assertUnharmed(s)
})

test('a callee that answers 500 times with as many To tags makes a bounded number of dialogs, and the caller hears all of them', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await alice.sends(alice.request('INVITE'))
  for (let count = 0; count < 500; count++) await bob.answers(bob.last('INVITE'), 200, { tag: `tag${count}` })
  assert.equal(alice.all('200 INVITE').length, 500)
  assert.equal(w.gateway.counts().dialogs, 32)
  for (const ok of alice.all('200 INVITE')) await alice.sends(inDialog(alice, 'BYE', ok))
  assert.equal(bob.all('BYE').length, 500)
  for (const bye of bob.all('BYE')) await bob.answers(bye, 200)
  await w.advance(40_000)
  await assertUnharmed(s)
})

test('an ACK to a callee whose Contact is the router itself is a loop and dropped after two rounds (RFC 5393)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await alice.sends(alice.request('INVITE'))
  await bob.sends(bob.response(bob.last('INVITE'), 200).replace(/Contact: [^\r]*/, 'Contact: <sip:bob@10.0.0.1>'))
  const ok = alice.last('200 INVITE')
  let rounds = 0
  w.network.onDatagram((from, to) => {
    if (from.address === to.address) rounds++
    return false
  })
  await alice.sends(inDialog(alice, 'ACK', ok))
  await settled(100)
  assert.equal(rounds, 2)
  await alice.sends(inDialog(alice, 'BYE', ok))
  await settled(100)
  alice.last('482 BYE')
  await w.advance(40_000)
  await assertUnharmed(s)
})

test('responses are never sent to port 0, the broadcast or the unspecified address, whatever Via and maddr say (RFC 4475 3.3.10)', async () => {
  const s = await scene()
  const sentTo: string[] = []
  s.w.network.onDatagram((from, to) => {
    if (from.address === '10.0.0.1') sentTo.push(`${to.address}:${to.port}`)
    return false
  })
  for (const via of [
    '10.0.0.10:0;branch=z9hG4bK-0',
    '10.0.0.10:5060;maddr=255.255.255.255;branch=z9hG4bK-1',
    '10.0.0.10:5060;maddr=0.0.0.0;branch=z9hG4bK-2',
    '10.0.0.10:5060;received=255.255.255.255;branch=z9hG4bK-3',
    '255.255.255.255:5060;branch=z9hG4bK-4',
    '10.0.0.10:70000;branch=z9hG4bK-5',
  ]) {
    await s.alice.sends(s.alice.request('OPTIONS', { via: `SIP/2.0/UDP ${via}`, maxForwards: 0 }))
  }
  for (const to of sentTo) assert.equal(to, '10.0.0.10:5060')
  await s.w.advance(40_000)
  await assertUnharmed(s)
})
