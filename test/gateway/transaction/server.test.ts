import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aliceTcp, aliceUdp, message, Rig, reply, request } from './rig.ts'

const branch = 'branch=z9hG4bK-in'

test('ST2 an INVITE repeated while it is pending gets the last provisional response, the user hears of it once (RFC 3261 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(100, 'INVITE'), 100)
  rig.receive(request('INVITE'))
  rig.advance(200)
  rig.served[0]!.respond(reply(180, 'INVITE'), 180)
  rig.receive(request('INVITE'))
  rig.assertLadder(`
      0 user: INVITE
      0 -> udp 192.0.2.1:5060 100 INVITE
      0 -> udp 192.0.2.1:5060 100 INVITE
    200 -> udp 192.0.2.1:5060 180 INVITE
    200 -> udp 192.0.2.1:5060 180 INVITE
  `)
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  rig.advance(32_000)
  rig.assertOver()
})

test('ST3 the same branch with another sent-by is another transaction (RFC 3261 17.2.3)', () => {
  const rig = new Rig()
  rig.receive(request('OPTIONS', { via: `SIP/2.0/UDP 192.0.2.1:5060;${branch}` }))
  rig.receive(request('OPTIONS', { via: `SIP/2.0/UDP 192.0.2.1:5070;${branch}` }))
  rig.receive(request('OPTIONS', { via: `SIP/2.0/UDP 192.0.2.9:5060;${branch}` }))
  rig.receive(request('OPTIONS', { via: `SIP/2.0/UDP 192.0.2.9;${branch}` }))
  assert.equal(rig.served.length, 3, 'a sent-by without port means the default one')
  rig.advance(32_000)
  rig.assertOver()
})

test('ST4 the same branch with another method is another transaction, but ACK and CANCEL belong to the INVITE (RFC 3261 17.2.3, 9.2)', () => {
  const rig = new Rig()
  for (const method of ['OPTIONS', 'INVITE', 'MESSAGE', 'INVITE', 'OPTIONS', 'MESSAGE']) rig.receive(request(method))
  rig.receive(request('CANCEL'))
  rig.served[1]!.respond(reply(487, 'INVITE'), 487)
  rig.receive(request('ACK'))
  rig.assertLadder(`
    0 user: OPTIONS
    0 user: INVITE
    0 user: MESSAGE
    0 -> udp 192.0.2.1:5060 200 CANCEL
    0 user: CANCEL of INVITE
    0 -> udp 192.0.2.1:5060 487 INVITE
  `)
  rig.advance(32_000)
  rig.assertLadder(`
     5000 user: end of INVITE
    32000 user: end of OPTIONS
    32000 user: end of MESSAGE
  `)
  rig.assertOver()
})

test('ST5 over UDP a 486 is resent on timer G until timer H gives up on the ACK (RFC 3261 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(486, 'INVITE'), 486)
  rig.advance(40_000)
  rig.assertLadder(`
        0 user: INVITE
        0 -> udp 192.0.2.1:5060 486 INVITE
      500 -> udp 192.0.2.1:5060 486 INVITE
     1500 -> udp 192.0.2.1:5060 486 INVITE
     3500 -> udp 192.0.2.1:5060 486 INVITE
     7500 -> udp 192.0.2.1:5060 486 INVITE
    11500 -> udp 192.0.2.1:5060 486 INVITE
    15500 -> udp 192.0.2.1:5060 486 INVITE
    19500 -> udp 192.0.2.1:5060 486 INVITE
    23500 -> udp 192.0.2.1:5060 486 INVITE
    27500 -> udp 192.0.2.1:5060 486 INVITE
    31500 -> udp 192.0.2.1:5060 486 INVITE
    32000 user: end of INVITE
  `)
  rig.assertOver()
})

test('ST6 over TCP a 486 is sent once, and the transaction still ends after 64*T1 without an ACK (RFC 3261 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'), aliceTcp)
  rig.served[0]!.respond(reply(486, 'INVITE'), 486)
  rig.advance(40_000)
  rig.assertLadder(`
        0 user: INVITE
        0 -> tcp 192.0.2.1:40001#7 486 INVITE
    32000 user: end of INVITE
  `)
  rig.assertOver()
})

