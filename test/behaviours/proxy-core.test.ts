import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from '../../functions/sdk/index.ts'
import { createMemoryStore } from '../../functions/store/memory.ts'
import { uriOf, WireMessage } from '../support/wire.ts'
import { world } from '../support/world.ts'
import { forksTo, inDialog, peer, streamPeer } from './peer.ts'
import { ALICE, answered, assertWire, BOB, CAROL, hangsUp, over, ringing, scene } from './scene.ts'

/** Sends every request on to where it is addressed, or where its Route says. */
const goesOn = new SipRouter().all('/*', (call) => call.fork(call.uri))

test('PX1 Max-Forwards 0 is refused 483, 70 becomes 69, and a request without it leaves with 70 (RFC 3261 16.3, 16.6 step 3)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('MESSAGE', { maxForwards: 0 }))
  alice.last('483 MESSAGE')
  await alice.sends(alice.request('MESSAGE', { maxForwards: 70 }), alice.request('MESSAGE', { maxForwards: null }))
  assert.deepEqual(
    bob.all('MESSAGE').map((message) => message.header('Max-Forwards')),
    ['69', '70'],
  )
  await over(w)
})

test('PX2 a request that comes back with the same routing fields is a loop: 482 (RFC 3261 16.3, RFC 5393)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('MESSAGE'))
  const back = bob.last('MESSAGE').text.replace(/^MESSAGE \S+/, 'MESSAGE sip:bob@example.com')
  await bob.sends(back.replace('\r\nVia:', `\r\nVia: SIP/2.0/UDP ${BOB}:5060;branch=z9hG4bK-back\r\nVia:`))
  assertWire(
    w,
    `
    0 alice -> gw MESSAGE
    0 gw -> bob MESSAGE
    0 bob -> gw MESSAGE
    0 gw -> bob 482 MESSAGE
  `,
  )
  await over(w)
})

test('PX2 functions that send every request back to the router end in a 482, after one round (RFC 5393)', async () => {
  const { w, alice } = await scene({ app: forksTo('sip:bob@10.0.0.1') })
  await alice.sends(alice.request('MESSAGE'))
  await w.advance(10)
  alice.last('482 MESSAGE')
  assert.equal(w.ladder.count('function'), 2)
  await over(w)
})

test('PX3 a request that comes back with another Request-URI is a spiral and goes on (RFC 3261 16.3)', async () => {
  const app = new SipRouter()
    .message('/:domain/bob', (call) => call.fork(`sip:bob@${BOB}`))
    .message('/*', (call) => call.fork(`sip:carol@${CAROL}`))
  const { w, alice, bob } = await scene({ app })
  const carol = await peer(w, 'carol', { address: CAROL })
  await alice.sends(alice.request('MESSAGE'))
  const on = bob.last('MESSAGE').text.replace(/^MESSAGE \S+/, 'MESSAGE sip:carol@example.com')
  await bob.sends(on.replace('\r\nVia:', `\r\nVia: SIP/2.0/UDP ${BOB}:5060;branch=z9hG4bK-on\r\nVia:`))
  assert.equal(carol.last('MESSAGE').headers('Via').length, 4)
  await carol.answers(carol.last('MESSAGE'), 200)
  await bob.sends(withoutTopVia(bob.last('200 MESSAGE').text))
  alice.last('200 MESSAGE')
  await over(w)
})

test('PX4 forks that fork back to the router are bounded by Max-Breadth: 440 (RFC 5393 5.3)', async () => {
  const app = new SipRouter().message('/*', (call) =>
    call.fork([`sip:${call.user}a@10.0.0.1`, `sip:${call.user}b@10.0.0.1`], { mode: 'parallel' }),
  )
  const { w, alice } = await scene({ app })
  await alice.sends(alice.request('MESSAGE', { headers: [['Max-Breadth', '1']] }))
  alice.last('440 MESSAGE')
  assert.equal(w.ladder.count('function'), 1)
  await alice.sends(alice.request('MESSAGE'))
  await w.advance(100)
  assert.equal(alice.all('440 MESSAGE').length, 2)
  // 60, 30, 15, 7, 3, 1 and no more: 1 + 2 + 4 + 8 + 16 + 32 requests
  assert.equal(w.ladder.count('function'), 1 + 63)
  await over(w)
})

