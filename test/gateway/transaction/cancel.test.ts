import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aliceTcp, aliceUdp, answer, bobTcp, message, Rig, reply, request } from './rig.ts'

test('CA1 CA7 a CANCEL of a pending INVITE is answered 200 at once, then the user hears of it (RFC 3261 9.2)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.receive(request('CANCEL'))
  rig.receive(request('CANCEL'))
  rig.served[0]!.respond(reply(487, 'INVITE'), 487)
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.advance(40_000)
  rig.assertLadder(`
       0 user: INVITE
       0 -> udp 192.0.2.1:5060 200 CANCEL
       0 user: CANCEL of INVITE
       0 -> udp 192.0.2.1:5060 200 CANCEL
       0 -> udp 192.0.2.1:5060 487 INVITE
    5000 user: end of INVITE
  `)
  rig.assertOver()
})

test('CA1 the 200 to a CANCEL has a To tag, the received address, and goes back where the CANCEL came from (RFC 3261 9.2, 8.2.6)', () => {
  const rig = new Rig()
  const flow = { ...aliceUdp, remoteAddress: '203.0.113.9', remotePort: 61_000 }
  const via = 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-in;rport'
  rig.receive(request('INVITE', { via }), flow)
  rig.receive(request('CANCEL', { via }), flow)
  const { text, destination } = rig.transport.sent[0]!
  const response = message(text)
  assert.equal(destination, flow)
  assert.equal(response.toTag, 'tag1')
  assert.deepEqual([response.via?.received, response.via?.rport], ['203.0.113.9', 61_000])
  assert.equal(response.header('cseq'), '1 CANCEL')
})

test('CA1 over TCP the CANCEL’s own transaction is over in the next turn (RFC 3261 17.2.2)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'), aliceTcp)
  rig.receive(request('CANCEL'), aliceTcp)
  rig.served[0]!.respond(reply(487, 'INVITE'), 487)
  rig.receive(request('ACK', { toTag: 'b' }), aliceTcp)
  rig.advance(0)
  rig.assertOver()
})

test('CA1 a user that answers 487 while it hears of the CANCEL finds the 200 sent before (RFC 3261 9.2)', () => {
  const rig = new Rig({
    onCancel: (_cancel, invite) => void invite.respond(reply(487, 'INVITE'), 487),
  })
  rig.receive(request('INVITE'))
  rig.receive(request('CANCEL'))
  rig.receive(request('ACK', { toTag: 'b' }))
  rig.assertLadder(`
    0 user: INVITE
    0 -> udp 192.0.2.1:5060 200 CANCEL
    0 -> udp 192.0.2.1:5060 487 INVITE
  `)
  rig.advance(32_000)
  rig.assertOver()
})

test('CA3 a CANCEL that crosses the final response is answered 200 and the user does not hear of it (RFC 3261 9.2)', () => {
  for (const status of [200, 486]) {
    const rig = new Rig()
    rig.receive(request('INVITE'))
    rig.served[0]!.respond(reply(status, 'INVITE'), status)
    rig.receive(request('CANCEL'))
    rig.receive(request('ACK', { toTag: 'b' }))
    rig.assertLadder(`
      0 user: INVITE
      0 -> udp 192.0.2.1:5060 ${status} INVITE
      0 -> udp 192.0.2.1:5060 200 CANCEL
      ${status === 200 ? '0 user: ACK' : ''}
    `)
    rig.advance(32_000)
    rig.assertOver()
  }
})

test('CA3 a 200 that crosses the CANCEL the other way still goes out (RFC 3261 9.2)', () => {
  const rig = new Rig()
  rig.receive(request('INVITE'))
  rig.receive(request('CANCEL'))
  assert.equal(rig.served[0]!.respond(reply(200, 'INVITE'), 200), true)
  rig.assertLadder(`
    0 user: INVITE
    0 -> udp 192.0.2.1:5060 200 CANCEL
    0 user: CANCEL of INVITE
    0 -> udp 192.0.2.1:5060 200 INVITE
  `)
  rig.advance(32_000)
  rig.assertOver()
})

test('CA4 a CANCEL that matches nothing is answered 481, and again when it is repeated (RFC 3261 9.2)', () => {
  const rig = new Rig()
  rig.receive(request('CANCEL'))
  rig.receive(request('CANCEL'))
  rig.assertLadder(`
    0 -> udp 192.0.2.1:5060 481 CANCEL
    0 -> udp 192.0.2.1:5060 481 CANCEL
  `)
  rig.receive(request('INVITE'))
  rig.served[0]!.respond(reply(200, 'INVITE'), 200)
  rig.advance(32_000)
  rig.assertOver()
})