test('ST5 an INVITE repeated after its 486 gets the 486 again, besides timer G (RFC 3261 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(486, 'INVITE'), 486)
  rig.advance(100)
  rig.receive(request('INVITE'))
  rig.advance(400)
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.advance(5000)
  rig.assertLadder(`
       0 user: INVITE
       0 -> udp 192.0.2.1:5060 486 INVITE
     100 -> udp 192.0.2.1:5060 486 INVITE
     500 -> udp 192.0.2.1:5060 486 INVITE
    5500 user: end of INVITE
  `)
  rig.assertOver()
})

test('ST7 the ACK to a 486 and its repeats are absorbed for T4 over UDP (RFC 3261 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(486, 'INVITE'), 486)
  rig.advance(600)
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.receive(request('INVITE'))
  rig.advance(4999)
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.assertLadder(`
      0 user: INVITE
      0 -> udp 192.0.2.1:5060 486 INVITE
    500 -> udp 192.0.2.1:5060 486 INVITE
  `)
  rig.advance(1)
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.assertLadder(`
    5600 user: end of INVITE
    5600 user: ACK
  `)
  rig.assertOver()
})

test('ST7 over TCP the transaction ends with the ACK to its 486, in the next turn (RFC 3261 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'), aliceTcp)
  rig.served[0]!.respond(reply(486, 'INVITE'), 486)
  rig.receive(request('ACK', { toTag: 'b' }), aliceTcp)
  rig.advance(0)
  rig.assertLadder(`
    0 user: INVITE
    0 -> tcp 192.0.2.1:40001#7 486 INVITE
    0 user: end of INVITE
  `)
  rig.assertOver()
})

test('ST8 the ACK to a 2xx goes to the user, with its own branch and, from clients that repeat the INVITE’s, in Accepted (RFC 6026 7.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  rig.receive(request('ACK', { via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-ack' }))
  rig.receive(request('ACK'))
  rig.assertLadder(`
    0 user: INVITE
    0 -> udp 192.0.2.1:5060 200 INVITE
    0 user: ACK
    0 user: ACK
  `)
  rig.advance(32_000)
  rig.assertOver()
})

test('ST9 ST10 ST11 after a 2xx, repeats of the INVITE are absorbed and every further 2xx goes out, for 64*T1 (RFC 6026 7.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  const invite = rig.served[0]!
  assert.equal(invite.respond(reply(200, 'INVITE', 'b'), 200), true)
  rig.receive(request('INVITE'))
  rig.advance(500)
  assert.equal(invite.respond(reply(200, 'INVITE', 'b'), 200), true)
  rig.advance(31_499)
  rig.receive(request('INVITE'))
  assert.equal(invite.respond(reply(200, 'INVITE', 'c'), 200), true)
  rig.advance(1)
  assert.equal(invite.respond(reply(200, 'INVITE', 'b'), 200), false)
  rig.receive(request('INVITE'))
  rig.assertLadder(`
        0 user: INVITE
        0 -> udp 192.0.2.1:5060 200 INVITE
      500 -> udp 192.0.2.1:5060 200 INVITE
    31999 -> udp 192.0.2.1:5060 200 INVITE
    32000 user: end of INVITE
    32000 user: INVITE
  `)
  rig.served[1]!.respond(reply(200, 'INVITE'), 200)
  rig.advance(32_000)
  rig.assertOver()
})

test('ST12 a non-INVITE repeated after its answer gets the answer again for 64*T1 over UDP (RFC 3261 17.2.2)', () => {
  const rig = new Rig()
  rig.receive(request('OPTIONS'))
  rig.receive(request('OPTIONS'))
  rig.served[0]!.respond(reply(200, 'OPTIONS'), 200)
  rig.advance(31_999)
  rig.receive(request('OPTIONS'))
  rig.advance(1)
  rig.assertLadder(`
        0 user: OPTIONS
        0 -> udp 192.0.2.1:5060 200 OPTIONS
    31999 -> udp 192.0.2.1:5060 200 OPTIONS
    32000 user: end of OPTIONS
  `)
  rig.assertOver()
})