for (const [given, sent] of [
  ['7', '7'],
  ['1000000', '60'],
  ['-5', '60'],
  ['many', '60'],
] as const) {
  test(`PX4 a Max-Breadth of ${given} goes on as ${sent}: nobody may raise it (RFC 5393 5.3.3)`, async () => {
    const { w, alice, bob } = await scene()
    await alice.sends(alice.request('MESSAGE', { headers: [['Max-Breadth', given]] }))
    assert.deepEqual(bob.last('MESSAGE').headers('Max-Breadth'), [sent])
    await over(w)
  })
}

test('PX5 Proxy-Require with a tag that nobody knows is refused 420 and named in Unsupported (RFC 3261 16.3)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('INVITE', { headers: [['Proxy-Require', 'magic, more']] }))
  assert.deepEqual(alice.last('420 INVITE').headers('Unsupported'), ['magic, more'])
  assert.deepEqual(bob.received, [])
  await over(w)
})

test('PX6 a Request-URI of an unknown scheme is refused 416 (RFC 3261 16.3)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('INVITE', { uri: 'gopher:bob@example.com' }))
  alice.last('416 INVITE')
  assert.deepEqual(bob.received, [])
  await over(w)
})

test('PX7 the topmost Routes that are ours are removed; the next one, or the Request-URI, decides (RFC 3261 16.4, 16.6)', async () => {
  const { w, alice, bob } = await scene({ app: goesOn })
  const far = 'sip:far@away.example.net'
  const ours: [string, string] = ['Route', '<sip:10.0.0.1;lr>, <sip:10.0.0.1:5060;transport=tcp;lr>']
  await alice.sends(alice.request('MESSAGE', { uri: far, headers: [ours, ['Route', `<sip:${BOB};lr>;x=1`]] }))
  assert.equal(bob.last('MESSAGE').uri, far)
  assert.deepEqual(bob.last('MESSAGE').headers('Route'), [`<sip:${BOB};lr>;x=1`])
  await alice.sends(alice.request('MESSAGE', { uri: `sip:far@${BOB}`, headers: [ours] }))
  assert.equal(bob.last('MESSAGE').uri, `sip:far@${BOB}`)
  assert.deepEqual(bob.last('MESSAGE').headers('Route'), [])
  await over(w)
})

test('PX8 our own Record-Route in the Request-URI, from a strict router, gives way to the last Route (RFC 3261 16.4)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  const ok = await answered(s)
  const [ours] = ok.headers('Record-Route').map(uriOf)
  const target = uriOf(ok.header('Contact'))
  const strict = inDialog(alice, 'BYE', ok, { uri: ours! }).replace(/\r\nRoute: [^\r]*/, `\r\nRoute: <${target}>`)
  await alice.sends(strict)
  const bye = bob.last('BYE')
  assert.equal(bye.uri, target)
  assert.deepEqual(bye.headers('Route'), [])
  await bob.answers(bye, 200)
  assert.equal(w.gateway.counts().dialogs, 0)
  await over(w)
})

test('PX9 a next Route without lr becomes the Request-URI, which moves to the end of the Routes (RFC 3261 16.6 step 6)', async () => {
  const { w, alice, bob } = await scene({ app: goesOn })
  const routes: [string, string] = ['Route', `<sip:10.0.0.1;lr>, <sip:${BOB}>, <sip:later.example.net;lr>`]
  await alice.sends(alice.request('MESSAGE', { uri: 'sip:far@away.example.net', headers: [routes] }))
  const sent = bob.last('MESSAGE')
  assert.equal(sent.uri, `sip:${BOB}`)
  assert.deepEqual(
    sent.headers('Route').flatMap((line) => line.split(/, */)),
    ['<sip:later.example.net;lr>', '<sip:far@away.example.net>'],
  )
  await over(w)
})

