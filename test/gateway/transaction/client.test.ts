import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, bobTcp, bobUdp, message, Rig } from './rig.ts'

test('CT1 an INVITE to a silent UDP target is repeated on timer A and given up on timer B (RFC 3261 17.1.1.2)', () => {
  const rig = new Rig()
  rig.send('INVITE')
  rig.advance(40_000)
  rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 INVITE
      500 -> udp 192.0.2.2:5060 INVITE
     1500 -> udp 192.0.2.2:5060 INVITE
     3500 -> udp 192.0.2.2:5060 INVITE
     7500 -> udp 192.0.2.2:5060 INVITE
    15500 -> udp 192.0.2.2:5060 INVITE
    31500 -> udp 192.0.2.2:5060 INVITE
    32000 user: timeout of INVITE
  `)
  rig.assertOver()
})

test('CT2 an INVITE to a silent TCP target is sent once and given up on timer B (RFC 3261 17.1.1.2)', () => {
  const rig = new Rig()
  rig.send('INVITE', bobTcp)
  rig.advance(40_000)
  rig.assertLadder(`
        0 -> tcp 192.0.2.2:5060#8 INVITE
    32000 user: timeout of INVITE
  `)
  rig.assertOver()
})

test('CT3 a non-INVITE to a silent UDP target is repeated on timer E, up to every T2, and given up on timer F (RFC 3261 17.1.2.2)', () => {
  const rig = new Rig()
  rig.send('OPTIONS')
  rig.advance(40_000)
  rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 OPTIONS
      500 -> udp 192.0.2.2:5060 OPTIONS
     1500 -> udp 192.0.2.2:5060 OPTIONS
     3500 -> udp 192.0.2.2:5060 OPTIONS
     7500 -> udp 192.0.2.2:5060 OPTIONS
    11500 -> udp 192.0.2.2:5060 OPTIONS
    15500 -> udp 192.0.2.2:5060 OPTIONS
    19500 -> udp 192.0.2.2:5060 OPTIONS
    23500 -> udp 192.0.2.2:5060 OPTIONS
    27500 -> udp 192.0.2.2:5060 OPTIONS
    31500 -> udp 192.0.2.2:5060 OPTIONS
    32000 user: timeout of OPTIONS
  `)
  rig.assertOver()
})

test('CT3 a non-INVITE to a silent TCP target is sent once and given up on timer F (RFC 3261 17.1.2.2)', () => {
  const rig = new Rig()
  rig.send('OPTIONS', bobTcp)
  rig.advance(40_000)
  rig.assertLadder(`
        0 -> tcp 192.0.2.2:5060#8 OPTIONS
    32000 user: timeout of OPTIONS
  `)
  rig.assertOver()
})

test('CT4 after a provisional response a non-INVITE is repeated every T2 and still given up after 64*T1 (RFC 3261 17.1.2.2)', () => {
  const rig = new Rig()
  rig.send('OPTIONS')
  rig.advance(200)
  rig.hear(answer(100, 'OPTIONS'))
  rig.advance(12_800)
  rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 OPTIONS
      200 user: 100 OPTIONS
      500 -> udp 192.0.2.2:5060 OPTIONS
     4500 -> udp 192.0.2.2:5060 OPTIONS
     8500 -> udp 192.0.2.2:5060 OPTIONS
    12500 -> udp 192.0.2.2:5060 OPTIONS
  `)
  rig.hear(answer(183, 'OPTIONS'))
  rig.advance(19_000)
  rig.assertLadder(`
    13000 user: 183 OPTIONS
    16500 -> udp 192.0.2.2:5060 OPTIONS
    20500 -> udp 192.0.2.2:5060 OPTIONS
    24500 -> udp 192.0.2.2:5060 OPTIONS
    28500 -> udp 192.0.2.2:5060 OPTIONS
    32000 user: timeout of OPTIONS
  `)
  rig.assertOver()
})

test('CT4 the final response after a provisional one ends the repeats and is given to the user once (RFC 3261 17.1.2.2)', () => {
  for (const status of [200, 404]) {
    const rig = new Rig()
    rig.send('OPTIONS')
    rig.hear(answer(100, 'OPTIONS'))
    rig.advance(600)
    rig.hear(answer(status, 'OPTIONS'))
    rig.hear(answer(status, 'OPTIONS'))
    rig.advance(40_000)
    rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 OPTIONS
        0 user: 100 OPTIONS
      500 -> udp 192.0.2.2:5060 OPTIONS
      600 user: ${status} OPTIONS
    `)
    rig.assertOver()
  }
})