test('ST12 over TCP nothing is kept beyond the answer (RFC 3261 17.2.2)', () => {
  const rig = new Rig()
  rig.receive(request('OPTIONS'), aliceTcp)
  rig.served[0]!.respond(reply(200, 'OPTIONS'), 200)
  rig.advance(0)
  rig.assertLadder(`
    0 user: OPTIONS
    0 -> tcp 192.0.2.1:40001#7 200 OPTIONS
    0 user: end of OPTIONS
  `)
  rig.assertOver()
})

test('ST13 a non-INVITE that is not answered ends after 64*T1 with nothing sent, and a later answer is refused (RFC 4320 4.2)', () => {
  const rig = new Rig()
  rig.receive(request('MESSAGE'))
  rig.advance(5000)
  rig.receive(request('MESSAGE'))
  rig.advance(27_000)
  assert.equal(rig.served[0]!.respond(reply(200, 'MESSAGE'), 200), false)
  rig.assertLadder(`
        0 user: MESSAGE
    32000 user: end of MESSAGE
  `)
  rig.assertOver()
})

test('ST13 a provisional response to a non-INVITE is repeated, and the limit holds all the same (RFC 3261 17.2.2)', () => {
  const rig = new Rig()
  rig.receive(request('MESSAGE'))
  rig.served[0]!.respond(reply(100, 'MESSAGE'), 100)
  rig.receive(request('MESSAGE'))
  rig.advance(32_000)
  rig.assertLadder(`
        0 user: MESSAGE
        0 -> udp 192.0.2.1:5060 100 MESSAGE
        0 -> udp 192.0.2.1:5060 100 MESSAGE
    32000 user: end of MESSAGE
  `)
  rig.assertOver()
})

test('ST12 a non-INVITE answered after a provisional response repeats the final one for 64*T1 (RFC 3261 17.2.2)', () => {
  for (const status of [200, 404]) {
    const rig = new Rig()
    rig.receive(request('MESSAGE'))
    rig.served[0]!.respond(reply(100, 'MESSAGE'), 100)
    rig.served[0]!.respond(reply(183, 'MESSAGE'), 183)
    rig.advance(1000)
    rig.served[0]!.respond(reply(status, 'MESSAGE'), status)
    assert.equal(rig.served[0]!.respond(reply(500, 'MESSAGE'), 500), false)
    rig.receive(request('MESSAGE'))
    rig.advance(40_000)
    rig.assertLadder(`
          0 user: MESSAGE
          0 -> udp 192.0.2.1:5060 100 MESSAGE
          0 -> udp 192.0.2.1:5060 183 MESSAGE
       1000 -> udp 192.0.2.1:5060 ${status} MESSAGE
       1000 -> udp 192.0.2.1:5060 ${status} MESSAGE
      33000 user: end of MESSAGE
    `)
    rig.assertOver()
  }
})

test('ST16 a provisional response to a non-INVITE that cannot be sent ends its transaction (RFC 3261 17.2.4)', () => {
  const rig = new Rig()
  rig.transport.broken.set('udp 192.0.2.1:5060', 'unreachable')
  rig.receive(request('MESSAGE'))
  rig.served[0]!.respond(reply(100, 'MESSAGE'), 100)
  rig.advance(40_000)
  assert.equal(rig.served[0]!.respond(reply(200, 'MESSAGE'), 200), false)
  rig.assertLadder(`
    0 user: MESSAGE
    0 -> udp 192.0.2.1:5060 100 MESSAGE
    0 user: end of MESSAGE
  `)
  rig.assertOver()
})

test('an INVITE without final response lives on: how long it may ring is its user’s to say (RFC 3261 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(180, 'INVITE'), 180)
  rig.advance(600_000)
  assert.deepEqual(rig.layer.counts, { server: 1, client: 0, timers: 0 })
  assert.equal(rig.served[0]!.isFinal, false)
  rig.served[0]!.respond(reply(480, 'INVITE'), 480)
  assert.equal(rig.served[0]!.isFinal, true)
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.advance(5000)
  rig.assertOver()
})