test('PX10 requests that form a dialog get a Record-Route with lr, others none (RFC 3261 16.6 step 4)', async () => {
  const { w, alice, bob } = await scene()
  for (const method of ['INVITE', 'SUBSCRIBE', 'REFER', 'MESSAGE', 'OPTIONS']) await alice.sends(alice.request(method))
  const recorded = (method: string) => bob.last(method).headers('Record-Route')
  for (const method of ['INVITE', 'SUBSCRIBE', 'REFER']) assert.deepEqual(recorded(method), ['<sip:10.0.0.1:5060;lr>'])
  for (const method of ['MESSAGE', 'OPTIONS']) assert.deepEqual(recorded(method), [])
  await over(w)
})

test('PX10 where the transport changes there are two Record-Routes, and requests of both ends find their way (RFC 5658)', async () => {
  const { w, alice } = await scene({ app: forksTo('sip:tina@10.0.0.40;transport=tcp') })
  const tina = await (await streamPeer(w, 'tina', { address: '10.0.0.40' })).listens()
  await alice.sends(alice.request('INVITE'))
  const invite = tina.last('INVITE')
  assert.deepEqual(invite.headers('Record-Route'), ['<sip:10.0.0.1:5060;transport=tcp;lr>', '<sip:10.0.0.1:5060;lr>'])
  await tina.answers(invite, 200, { headers: [] })
  const ok = alice.last('200 INVITE')
  await alice.sends(inDialog(alice, 'ACK', ok, { uri: tina.uri }))
  assert.deepEqual(tina.last('ACK').headers('Route'), [])
  await tina.sends(
    tina.request('BYE', {
      uri: uriOf(invite.header('Contact')),
      fromTag: ok.tag('To'),
      toTag: ok.tag('From'),
      callId: ok.header('Call-ID'),
      headers: invite.headers('Record-Route').map((route): [string, string] => ['Route', route]),
    }),
  )
  const bye = alice.last('BYE')
  assert.deepEqual(bye.headers('Route'), [])
  assert.match(bye.header('Via'), /^SIP\/2\.0\/UDP 10\.0\.0\.1:5060;/)
  await alice.answers(bye, 200)
  tina.last('200 BYE')
  await over(w)
})

test('PX11 a method that nobody knows is forwarded and repeated like any non-INVITE (RFC 3261 16.3)', async () => {
  const { w, alice, bob } = await scene()
  await alice.sends(alice.request('FOO'))
  await w.advance(500)
  await bob.answers(bob.last('FOO'), 299)
  assertWire(
    w,
    `
    0 alice -> gw FOO
    0 gw -> bob FOO
    500 gw -> bob FOO
    500 bob -> gw 299 FOO
    500 gw -> alice 299 FOO
  `,
  )
  await over(w)
})

test('PX12 header lines that are not the proxy’s pass byte for byte: names, case, order, repeats, folding, blanks (RFC 3261 16.6)', async () => {
  const { w, alice, bob } = await scene()
  const odd = [
    'x-a: 1',
    'X-A:   2  ',
    'x-A : 3,  4',
    's:Subject in  compact form',
    'Subject:',
    'X-Folded: one\r\n  two\r\n\tthree',
    'X-Latin: \xe4\xf6\xfc \xff\xfe',
    'X-Quoted: "a, b" <c>;d="\\""',
    'k: a,b',
    'SUPPORTED: c',
  ]
  const message = alice.request('MESSAGE').replace('\r\nContent-Length', `\r\n${odd.join('\r\n')}\r\nContent-Length`)
  await alice.sends(message)
  assert.ok(bob.last('MESSAGE').text.includes(`\r\n${odd.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`))
  const response = bob.response(bob.last('MESSAGE'), 200)
  await bob.sends(response.replace('\r\nContent-Length', `\r\n${odd.join('\r\n')}\r\nContent-Length`))
  assert.ok(alice.last('200 MESSAGE').text.includes(`\r\n${odd.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`))
  await over(w)
})

