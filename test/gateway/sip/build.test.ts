import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  buildAck,
  buildCancel,
  buildRequest,
  buildResponse,
  reasonPhrase,
  receivedOf,
} from '../../../gateway/sip/build.ts'
import { checkRequest, checkResponse } from '../../../gateway/sip/check.ts'
import { readMessage, type SipMessage } from '../../../gateway/sip/message.ts'

function read(text: string): SipMessage {
  const result = readMessage(text)
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.message
}

const INVITE = [
  'INVITE sip:bob@example.com SIP/2.0',
  'Record-Route: <sip:r2;lr>, <sip:r1;lr>',
  'v: SIP/2.0/UDP p.example.com:5070;branch=z9hG4bKp;rport, SIP/2.0/TCP q;branch=z9hG4bKq',
  'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa',
  'Max-Forwards: 12',
  'Route: <sip:n1;lr>',
  'Route: <sip:n2;lr>',
  'f: "Alice" <sip:alice@example.com>;tag=f1',
  'To:  <sip:bob@example.com>  ',
  'Timestamp: 54.21',
  'Call-ID: c1@192.0.2.1',
  'CSeq: 7 INVITE',
  'Contact: <sip:alice@192.0.2.1>',
  '',
  'body',
]
const invite = read(INVITE.join('\r\n'))

test('a response repeats Vias, From, To, Call-ID and CSeq as they came (RFC 3261 8.2.6.2)', () => {
  const response = buildResponse(invite, 486, 'Busy Here', { headers: [['Retry-After', '5']] })
  const expected = [
    'SIP/2.0 486 Busy Here',
    INVITE[2],
    INVITE[3],
    INVITE[7],
    INVITE[8],
    INVITE[10],
    INVITE[11],
    'Retry-After: 5',
  ]
  assert.equal(response, `${expected.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`)
  assert.equal(checkResponse(read(response)), undefined)
})

test('a To tag is added once, and never to a To that has one (RFC 3261 8.2.6.2)', () => {
  const response = read(buildResponse(invite, 404, 'Not Found', { toTag: 't1' }))
  assert.equal(response.toTag, 't1')
  const inDialog = read(INVITE.join('\r\n').replace('To:  <sip:bob@example.com>  ', 'To: <sip:bob@example.com>;tag=t0'))
  assert.equal(read(buildResponse(inDialog, 404, 'Not Found', { toTag: 't1' })).toTag, 't0')
})

test('received and rport are filled into the topmost Via (RFC 3261 18.2.1, RFC 3581 4)', () => {
  const received = { address: '2001:db8::7', port: 4000 }
  const vias = read(buildResponse(invite, 100, 'Trying', { received })).values('via')
  assert.equal(vias[0], 'SIP/2.0/UDP p.example.com:5070;branch=z9hG4bKp;rport=4000;received=2001:db8::7')
  assert.deepEqual(vias.slice(1), invite.values('via').slice(1))
  const folded = read('OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP\r\n a\r\n ;rport\r\n\r\n')
  assert.match(
    buildResponse(folded, 200, 'OK', { received }),
    /^Via: SIP\/2.0\/UDP a ;rport=4000;received=2001:db8::7\r$/m,
  )
})

test('Record-Route is in what may make a dialog, Timestamp in a 100 (RFC 3261 12.1.1, 8.2.6.1)', () => {
  for (const status of [180, 200])
    assert.deepEqual(read(buildResponse(invite, status, 'x')).lines('record-route'), invite.lines('record-route'))
  for (const status of [100, 302, 486])
    assert.equal(read(buildResponse(invite, status, 'x')).header('record-route'), undefined)
  assert.equal(read(buildResponse(invite, 100, 'Trying')).header('timestamp'), '54.21')
  assert.equal(read(buildResponse(invite, 200, 'OK')).header('timestamp'), undefined)
})

test('a body comes with its type and length', () => {
  const response = read(buildResponse(invite, 200, 'OK', { body: 'v=0\r\n', contentType: 'application/sdp' }))
  assert.deepEqual(
    [response.body, response.header('content-type'), response.header('content-length')],
    ['v=0\r\n', 'application/sdp', '5'],
  )
})

test('a request that cannot be read is answered with what it has, and no lone CR or LF goes back', () => {
  const result = readMessage(INVITE.join('\r\n').replace('c1@192.0.2.1', 'c1\rX: y').replace('7 INVITE', '7\nINVITE'))
  assert.ok(!result.ok && result.answer !== undefined)
  const response = buildResponse(result.message, 400, 'Bad Request', {
    toTag: 't',
    received: { address: '192.0.2.9', port: 9 },
  })
  assert.doesNotMatch(response.replaceAll('\r\n', ''), /[\r\n]/)
  assert.equal(read(response).header('x'), undefined)
})