test('a second final response and a provisional one after it are refused, but a 2xx still goes out (RFC 3261 16.7, 17.2.1)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  const invite = rig.served[0]!
  assert.equal(invite.respond(reply(486, 'INVITE'), 486), true)
  assert.equal(invite.respond(reply(180, 'INVITE'), 180), false)
  assert.equal(invite.respond(reply(603, 'INVITE'), 603), false)
  assert.equal(invite.respond(reply(200, 'INVITE'), 200), true)
  rig.advance(500)
  rig.receive(request('ACK', { toTag: 'b' }))
  assert.equal(invite.respond(reply(200, 'INVITE'), 200), true)
  rig.advance(5000)
  rig.assertLadder(`
       0 user: INVITE
       0 -> udp 192.0.2.1:5060 486 INVITE
       0 -> udp 192.0.2.1:5060 200 INVITE
     500 -> udp 192.0.2.1:5060 486 INVITE
     500 -> udp 192.0.2.1:5060 200 INVITE
    5500 user: end of INVITE
  `)
  rig.assertOver()
})

test('ST5 ST7 the ACK and timer G race in both orders: one more 486 or none (RFC 3261 17.2.1)', () => {
  for (const isAckFirst of [true, false]) {
    const rig = new Rig()
    rig.receive(request('INVITE'))
    rig.served[0]!.respond(reply(486, 'INVITE'), 486)
    rig.advance(isAckFirst ? 499 : 500)
    rig.receive(request('ACK', { toTag: 'b' }))
    rig.advance(40_000)
    rig.assertLadder(`
      0 user: INVITE
      0 -> udp 192.0.2.1:5060 486 INVITE
      ${isAckFirst ? '' : '500 -> udp 192.0.2.1:5060 486 INVITE'}
      ${isAckFirst ? 5499 : 5500} user: end of INVITE
    `)
    rig.assertOver()
  }
})

test('ST13 the answer and the limit race in both orders: the answer goes out, or nothing does (RFC 4320 4.2)', () => {
  for (const [waitMs, isAnswered] of [
    [31_999, true],
    [32_000, false],
  ] as const) {
    const rig = new Rig()
    rig.receive(request('MESSAGE'))
    rig.advance(waitMs)
    assert.equal(rig.served[0]!.respond(reply(200, 'MESSAGE'), 200), isAnswered)
    rig.advance(32_000)
    rig.assertLadder(`
      0 user: MESSAGE
      ${isAnswered ? '31999 -> udp 192.0.2.1:5060 200 MESSAGE' : ''}
      ${isAnswered ? 63_999 : 32_000} user: end of MESSAGE
    `)
    rig.assertOver()
  }
})

