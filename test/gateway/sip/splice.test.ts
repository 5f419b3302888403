import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMessage, type SipMessage } from '../../../gateway/sip/message.ts'
import { type RequestEdits, spliceRequest, spliceResponse } from '../../../gateway/sip/splice.ts'

function read(text: string): SipMessage {
  const result = readMessage(text)
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.message
}

function invite(...lines: string[]): SipMessage {
  return read(['INVITE sip:bob@example.com SIP/2.0', ...lines, '', 'body\r\n'].join('\r\n'))
}

const PLAIN: RequestEdits = { via: 'SIP/2.0/UDP p;branch=z9hG4bKp', received: null, maxForwards: 69 }

/** Header lines after the Via put on top. */
function spliced(request: SipMessage, edits: Partial<RequestEdits>): string[] {
  const [start, via, ...lines] = spliceRequest(request, { ...PLAIN, ...edits }).split('\r\n')
  assert.equal(start, `INVITE ${edits.uri ?? 'sip:bob@example.com'} SIP/2.0`)
  assert.equal(via, 'Via: SIP/2.0/UDP p;branch=z9hG4bKp')
  assert.deepEqual(lines.slice(-3), ['', 'body', ''])
  return lines.slice(0, -3)
}

test('forwarding adds a Via, counts Max-Forwards down, and changes nothing else (RFC 3261 16.6)', () => {
  const request = invite('v :  SIP/2.0/UDP a', 'Subject: a\r\n  b', 'MAX-forwards :  0070 ', 'X-a:1', 'x-A: 2  ')
  assert.deepEqual(spliced(request, {}), [
    'v :  SIP/2.0/UDP a',
    'Subject: a',
    '  b',
    'MAX-forwards :  69 ',
    'X-a:1',
    'x-A: 2  ',
  ])
})

test('Max-Forwards is added where it is missing (RFC 3261 16.6 step 3)', () => {
  assert.deepEqual(spliced(invite('Via: SIP/2.0/UDP a'), { maxForwards: 70 }), [
    'Max-Forwards: 70',
    'Via: SIP/2.0/UDP a',
  ])
})

test('a new Request-URI takes the place of the old one (RFC 3261 16.6 step 2)', () => {
  assert.deepEqual(spliced(invite('X: y'), { uri: 'sip:bob@192.0.2.9;x' }), ['Max-Forwards: 69', 'X: y'])
})

test('Record-Route and Route values go on top, the first one topmost (RFC 3261 16.6 steps 4 and 6)', () => {
  const lines = spliced(invite('Max-Forwards: 70', 'Record-Route: <sip:r;lr>', 'Route: <sip:x;lr>'), {
    recordRoute: ['<sip:p1;lr>', '<sip:p2;lr>'],
    addRoutes: ['<sip:q;lr>'],
  })
  const top = ['Record-Route: <sip:p1;lr>', 'Record-Route: <sip:p2;lr>', 'Route: <sip:q;lr>']
  assert.deepEqual(lines, [...top, 'Max-Forwards: 69', 'Record-Route: <sip:r;lr>', 'Route: <sip:x;lr>'])
})

test('topmost Route values are dropped over lines and lists, the others stay as written (RFC 3261 16.4)', () => {
  const request = () => invite('Max-Forwards: 70', 'Route: <sip:a,1@h;lr> ,  "b," <sip:b>;x=1', 'X: y', 'Route:<sip:c>')
  const lines = (edits: Partial<RequestEdits>) => spliced(request(), edits).slice(1)
  assert.deepEqual(lines({ dropRoutes: 1 }), ['Route: "b," <sip:b>;x=1', 'X: y', 'Route:<sip:c>'])
  assert.deepEqual(lines({ dropRoutes: 2 }), ['X: y', 'Route:<sip:c>'])
  assert.deepEqual(lines({ dropRoutes: 3 }), ['X: y'])
  assert.deepEqual(lines({ dropRoutes: 9 }), ['X: y'])
  assert.deepEqual(lines({ dropRoutes: 0 }), ['Route: <sip:a,1@h;lr> ,  "b," <sip:b>;x=1', 'X: y', 'Route:<sip:c>'])
})