test('CT7 a non-INVITE whose repeats are refused after a provisional response fails (RFC 3261 17.1.4)', () => {
  const rig = new Rig()
  rig.send('OPTIONS')
  rig.hear(answer(100, 'OPTIONS'))
  rig.transport.broken.set('udp 192.0.2.2:5060', 'refused')
  rig.advance(40_000)
  rig.assertLadder(`
      0 -> udp 192.0.2.2:5060 OPTIONS
      0 user: 100 OPTIONS
    500 -> udp 192.0.2.2:5060 OPTIONS
    500 user: failure of OPTIONS
  `)
  rig.assertOver()
})

test('CT5 after a provisional response an INVITE waits without end and without a timer: Timer C is the proxy’s (RFC 3261 16.8)', () => {
  const rig = new Rig()
  rig.send('INVITE')
  rig.advance(100)
  rig.hear(answer(180, 'INVITE'))
  rig.hear(answer(180, 'INVITE'))
  rig.advance(600_000)
  assert.deepEqual(rig.layer.counts, { server: 0, client: 1, timers: 0 })
  rig.hear(answer(408, 'INVITE'))
  rig.advance(32_000)
  rig.assertLadder(`
         0 -> udp 192.0.2.2:5060 INVITE
       100 user: 180 INVITE
       100 user: 180 INVITE
    600100 -> udp 192.0.2.2:5060 ACK
    600100 user: 408 INVITE
  `)
  rig.assertOver()
})