for (const [what, via] of [
  ['without a branch', 'SIP/2.0/UDP 192.0.2.1:5060'],
  ['with a branch without magic cookie', 'SIP/2.0/UDP 192.0.2.1:5060;branch=1'],
  ['with nothing but the magic cookie', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK'],
] as const) {
  test(`ST14 requests ${what} are told apart by what RFC 2543 goes by (RFC 3261 17.2.3)`, () => {
    const rig = new Rig()
    rig.receive(request('OPTIONS', { via }))
    rig.receive(request('OPTIONS', { via }))
    assert.equal(rig.served.length, 1, 'the same again')
    rig.receive(request('OPTIONS', { via, uri: 'sip:carol@example.com' }))
    rig.receive(request('OPTIONS', { via, toTag: 't' }))
    rig.receive(request('OPTIONS', { via, fromTag: 'f' }))
    rig.receive(request('OPTIONS', { via, callId: 'call-2' }))
    rig.receive(request('OPTIONS', { via, cseq: 2 }))
    rig.receive(request('OPTIONS', { via: `${via};x` }))
    rig.receive(request('MESSAGE', { via }))
    assert.equal(rig.served.length, 8, 'each differs in one thing')
    rig.advance(32_000)
    rig.assertOver()
  })

  test(`ST14 an ACK ${what} finds its INVITE by the To tag of the response, and a CANCEL by the INVITE’s own (RFC 3261 17.2.3)`, () => {
    const rig = new Rig()
    rig.receive(request('INVITE', { via }))
    rig.receive(request('CANCEL', { via }))
    rig.served[0]!.respond(reply(487, 'INVITE', 'b'), 487)
    rig.receive(request('ACK', { via, toTag: 'somebody else' }))
    rig.receive(request('ACK', { via, toTag: 'b' }))
    rig.receive(request('INVITE', { via, toTag: 'b', cseq: 2 }))
    rig.served[1]!.respond(reply(488, 'INVITE', 'b'), 488)
    rig.receive(request('ACK', { via, toTag: 'b', cseq: 2 }))
    rig.advance(32_000)
    rig.assertLadder(`
          0 user: INVITE
          0 -> udp 192.0.2.1:5060 200 CANCEL
          0 user: CANCEL of INVITE
          0 -> udp 192.0.2.1:5060 487 INVITE
          0 user: ACK
          0 user: INVITE
          0 -> udp 192.0.2.1:5060 488 INVITE
       5000 user: end of INVITE
       5000 user: end of INVITE
    `)
    rig.assertOver()
  })
}

test('ST16 a final response that cannot be sent ends its transaction, told in a later turn (RFC 3261 17.2.4)', () => {
  for (const [method, status] of [
    ['INVITE', 486],
    ['OPTIONS', 200],
  ] as const) {
    const rig = new Rig()
    rig.transport.broken.set('udp 192.0.2.1:5060', 'unreachable')
    rig.receive(request(method))
    rig.served[0]!.respond(reply(status, method), status)
    rig.note('answered')
    rig.advance(0)
    rig.assertLadder(`
      0 user: ${method}
      0 -> udp 192.0.2.1:5060 ${status} ${method}
      0 answered
      0 user: end of ${method}
    `)
    rig.assertOver()
  }
})

test('ST16 a provisional response and a 2xx that cannot be sent leave the INVITE alive for the next try (RFC 6026 7.1)', () => {
  const rig = new Rig()
  rig.transport.broken.set('udp 192.0.2.1:5060', 'unreachable')
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(180, 'INVITE'), 180)
  rig.advance(10)
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  rig.advance(10)
  assert.equal(rig.served[0]!.respond(reply(200, 'INVITE'), 200), true)
  rig.advance(32_000)
  rig.assertLadder(`
        0 user: INVITE
        0 -> udp 192.0.2.1:5060 180 INVITE
       10 -> udp 192.0.2.1:5060 200 INVITE
       20 -> udp 192.0.2.1:5060 200 INVITE
    32010 user: end of INVITE
  `)
  rig.assertOver()
})

test('ST16 a failure reported after the end of its transaction changes nothing', () => {
  const rig = new Rig()
  rig.receive(request('OPTIONS'))
  rig.served[0]!.respond(reply(200, 'OPTIONS'), 200)
  rig.advance(32_000)
  rig.transport.failLater()
  rig.assertOver()
})

test('PX13 with rport a response goes to the source address and port, from the socket the request came in on (RFC 3581 4)', () => {
  const rig = new Rig()
  const flow = { ...aliceUdp, remoteAddress: '203.0.113.9', remotePort: 61_000 }
  rig.receive(request('OPTIONS', { via: `SIP/2.0/UDP 10.0.0.1:5060;${branch};rport` }), flow)
  rig.served[0]!.respond(reply(200, 'OPTIONS'), 200)
  assert.equal(rig.transport.sent[0]!.destination, flow)
})

test('PX14 without rport a response goes to the source address and the port of the sent-by (RFC 3261 18.2.2)', () => {
  const flow = { ...aliceUdp, remoteAddress: '203.0.113.9', remotePort: 61_000 }
  for (const [sentBy, port] of [
    ['10.0.0.1:5070', 5070],
    ['10.0.0.1', 5060],
  ] as const) {
    const rig = new Rig()
    rig.receive(request('OPTIONS', { via: `SIP/2.0/UDP ${sentBy};${branch};received=10.9.9.9` }), flow)
    rig.served[0]!.respond(reply(200, 'OPTIONS'), 200)
    assert.deepEqual(rig.transport.sent[0]!.destination, {
      transport: 'udp',
      remoteAddress: '203.0.113.9',
      remotePort: port,
      listener: flow.listener,
    })
  }
})