test('CA8 a CANCEL of a non-INVITE is answered 200 and has no effect (RFC 3261 9.2)', () => {
  const rig = new Rig()
  rig.receive(request('MESSAGE'))
  rig.receive(request('CANCEL'))
  rig.served[0]!.respond(reply(200, 'MESSAGE'), 200)
  rig.assertLadder(`
    0 user: MESSAGE
    0 -> udp 192.0.2.1:5060 200 CANCEL
    0 -> udp 192.0.2.1:5060 200 MESSAGE
  `)
  rig.advance(32_000)
  rig.assertOver()
})

test('CA1 CA5 after a provisional response CANCEL goes out at once, and a branch that never ends is given up after 64*T1 (RFC 3261 9.1)', () => {
  const rig = new Rig()
  const invite = rig.send('INVITE')
  rig.hear(answer(180, 'INVITE'))
  rig.advance(1000)
  invite.cancel()
  rig.hear(answer(200, 'CANCEL'))
  rig.hear(answer(180, 'INVITE'))
  rig.advance(40_000)
  rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 INVITE
        0 user: 180 INVITE
     1000 -> udp 192.0.2.2:5060 CANCEL
     1000 user: 180 INVITE
    33000 user: timeout of INVITE
  `)
  rig.assertOver()
})

test('CA2 a CANCEL before any provisional response is held until the first one comes (RFC 3261 9.1)', () => {
  const rig = new Rig()
  const invite = rig.send('INVITE')
  invite.cancel()
  invite.cancel()
  rig.advance(500)
  rig.hear(answer(100, 'INVITE'))
  rig.hear(answer(200, 'CANCEL'))
  rig.hear(answer(487, 'INVITE'))
  rig.advance(40_000)
  rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 INVITE
      500 -> udp 192.0.2.2:5060 INVITE
      500 -> udp 192.0.2.2:5060 CANCEL
      500 user: 100 INVITE
      500 -> udp 192.0.2.2:5060 ACK
      500 user: 487 INVITE
  `)
  rig.assertOver()
})

test('CA2 CA5 a held CANCEL goes out once, and the branch is given up 64*T1 after it (RFC 3261 9.1)', () => {
  const rig = new Rig()
  rig.send('INVITE', bobTcp).cancel()
  rig.advance(1000)
  rig.hear(answer(180, 'INVITE'))
  rig.hear(answer(200, 'CANCEL'))
  rig.hear(answer(180, 'INVITE'))
  rig.advance(40_000)
  rig.assertLadder(`
        0 -> tcp 192.0.2.2:5060#8 INVITE
     1000 -> tcp 192.0.2.2:5060#8 CANCEL
     1000 user: 180 INVITE
     1000 user: 180 INVITE
    33000 user: timeout of INVITE
  `)
  rig.assertOver()
})

test('CA2 a held CANCEL is never sent when the branch times out, or ends with its first response (RFC 3261 9.1)', () => {
  const silent = new Rig()
  silent.send('INVITE', bobTcp).cancel()
  silent.advance(32_000)
  silent.assertLadder(`
        0 -> tcp 192.0.2.2:5060#8 INVITE
    32000 user: timeout of INVITE
  `)
  silent.assertOver()
  for (const status of [200, 486]) {
    const rig = new Rig()
    rig.send('INVITE', bobTcp).cancel()
    rig.hear(answer(status, 'INVITE'))
    rig.advance(32_000)
    rig.assertLadder(`
      0 -> tcp 192.0.2.2:5060#8 INVITE
      ${status === 486 ? '0 -> tcp 192.0.2.2:5060#8 ACK' : ''}
      0 user: ${status} INVITE
    `)
    rig.assertOver()
  }
})