test('CT6 a 486 is acknowledged, and again for each repeat for 64*T1; the user gets it once (RFC 3261 17.1.1.2)', () => {
  const rig = new Rig()
  rig.send('INVITE')
  rig.hear(answer(486, 'INVITE'))
  rig.advance(500)
  rig.hear(answer(486, 'INVITE'))
  rig.advance(31_499)
  rig.hear(answer(486, 'INVITE'))
  rig.advance(1)
  rig.hear(answer(486, 'INVITE'))
  rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 INVITE
        0 -> udp 192.0.2.2:5060 ACK
        0 user: 486 INVITE
      500 -> udp 192.0.2.2:5060 ACK
    31999 -> udp 192.0.2.2:5060 ACK
  `)
  rig.assertOver({ 'response without transaction': 1 })
})

test('CT6 the ACK has the INVITE’s Request-URI, Via and Route, the To of the response, and takes the INVITE’s way (RFC 3261 17.1.1.3)', () => {
  const rig = new Rig()
  rig.send('INVITE', bobTcp)
  rig.hear(answer(486, 'INVITE'), bobTcp)
  const { text, destination } = rig.transport.sent[1]!
  const ack = message(text)
  const sent = message(rig.transport.sent[0]!.text)
  assert.equal(destination, bobTcp)
  assert.equal(ack.method, 'ACK')
  assert.equal(ack.uri, sent.uri)
  assert.deepEqual(ack.lines('via'), [sent.lines('via')[0]])
  for (const name of ['from', 'call-id', 'route']) assert.deepEqual(ack.lines(name), sent.lines(name))
  assert.equal(ack.toTag, 'b')
  assert.deepEqual(ack.cseq, { number: 1, method: 'ACK' })
})

test('CT6 over TCP nothing is kept after the ACK (RFC 3261 17.1.1.2)', () => {
  const rig = new Rig()
  rig.send('INVITE', bobTcp)
  rig.hear(answer(486, 'INVITE'), bobTcp)
  rig.advance(0)
  rig.assertOver()
})

test('CT7 a request that cannot be sent fails once, never while `request` is called (RFC 3261 17.1.4)', () => {
  for (const method of ['INVITE', 'OPTIONS']) {
    const rig = new Rig()
    rig.transport.broken.set('udp 192.0.2.2:5060', 'refused')
    rig.send(method)
    rig.note('requested')
    rig.advance(40_000)
    rig.assertLadder(`
      0 -> udp 192.0.2.2:5060 ${method}
      0 requested
      0 user: failure of ${method}
    `)
    rig.assertOver()
  }
})

test('CT7 several repeats refused later on are one failure (RFC 3261 17.1.4)', () => {
  const rig = new Rig()
  rig.send('INVITE')
  rig.advance(1500)
  rig.transport.failLater()
  rig.advance(40_000)
  rig.transport.failLater()
  rig.assertLadder(`
       0 -> udp 192.0.2.2:5060 INVITE
     500 -> udp 192.0.2.2:5060 INVITE
    1500 -> udp 192.0.2.2:5060 INVITE
    1500 user: failure of INVITE
  `)
  rig.assertOver()
})

test('CT7 a failure and a response race in both orders: whatever comes first counts (RFC 3261 17.1.4)', () => {
  const responseFirst = new Rig()
  responseFirst.send('INVITE')
  responseFirst.transport.failLater()
  responseFirst.hear(answer(180, 'INVITE'))
  responseFirst.advance(1000)
  responseFirst.hear(answer(200, 'INVITE'))
  responseFirst.advance(32_000)
  responseFirst.assertLadder(`
       0 -> udp 192.0.2.2:5060 INVITE
       0 user: 180 INVITE
    1000 user: 200 INVITE
  `)
  responseFirst.assertOver()
  const failureFirst = new Rig()
  failureFirst.send('INVITE')
  failureFirst.transport.failLater()
  failureFirst.advance(0)
  assert.equal(failureFirst.hear(answer(180, 'INVITE')), false)
  failureFirst.assertLadder(`
    0 -> udp 192.0.2.2:5060 INVITE
    0 user: failure of INVITE
  `)
  failureFirst.assertOver({ 'response without transaction': 1 })
})

test('CT7 an ACK that cannot be sent fails nothing: it is sent again for the next repeat of the final response', () => {
  const rig = new Rig()
  rig.send('INVITE')
  rig.transport.broken.set('udp 192.0.2.2:5060', 'unreachable')
  rig.hear(answer(486, 'INVITE'))
  rig.advance(500)
  rig.hear(answer(486, 'INVITE'))
  rig.advance(32_000)
  rig.assertLadder(`
      0 -> udp 192.0.2.2:5060 INVITE
      0 -> udp 192.0.2.2:5060 ACK
      0 user: 486 INVITE
    500 -> udp 192.0.2.2:5060 ACK
  `)
  rig.assertOver()
})

test('CT9 CT10 CT11 responses to another method, another sent-by or an unknown branch are dropped and counted (RFC 3261 17.1.3, 18.1.2)', () => {
  const rig = new Rig()
  rig.send('OPTIONS')
  assert.equal(rig.hear(answer(200, 'MESSAGE')), false)
  assert.equal(rig.hear(answer(200, 'CANCEL')), false)
  assert.equal(rig.hear(answer(200, 'OPTIONS', 'z9hG4bK-out', 'gw.example.com:5070')), false)
  assert.equal(rig.hear(answer(200, 'OPTIONS', 'z9hG4bK-out', 'other.example.com:5060')), false)
  assert.equal(rig.hear(answer(200, 'OPTIONS', 'z9hG4bK-unknown')), false)
  assert.equal(rig.hear(answer(200, 'OPTIONS').replace(/^Via:.*\r\n/m, '')), false)
  assert.equal(rig.hear(answer(200, 'OPTIONS', 'z9hG4bK-out', 'GW.Example.com')), true, 'the same host and port')
  rig.advance(5000)
  rig.assertLadder(`
    0 -> udp 192.0.2.2:5060 OPTIONS
    0 user: 200 OPTIONS
  `)
  rig.assertOver({
    'response to another method': 1,
    'response to another sent-by': 2,
    'response without Via': 1,
    'response without transaction': 2,
  })
})

test('CT13 a final response from another address is taken, and counted (RFC 3261 17.1.3)', () => {
  const rig = new Rig()
  rig.send('OPTIONS')
  assert.equal(rig.hear(answer(200, 'OPTIONS'), { ...bobUdp, remoteAddress: '203.0.113.5' }), true)
  rig.advance(5000)
  rig.assertOver({ 'response from another address': 1 })
})

test('CT14 every 2xx goes to the user for 64*T1; other responses after it are dropped (RFC 6026 7.2)', () => {
  const rig = new Rig()
  rig.send('INVITE')
  rig.hear(answer(200, 'INVITE'))
  rig.hear(answer(180, 'INVITE'))
  rig.hear(answer(486, 'INVITE'))
  rig.advance(31_999)
  rig.hear(answer(200, 'INVITE'))
  rig.advance(1)
  assert.equal(rig.hear(answer(200, 'INVITE')), false)
  rig.assertLadder(`
        0 -> udp 192.0.2.2:5060 INVITE
        0 user: 200 INVITE
    31999 user: 200 INVITE
  `)
  rig.assertOver({ 'response without transaction': 1 })
})

test('CT14 after a 486 provisional responses are dropped, and a 2xx still goes to the user (RFC 3261 16.7)', () => {
  const rig = new Rig()
  rig.send('INVITE')
  rig.hear(answer(486, 'INVITE'))
  rig.hear(answer(180, 'INVITE'))
  rig.hear(answer(200, 'INVITE'))
  rig.hear(answer(486, 'INVITE'))
  rig.advance(32_000)
  rig.assertLadder(`
    0 -> udp 192.0.2.2:5060 INVITE
    0 -> udp 192.0.2.2:5060 ACK
    0 user: 486 INVITE
    0 user: 200 INVITE
    0 -> udp 192.0.2.2:5060 ACK
  `)
  rig.assertOver()
})

test('a non-INVITE gets its final response once; repeats are absorbed for T4 over UDP (RFC 3261 17.1.2.2)', () => {
  const rig = new Rig()
  rig.send('OPTIONS')
  rig.hear(answer(200, 'OPTIONS'))
  rig.advance(4999)
  rig.hear(answer(200, 'OPTIONS'))
  rig.hear(answer(100, 'OPTIONS'))
  rig.advance(1)
  rig.assertLadder(`
    0 -> udp 192.0.2.2:5060 OPTIONS
    0 user: 200 OPTIONS
  `)
  rig.assertOver()
})

test('the final response and timer B or F race in both orders: one of them ends the transaction, not both', () => {
  for (const method of ['INVITE', 'OPTIONS']) {
    const inTime = new Rig()
    inTime.send(method, bobTcp)
    inTime.advance(31_999)
    assert.equal(inTime.hear(answer(404, method)), true)
    inTime.advance(40_000)
    inTime.assertLadder(`
          0 -> tcp 192.0.2.2:5060#8 ${method}
      ${method === 'INVITE' ? '31999 -> tcp 192.0.2.2:5060#8 ACK' : ''}
      31999 user: 404 ${method}
    `)
    inTime.assertOver()
    const late = new Rig()
    late.send(method, bobTcp)
    late.advance(32_000)
    assert.equal(late.hear(answer(404, method)), false)
    late.assertLadder(`
          0 -> tcp 192.0.2.2:5060#8 ${method}
      32000 user: timeout of ${method}
    `)
    late.assertOver({ 'response without transaction': 1 })
  }
})

test('the first provisional response and timer A race in both orders: one more INVITE or none', () => {
  for (const [waitMs, repeats] of [
    [499, 0],
    [500, 1],
  ] as const) {
    const rig = new Rig()
    rig.send('INVITE')
    rig.advance(waitMs)
    rig.hear(answer(180, 'INVITE'))
    rig.advance(10_000)
    assert.equal(rig.transport.sent.length, 1 + repeats)
    rig.hear(answer(200, 'INVITE'))
    rig.advance(32_000)
    rig.assertOver()
  }
})

test('a user may start, cancel or give up transactions while it is told of one', () => {
  const rig = new Rig()
  rig.send('INVITE', bobUdp, 'z9hG4bK-1', {
    onResponse: (response, transaction) => {
      rig.note(`first: ${response.status}`)
      if (response.status === 180) transaction.cancel()
      else if (response.status === 487) rig.send('INVITE', bobTcp, 'z9hG4bK-2')
    },
  })
  rig.hear(answer(180, 'INVITE', 'z9hG4bK-1'))
  rig.hear(answer(200, 'CANCEL', 'z9hG4bK-1'))
  rig.hear(answer(487, 'INVITE', 'z9hG4bK-1'))
  rig.hear(answer(200, 'INVITE', 'z9hG4bK-2'))
  rig.advance(32_000)
  rig.assertLadder(`
    0 -> udp 192.0.2.2:5060 INVITE
    0 first: 180
    0 -> udp 192.0.2.2:5060 CANCEL
    0 -> udp 192.0.2.2:5060 ACK
    0 first: 487
    0 -> tcp 192.0.2.2:5060#8 INVITE
    0 user: 200 INVITE
  `)
  rig.assertOver()
})

test('a user that throws when it is told of the end leaves nothing behind', () => {
  const rig = new Rig()
  const user = {
    onTimeout() {
      throw new Error('a bug')
    },
  }
  rig.send('OPTIONS', bobTcp, 'z9hG4bK-out', user)
  assert.throws(() => rig.advance(32_000), /a bug/)
  rig.assertOver()
})

test('a branch that is taken is a bug of whoever chose it, and throws', () => {
  const rig = new Rig()
  rig.send('OPTIONS')
  assert.throws(() => rig.send('OPTIONS'), /z9hG4bK-out/)
  assert.deepEqual(rig.layer.counts, { server: 0, client: 1, timers: 2 })
})

test('a thousand transactions at once keep one clock timer, and leave nothing', () => {
  const rig = new Rig()
  for (let index = 0; index < 500; index++) {
    rig.send('INVITE', bobUdp, `z9hG4bK-i${index}`)
    rig.send('OPTIONS', bobUdp, `z9hG4bK-o${index}`)
  }
  assert.deepEqual(rig.layer.counts, { server: 0, client: 1000, timers: 2000 })
  assert.equal(rig.clock.pending, 1)
  for (let index = 0; index < 500; index += 2) rig.hear(answer(200, 'INVITE', `z9hG4bK-i${index}`))
  rig.advance(40_000)
  rig.assertOver()
})