test('the ACK of a non-2xx has the one Via, Routes, From, Call-ID and CSeq number of the INVITE, To of the response (RFC 3261 17.1.1.3)', () => {
  const ack = buildAck(invite, read(buildResponse(invite, 486, 'Busy Here', { toTag: 't1' })))
  const expected = [
    'ACK sip:bob@example.com SIP/2.0',
    'Via: SIP/2.0/UDP p.example.com:5070;branch=z9hG4bKp;rport',
    'Route: <sip:n1;lr>',
    'Route: <sip:n2;lr>',
    'Max-Forwards: 12',
    'f: "Alice" <sip:alice@example.com>;tag=f1',
    'To:  <sip:bob@example.com>;tag=t1',
    'Call-ID: c1@192.0.2.1',
    'CSeq: 7 ACK',
    'Content-Length: 0',
  ]
  assert.equal(ack, `${expected.join('\r\n')}\r\n\r\n`)
  assert.equal(checkRequest(read(ack)), undefined)
})

test('a CANCEL has the same Via, To and CSeq number as its request, and the Reason it is given (RFC 3261 9.1, RFC 3326)', () => {
  const cancel = read(buildCancel(invite, 'SIP;cause=200;text="Call completed elsewhere"'))
  assert.equal(cancel.method, 'CANCEL')
  assert.deepEqual(cancel.cseq, { number: 7, method: 'CANCEL' })
  assert.deepEqual(cancel.values('via'), invite.values('via').slice(0, 1))
  assert.deepEqual([cancel.header('to'), cancel.header('from')], [invite.header('to'), invite.header('from')])
  assert.equal(cancel.header('reason'), 'SIP;cause=200;text="Call completed elsewhere"')
  assert.equal(cancel.header('require'), undefined)
  assert.equal(read(buildCancel(invite)).header('reason'), undefined)
})

test('a request of our own has all that RFC 3261 8.1.1 asks for', () => {
  const request = read(
    buildRequest({
      method: 'NOTIFY',
      uri: 'sip:bob@192.0.2.9',
      via: 'SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKn',
      from: '<sip:gw@example.com>;tag=g1',
      to: '<sip:bob@example.com>',
      callId: 'n1',
      cseq: 3,
      routes: ['<sip:p;lr>'],
      contact: '<sip:gw@192.0.2.5>',
      headers: [['Event', 'x']],
      body: 'abc',
      contentType: 'text/plain',
    }),
  )
  assert.equal(checkRequest(request), undefined)
  assert.equal(request.maxForwards, 70)
  assert.deepEqual(request.values('route'), ['<sip:p;lr>'])
  assert.deepEqual(
    [request.header('contact'), request.header('event'), request.body],
    ['<sip:gw@192.0.2.5>', 'x', 'abc'],
  )
})

test('CR, LF, NUL and what is not latin1 throw in a value that is put in: nobody validated it', () => {
  for (const evil of ['x\r\ny: z', 'x\ny', '\0', '\u010d']) {
    assert.throws(() => buildResponse(invite, 200, evil))
    assert.throws(() => buildResponse(invite, 200, 'OK', { toTag: evil }))
    assert.throws(() => buildResponse(invite, 200, 'OK', { headers: [['X', evil]] }))
    assert.throws(() => buildResponse(invite, 200, 'OK', { headers: [[evil, 'x']] }))
    assert.throws(() => buildResponse(invite, 200, 'OK', { body: '', contentType: evil }))
    assert.throws(() => buildCancel(invite, evil))
    const fields = { method: 'X', uri: 'sip:x', via: 'v', from: 'f', to: 't', callId: 'c', cseq: 1 }
    for (const name of ['method', 'uri', 'via', 'from', 'to', 'callId', 'contact']) {
      assert.throws(() => buildRequest({ ...fields, [name]: evil }), name)
    }
  }
})

test('received is asked for when sent-by is another address, by rport, and to undo a received the sender wrote (RFC 3581 4)', () => {
  const from = (via: string) =>
    receivedOf(read(`OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP ${via}\r\n\r\n`), '192.0.2.1', 4000)
  const received = { address: '192.0.2.1', port: 4000 }
  assert.equal(from('192.0.2.1:9'), null)
  assert.equal(from('192.0.2.1;received=192.0.2.1'), null)
  assert.deepEqual(from('192.0.2.2'), received)
  assert.deepEqual(from('host.example.com'), received)
  assert.deepEqual(from('192.0.2.1;rport'), received)
  assert.deepEqual(from('192.0.2.1;received=6.6.6.6'), received)
})

test('reason phrases are those of the registry, and of the class for a status nobody registered', () => {
  assert.equal(reasonPhrase(487), 'Request Terminated')
  assert.equal(reasonPhrase(555), 'Push Notification Service Not Supported')
  assert.equal(reasonPhrase(499), 'Request Failed')
})