test('PX15 with maddr a response goes there, at the port of the sent-by; a maddr that is no address is left out (RFC 3261 18.2.2)', () => {
  for (const [maddr, to] of [
    ['224.0.1.75', 'udp 224.0.1.75:5070'],
    ['[2001:db8::7]', 'udp 2001:db8::7:5070'],
    ['maddr.example.com', 'udp 192.0.2.1:5070'],
  ] as const) {
    const rig = new Rig()
    rig.receive(request('OPTIONS', { via: `SIP/2.0/UDP 10.0.0.1:5070;${branch};maddr=${maddr}` }))
    rig.served[0]!.respond(reply(200, 'OPTIONS'), 200)
    rig.assertLadder(`
      0 user: OPTIONS
      0 -> ${to} 200 OPTIONS
    `)
  }
})

test('PX16 when the connection is gone, the response and all later ones take a new one to the sent-by port (RFC 3261 18.2.2)', () => {
  const rig = new Rig()
  rig.transport.broken.set('tcp 192.0.2.1:40001#7', 'closed')
  rig.receive(request('INVITE', { via: `SIP/2.0/TCP 10.0.0.1:5070;${branch}` }), aliceTcp)
  rig.served[0]!.respond(reply(180, 'INVITE'), 180)
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  rig.advance(32_000)
  rig.assertLadder(`
        0 user: INVITE
        0 -> tcp 192.0.2.1:40001#7 180 INVITE
        0 -> tcp 192.0.2.1:5070 180 INVITE
        0 -> tcp 192.0.2.1:5070 200 INVITE
    32000 user: end of INVITE
  `)
  rig.assertOver()
})

test('PX16 two responses lost with one connection: the newer one is sent again, once (RFC 3261 18.2.2)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE', { via: `SIP/2.0/TCP 10.0.0.1:5070;${branch}` }), aliceTcp)
  rig.served[0]!.respond(reply(180, 'INVITE'), 180)
  rig.served[0]!.respond(reply(486, 'INVITE'), 486)
  rig.transport.failLater()
  rig.receive(request('ACK', { via: `SIP/2.0/TCP 10.0.0.1:5070;${branch}`, toTag: 'b' }), aliceTcp)
  rig.advance(0)
  rig.assertLadder(`
    0 user: INVITE
    0 -> tcp 192.0.2.1:40001#7 180 INVITE
    0 -> tcp 192.0.2.1:40001#7 486 INVITE
    0 -> tcp 192.0.2.1:5070 486 INVITE
    0 user: end of INVITE
  `)
  rig.assertOver()
})

test('ST16 PX16 when the new connection fails as well, the transaction ends (RFC 3263 5)', () => {
  const rig = new Rig()
  rig.transport.broken.set('tcp 192.0.2.1:40001#7', 'closed').set('tcp 192.0.2.1:5060', 'refused')
  rig.receive(request('INVITE'), aliceTcp)
  rig.served[0]!.respond(reply(486, 'INVITE'), 486)
  rig.advance(0)
  rig.assertLadder(`
    0 user: INVITE
    0 -> tcp 192.0.2.1:40001#7 486 INVITE
    0 -> tcp 192.0.2.1:5060 486 INVITE
    0 user: end of INVITE
  `)
  rig.assertOver()
})

test('an ACK before any final response and a request without a readable Via are counted, and otherwise ignored', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.receive(request('ACK'))
  rig.layer.receiveRequest(message(request('OPTIONS', { via: 'SIP/2.0/UDP' })), aliceUdp)
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  rig.advance(32_000)
  rig.assertOver({ 'inviteServer: ack in proceeding': 1, 'request without Via': 1 })
})

test('a server transaction has an id of its own, the same at every look', () => {
  const rig = new Rig()
  rig.receive(request('OPTIONS'))
  rig.receive(request('MESSAGE'))
  assert.deepEqual(
    [rig.served[1]!.id, rig.served[0]!.id, rig.served[1]!.id],
    ['transaction1', 'transaction2', 'transaction1'],
  )
})