test('CA3 CANCEL and 200 race in both orders: the user gets the 200 either way (RFC 3261 9.1)', () => {
  const cancelFirst = new Rig()
  const invite = cancelFirst.send('INVITE')
  cancelFirst.hear(answer(180, 'INVITE'))
  invite.cancel()
  cancelFirst.hear(answer(200, 'INVITE'))
  cancelFirst.hear(answer(481, 'CANCEL'))
  cancelFirst.advance(32_000)
  cancelFirst.assertLadder(`
    0 -> udp 192.0.2.2:5060 INVITE
    0 user: 180 INVITE
    0 -> udp 192.0.2.2:5060 CANCEL
    0 user: 200 INVITE
  `)
  cancelFirst.assertOver()
  const answerFirst = new Rig()
  const answered = answerFirst.send('INVITE')
  answerFirst.hear(answer(180, 'INVITE'))
  answerFirst.hear(answer(200, 'INVITE'))
  answered.cancel()
  answerFirst.advance(32_000)
  answered.cancel()
  answerFirst.assertLadder(`
    0 -> udp 192.0.2.2:5060 INVITE
    0 user: 180 INVITE
    0 user: 200 INVITE
  `)
  answerFirst.assertOver()
})

test('CA5 the final response and the limit race in both orders: one of them ends the branch, not both (RFC 3261 9.1)', () => {
  for (const [waitMs, isInTime] of [
    [31_999, true],
    [32_000, false],
  ] as const) {
    const rig = new Rig()
    const invite = rig.send('INVITE', bobTcp)
    rig.hear(answer(180, 'INVITE'))
    invite.cancel()
    rig.hear(answer(200, 'CANCEL'))
    rig.advance(waitMs)
    assert.equal(rig.hear(answer(487, 'INVITE')), isInTime)
    rig.advance(40_000)
    rig.assertLadder(`
      0 -> tcp 192.0.2.2:5060#8 INVITE
      0 user: 180 INVITE
      0 -> tcp 192.0.2.2:5060#8 CANCEL
      ${isInTime ? '31999 -> tcp 192.0.2.2:5060#8 ACK' : ''}
      ${isInTime ? '31999 user: 487 INVITE' : '32000 user: timeout of INVITE'}
    `)
    rig.assertOver(isInTime ? {} : { 'response without transaction': 1 })
  }
})

test('CA6 a CANCEL has the INVITE’s Request-URI, Via, Route, Call-ID and CSeq number, and the Reason it is given (RFC 3261 9.1, RFC 3326)', () => {
  const rig = new Rig()
  const invite = rig.send('INVITE', bobTcp)
  rig.hear(answer(180, 'INVITE'))
  invite.cancel('SIP;cause=200;text="Call completed elsewhere"')
  const { text, destination } = rig.transport.sent[1]!
  const cancel = message(text)
  const sent = message(invite.requestText)
  assert.equal(destination, bobTcp)
  assert.equal(cancel.method, 'CANCEL')
  assert.equal(cancel.uri, sent.uri)
  assert.deepEqual(cancel.lines('via'), [sent.lines('via')[0]])
  for (const name of ['from', 'to', 'call-id', 'route']) assert.deepEqual(cancel.lines(name), sent.lines(name))
  assert.deepEqual(cancel.cseq, { number: 1, method: 'CANCEL' })
  assert.equal(cancel.header('reason'), 'SIP;cause=200;text="Call completed elsewhere"')
})

test('a CANCEL that nobody answers is repeated like any non-INVITE, and ends by itself (RFC 3261 9.1, 17.1.2)', () => {
  const rig = new Rig()
  const invite = rig.send('INVITE')
  rig.hear(answer(180, 'INVITE'))
  invite.cancel()
  rig.advance(1500)
  rig.hear(answer(487, 'INVITE'))
  rig.advance(2000)
  rig.assertLadder(`
       0 -> udp 192.0.2.2:5060 INVITE
       0 user: 180 INVITE
       0 -> udp 192.0.2.2:5060 CANCEL
     500 -> udp 192.0.2.2:5060 CANCEL
    1500 -> udp 192.0.2.2:5060 CANCEL
    1500 -> udp 192.0.2.2:5060 ACK
    1500 user: 487 INVITE
    3500 -> udp 192.0.2.2:5060 CANCEL
  `)
  rig.advance(40_000)
  rig.assertOver()
})

test('cancelling a non-INVITE sends nothing (RFC 3261 9.1)', () => {
  const rig = new Rig()
  const options = rig.send('OPTIONS', bobTcp)
  options.cancel()
  rig.hear(answer(200, 'OPTIONS'))
  options.cancel()
  rig.advance(0)
  rig.assertLadder(`
    0 -> tcp 192.0.2.2:5060#8 OPTIONS
    0 user: 200 OPTIONS
  `)
  rig.assertOver()
})