test('PX13 with rport the response goes to the source address and port, and the Via says both (RFC 3581 4)', async () => {
  const { w, bob } = await scene()
  const nat = await peer(w, 'nat', { address: '10.0.0.60', port: 33_333 })
  const via = 'SIP/2.0/UDP 192.168.1.2:5060;rport;branch=z9hG4bK-nat'
  await nat.sends(nat.request('MESSAGE', { via }))
  const filled = 'SIP/2.0/UDP 192.168.1.2:5060;rport=33333;received=10.0.0.60;branch=z9hG4bK-nat'
  assert.equal(bob.last('MESSAGE').headers('Via')[1], filled)
  await bob.answers(bob.last('MESSAGE'), 200)
  assert.deepEqual(nat.last('200 MESSAGE').headers('Via'), [filled])
  await over(w)
})

test('PX14 without rport the response goes to the source address and the port of the sent-by (RFC 3261 18.2.2)', async () => {
  const { w, bob } = await scene()
  const out = await peer(w, 'out', { address: '10.0.0.60', port: 33_333 })
  const inn = await peer(w, 'in', { address: '10.0.0.60', port: 5080 })
  await out.sends(out.request('MESSAGE', { via: 'SIP/2.0/UDP client.example.net:5080;branch=z9hG4bK-1' }))
  await bob.answers(bob.last('MESSAGE'), 200)
  assert.deepEqual(inn.last('200 MESSAGE').headers('Via'), [
    'SIP/2.0/UDP client.example.net:5080;branch=z9hG4bK-1;received=10.0.0.60',
  ])
  assert.deepEqual(out.received, [])
  await over(w)
})

test('PX14 the 400 of a request that cannot be read takes the same way (RFC 3261 18.2.2)', async () => {
  const { w } = await scene()
  const out = await peer(w, 'out', { address: '10.0.0.60', port: 33_333 })
  const inn = await peer(w, 'in', { address: '10.0.0.60', port: 5080 })
  const via = 'SIP/2.0/UDP client.example.net:5080;branch=z9hG4bK-1'
  await out.sends(out.request('MESSAGE', { via }).replace('Content-Length: 0', 'Content-Length: 9'))
  assert.deepEqual(inn.last('400 MESSAGE').headers('Via'), [`${via};received=10.0.0.60`])
  await over(w)
})

test('PX15 with maddr the response goes there, at the port of the sent-by (RFC 3261 18.2.2)', async () => {
  const { w, alice, bob } = await scene()
  const group = await peer(w, 'group', { address: '10.0.0.61', port: 5090 })
  await alice.sends(alice.request('MESSAGE', { via: `SIP/2.0/UDP ${ALICE}:5090;maddr=10.0.0.61;branch=z9hG4bK-1` }))
  await bob.answers(bob.last('MESSAGE'), 200)
  group.last('200 MESSAGE')
  assert.deepEqual(alice.received, [])
  await over(w)
})

test('PX16 when its connection is gone a response takes a new one to the received address and the sent-by port (RFC 3261 18.2.2)', async () => {
  const { w, bob } = await scene()
  const tina = await (await streamPeer(w, 'tina', { address: '10.0.0.40', port: 5070 })).connects()
  await tina.listens()
  await tina.sends(tina.request('INVITE'))
  await tina.hangsUp()
  await bob.answers(bob.last('INVITE'), 180)
  await w.advance(0)
  assert.equal(tina.accepted, 1)
  tina.last('180')
  await bob.answers(bob.last('INVITE'), 486)
  tina.last('486 INVITE')
  assert.equal(tina.accepted, 1)
  await over(w)
})