test('the last Route value goes when the Request-URI came back from a strict router (RFC 3261 16.4)', () => {
  const last = (...routes: string[]) => spliced(invite('Max-Forwards: 70', ...routes), { dropLastRoute: true }).slice(1)
  assert.deepEqual(last('Route: <sip:a>, <sip:b>', 'Route: <sip:c>'), ['Route: <sip:a>, <sip:b>'])
  assert.deepEqual(last('Route: <sip:a>', 'Route: <sip:b> , <sip:c>'), ['Route: <sip:a>', 'Route: <sip:b>'])
  assert.deepEqual(last('Route: <sip:a>'), [])
  const both = spliced(invite('Max-Forwards: 70', 'Route: <sip:a>, <sip:b>, <sip:c>'), {
    dropLastRoute: true,
    dropRoutes: 1,
  })
  assert.deepEqual(both.slice(1), ['Route: <sip:b>'])
})

test('a Route value is put at the end for a strict next hop (RFC 3261 16.6 step 6)', () => {
  const appended = (...routes: string[]) =>
    spliced(invite('Max-Forwards: 70', ...routes, 'X: y'), { dropRoutes: 1, appendRoute: '<sip:bob@example.com>' })
  assert.deepEqual(appended('Route: <sip:a>, <sip:b>').slice(1), [
    'Route: <sip:b>',
    'Route: <sip:bob@example.com>',
    'X: y',
  ])
  assert.deepEqual(appended('Route: <sip:a>').slice(1), ['Route: <sip:bob@example.com>', 'X: y'])
  assert.deepEqual(appended(), ['Route: <sip:bob@example.com>', 'Max-Forwards: 69', 'X: y'])
})

test('received and rport go into the topmost Via value only (RFC 3261 18.2.1, RFC 3581 4)', () => {
  const received = { address: '203.0.113.1', port: 4000 }
  const via = (...values: string[]) =>
    spliced(invite('Max-Forwards: 70', ...values.map((value) => `Via: ${value}`)), { received })
      .slice(1)
      .join('|')
  const filled = 'received=203.0.113.1'
  assert.equal(via('SIP/2.0/UDP a;branch=1'), `Via: SIP/2.0/UDP a;branch=1;${filled}`)
  assert.equal(via('SIP/2.0/UDP a;rport;branch=1'), `Via: SIP/2.0/UDP a;rport=4000;${filled};branch=1`)
  assert.equal(via('SIP/2.0/UDP a;RPORT=1'), `Via: SIP/2.0/UDP a;RPORT=4000;${filled}`)
  assert.equal(via('SIP/2.0/UDP a;received=6.6.6.6;rport;x'), `Via: SIP/2.0/UDP a;${filled};rport=4000;x`)
  assert.equal(via('SIP/2.0/UDP a;rport;received=6.6.6.6'), `Via: SIP/2.0/UDP a;rport=4000;${filled}`)
  assert.equal(via('SIP/2.0/UDP a , SIP/2.0/UDP b;rport'), `Via: SIP/2.0/UDP a;${filled} , SIP/2.0/UDP b;rport`)
  assert.equal(via('SIP/2.0/UDP a', 'SIP/2.0/UDP b;rport'), `Via: SIP/2.0/UDP a;${filled}|Via: SIP/2.0/UDP b;rport`)
  assert.equal(
    via('SIP/2.0/UDP a\r\n ;rport\r\n\t;x'),
    `Via: SIP/2.0/UDP a\r\n ;rport=4000;${filled}\r\n\t;x`.replaceAll('\r\n', '|'),
  )
})

test('headers are removed, set and added by name, long or compact', () => {
  const request = invite('Max-Forwards: 70', 's: old', 'X-a: 1', 'Subject: older', 'x-A: 2', 'X-b: 3')
  const headers = { remove: ['x-a'], set: { 'Subject': 'new' }, add: [['X-b', '4'] as [string, string]] }
  assert.deepEqual(spliced(request, { headers }).slice(1), ['X-b: 3', 'Subject: new', 'X-b: 4'])
})

test('CR, LF, NUL and what is not latin1 throw in a value that is put in: nobody validated it', () => {
  const request = invite('Via: SIP/2.0/UDP a', 'Max-Forwards: 70')
  for (const evil of ['x\r\nEvil: 1', 'x\ny', 'x\ry', 'x\0', 'x\u010a']) {
    const edits: Partial<RequestEdits>[] = [
      { via: evil },
      { uri: evil },
      { recordRoute: [evil] },
      { addRoutes: [evil] },
      { appendRoute: evil },
    ]
    const headers: RequestEdits['headers'][] = [
      { set: { X: evil } },
      { set: { [evil]: 'x' } },
      { add: [['X', evil]] },
      { add: [[evil, 'x']] },
    ]
    for (const edit of [
      ...edits,
      ...headers.map((headers) => ({ headers })),
      { received: { address: evil, port: 1 } },
    ]) {
      assert.throws(() => spliceRequest(request, { ...PLAIN, ...edit }), JSON.stringify(edit))
    }
  }
})

function response(...lines: string[]): SipMessage {
  return read(['SIP/2.0 200 OK', ...lines, 'CSeq: 1 INVITE', '', 'body'].join('\r\n'))
}

test('a response goes on without its topmost Via, all else byte for byte (RFC 3261 16.7 step 3)', () => {
  const sentOn = spliceResponse(
    response('X : a', 'Via: SIP/2.0/UDP p;branch=1', 'v:  SIP/2.0/UDP a\r\n ;rport', 'Y:\tb '),
  )
  assert.equal(
    sentOn,
    'SIP/2.0 200 OK\r\nX : a\r\nv:  SIP/2.0/UDP a\r\n ;rport\r\nY:\tb \r\nCSeq: 1 INVITE\r\n\r\nbody',
  )
})

test('of a line of several Vias only the first value goes (RFC 3261 7.3.1)', () => {
  const sentOn = (value: string) => spliceResponse(response(`Via: ${value}`))?.split('\r\n')[1]
  assert.equal(sentOn('SIP/2.0/UDP p;x="," , SIP/2.0/UDP a,SIP/2.0/UDP b'), 'Via: SIP/2.0/UDP a,SIP/2.0/UDP b')
  assert.equal(sentOn('SIP/2.0/UDP p,\r\n SIP/2.0/UDP a'), 'Via: SIP/2.0/UDP a')
})

test('a response with one Via only is for this element (RFC 3261 16.7 step 3)', () => {
  assert.equal(spliceResponse(response('Via: SIP/2.0/UDP p')), undefined)
  assert.equal(spliceResponse(response('Via: SIP/2.0/UDP p , ')), undefined)
  assert.equal(spliceResponse(response('X: y')), undefined)
})

const TOKENS =
  ';pn-provider=apns;PN-PRID=SECRET%3A1;pn-param="SECRET;x"; pn-timeout=0;pn-silent=1;pn-msg-str=SECRET;pn-purr=aB_-'

test('tokens of push services stay here, wherever a phone has put them; its PURR goes on (RFC 8599 4.1, 6)', () => {
  const request = invite(
    'Max-Forwards: 70',
    `Contact: "B;x" <sip:bob@192.0.2.1:5060;transport=udp${TOKENS};ob>;+sip.instance="<urn:1>"${TOKENS}`,
    `r: <sip:bob@192.0.2.1;pn-prid=SECRET?Replaces=1>`,
    `Referred-By: <sip:bob@192.0.2.1;pn-tok=SECRET>;cid="1"`,
    `m: <sip:a@h;pn-tok>,<sip:b@h;pn-tok=SECRET>`,
  )
  assert.deepEqual(spliced(request, { maxForwards: 70 }), [
    'Max-Forwards: 70',
    'Contact: "B;x" <sip:bob@192.0.2.1:5060;transport=udp;pn-purr=aB_-;ob>;+sip.instance="<urn:1>";pn-purr=aB_-',
    'r: <sip:bob@192.0.2.1?Replaces=1>',
    'Referred-By: <sip:bob@192.0.2.1>;cid="1"',
    'm: <sip:a@h>,<sip:b@h>',
  ])
})

test('a response is rid of them too; a REGISTER and its 200 are not: a registrar and the phone itself need them', () => {
  const response = (method: string, ...more: string[]) =>
    spliceResponse(
      read(
        ['SIP/2.0 200 OK', ...more, 'Via: SIP/2.0/UDP a', 'Via: SIP/2.0/UDP b', `CSeq: 1 ${method}`, '', ''].join(
          '\r\n',
        ),
      ),
    )!.split('\r\n')
  const contact = `Contact: <sip:bob@h${TOKENS}>`
  assert.deepEqual(response('INVITE', contact), [
    'SIP/2.0 200 OK',
    'Contact: <sip:bob@h;pn-purr=aB_->',
    'Via: SIP/2.0/UDP b',
    'CSeq: 1 INVITE',
    '',
    '',
  ])
  assert.ok(response('REGISTER', contact).includes(contact))
  const register = read(['REGISTER sip:h SIP/2.0', 'Max-Forwards: 9', contact, '', ''].join('\r\n'))
  assert.ok(spliceRequest(register, PLAIN).includes(contact))
})