test('PX16 the only response, a final one, takes that way as well (RFC 3261 18.2.2)', async () => {
  const { w, bob } = await scene()
  const tina = await (await streamPeer(w, 'tina', { address: '10.0.0.40', port: 5070 })).connects()
  await tina.listens()
  await tina.sends(tina.request('MESSAGE'))
  await tina.hangsUp()
  await bob.answers(bob.last('MESSAGE'), 200)
  await w.advance(0)
  tina.last('200 MESSAGE')
  await over(w)
})

test('PX18 in-dialog requests go along their Routes and are never looked up or asked about (RFC 3261 16.4, 16.5)', async () => {
  let lookups = 0
  const s = await scene({
    store: (clock, ids) => {
      const memory = createMemoryStore({ clock, ids })
      const lookup = memory.lookup.bind(memory)
      memory.lookup = (aor) => {
        lookups++
        return lookup(aor)
      }
      return memory
    },
  })
  const { w, alice, bob } = s
  const ok = await answered(s)
  assert.equal(lookups, 1)
  for (const method of ['INFO', 'UPDATE', 'MESSAGE', 'INVITE', 'BYE']) {
    await alice.sends(inDialog(alice, method, ok))
    await bob.answers(bob.last(method), 200)
    alice.last(`200 ${method}`)
  }
  assert.equal(lookups, 1)
  assert.equal(w.ladder.count('function'), 0)
  await over(w)
})

test('PX19 the ACK to a 2xx follows its Routes, more of them than ours too, and leaves no transaction (RFC 3261 16.11)', async () => {
  const s = await scene()
  const { w, alice, bob } = s
  await ringing(s)
  await bob.answers(bob.last('INVITE'), 200)
  const carol = await peer(w, 'carol', { address: CAROL })
  const ok = alice.last('200 INVITE')
  const before = w.gateway.counts()
  await alice.sends(inDialog(alice, 'ACK', ok, { headers: [['Route', `<sip:${CAROL};lr>`]] }))
  assert.deepEqual(carol.last('ACK').headers('Route'), [`<sip:${CAROL};lr>`])
  assert.equal(carol.last('ACK').uri, uriOf(ok.header('Contact')))
  assert.deepEqual(w.gateway.counts(), before)
  await hangsUp(s, ok)
  await over(w)
})

test('PX20 OPTIONS to the router itself is answered 200 with Accept, Allow and Supported (RFC 3261 11.2)', async () => {
  const w = await world()
  const alice = await peer(w, 'alice', { address: ALICE })
  for (const uri of ['sip:10.0.0.1', 'sip:10.0.0.1:5060', 'sip:example.com']) {
    await alice.sends(alice.request('OPTIONS', { uri }))
    const ok = alice.last('200 OPTIONS')
    assert.match(ok.header('Accept'), /application\/sdp/)
    assert.match(ok.header('Allow'), /INVITE, ACK, CANCEL/)
    assert.match(ok.header('Supported'), /path/)
  }
  assert.equal(alice.all('200 OPTIONS').length, 3)
  await over(w)
})

test('PX21 a body of an unknown type, with every octet there is, passes unchanged both ways (RFC 3261 16.6)', async () => {
  const { w, alice, bob } = await scene()
  const body = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet)).join('')
  const binary = (text: string) =>
    text.replace('Content-Length: 0\r\n\r\n', `Content-Type: x/y\r\nContent-Length: 256\r\n\r\n${body}`)
  await alice.sends(binary(alice.request('MESSAGE')))
  assert.equal(bob.last('MESSAGE').body, body)
  await bob.sends(binary(bob.response(bob.last('MESSAGE'), 200)))
  assert.equal(alice.last('200 MESSAGE').body, body)
  await over(w)
})

/** A response as the proxy that put the topmost Via there sends it on. */
function withoutTopVia(text: string): string {
  assert.match(new WireMessage(text).header('Via'), /branch/)
  return text.replace(/\r\nVia: [^\r]*/, '')
}
