import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalAor, formatUri, isUri, parseUri, sameUri } from '../../../gateway/sip/uri.ts'

test('a SIP URI gives its parts, escapes as written (RFC 3261 19.1.1)', () => {
  const uri = parseUri(
    'sips:%61lice:p%40ss;isub=1@[2001:DB8::1]:5070;Transport=tcp;lr;x=%20?Subject=a%20b&Priority=urgent',
  )!
  assert.equal(uri.scheme, 'sips')
  assert.equal(uri.user, '%61lice')
  assert.equal(uri.password, 'p%40ss;isub=1')
  assert.equal(uri.host, '2001:db8::1')
  assert.equal(uri.port, 5070)
  assert.deepEqual(
    [...uri.params],
    [
      ['transport', 'tcp'],
      ['lr', ''],
      ['x', '%20'],
    ],
  )
  assert.equal(uri.headers, 'Subject=a%20b&Priority=urgent')
})

test('a URI of a host alone, and one whose user holds ; ? and /', () => {
  const host = parseUri('SIP:Example.COM')!
  assert.deepEqual(
    [host.scheme, host.user, host.host, host.port, host.params.size, host.headers],
    ['sip', '', 'example.com', undefined, 0, ''],
  )
  const user = parseUri('sip:user;par=u%40example.net?,/@example.com')!
  assert.deepEqual(
    [user.user, user.host, user.params.size, user.headers],
    ['user;par=u%40example.net?,/', 'example.com', 0, ''],
  )
})

test('a tel URI gives its number as the user (RFC 3966)', () => {
  const uri = parseUri('tel:+1-555-1234;phone-context=example.com')!
  assert.deepEqual(
    [uri.scheme, uri.user, uri.host, uri.params.get('phone-context')],
    ['tel', '+1-555-1234', '', 'example.com'],
  )
})

test('parameters called like members of Object are parameters, and the first of two counts', () => {
  const uri = parseUri('sip:a@b;__proto__=x;constructor;x=1;x=2;;y')!
  assert.deepEqual(
    [...uri.params],
    [
      ['__proto__', 'x'],
      ['constructor', ''],
      ['x', '1'],
      ['y', ''],
    ],
  )
})

test('broken URIs and other schemes are undefined', () => {
  const broken = [
    '',
    'sip:',
    'sip',
    'sip:@h',
    'sip::pw@h',
    'sip:a@',
    'sip:a@b@c',
    'sip:a@b:',
    'sip:a@b:0',
    'sip:a@b:65536',
    'sip:a@b:80x',
  ]
  const hostile = [
    'sip:a@[::1',
    'sip:a@[]',
    'sip:2001:db8::10',
    'sip:a@b c',
    'sip:a@b\r\nX: y',
    'sip:a"@b',
    'sip:<a@b>',
    'sip:a@b;x=\u0016',
    'tel:',
    'tel:;x',
  ]
  for (const text of [...broken, ...hostile, 'http://example.com', 'isbn:123', 'sip:\u0161@b'])
    assert.equal(parseUri(text), undefined, text)
})

test('a Request-URI may have an unknown scheme, never blanks, controls or angle brackets (RFC 3261 25.1)', () => {
  for (const text of ['soap.beep://192.0.2.103:3002', 'name:John_Smith', 'sip:b']) assert.ok(isUri(text), text)
  for (const text of ['nobodyKnows', ':x', '1x:y', 'x:', 'x:a b', '<x:y>', 'x:y>', 'x:\u0000'])
    assert.ok(!isUri(text), text)
})

test('formatUri writes what parseUri read', () => {
  for (const text of [
    'sip:a:b@[::1]:5070;lr;transport=tcp?x=y',
    'sips:example.com',
    'sip:a@b:1',
    'tel:+1-555;phone-context=x',
  ]) {
    assert.equal(formatUri(parseUri(text)!), text)
  }
})

test('canonicalAor has one spelling for an address: no port, no parameters, host in lower case, sips as sip', () => {
  for (const text of [
    'sip:%62ob@EXAMPLE.com;transport=tcp',
    'sip:bob@example.com:5060',
    'sips:bob@example.com.',
    'SIP:bob:secret@example.com?a=b',
  ]) {
    assert.equal(canonicalAor(text), 'sip:bob@example.com')
  }
  assert.equal(canonicalAor('sip:EXAMPLE.com:5070'), 'sip:example.com')
  assert.equal(canonicalAor('sip:bob@[2001:DB8::1]:5060'), 'sip:bob@[2001:db8::1]')
  assert.equal(canonicalAor(parseUri('sip:b%6fb@example.com')!), 'sip:bob@example.com')
  assert.notEqual(canonicalAor('sip:Bob@example.com'), canonicalAor('sip:bob@example.com'))
})

test('canonicalAor never unescapes what is not harmless text (RFC 3261 19.1.2)', () => {
  assert.equal(canonicalAor('sip:a%00%0d%0aX%40b%3a%2f@example.com'), 'sip:a%00%0D%0AX%40b%3A%2F@example.com')
  assert.equal(canonicalAor('sip:100%@example.com'), 'sip:100%25@example.com')
  assert.equal(canonicalAor('sip:zo\xc3\xab@example.com'), 'sip:zo%C3%AB@example.com')
  assert.equal(canonicalAor('sip:zo%c3%ab@example.com'), 'sip:zo%C3%AB@example.com')
  assert.notEqual(canonicalAor('sip:%00@h'), canonicalAor('sip:%00%00@h'))
})

test('canonicalAor of a telephone number leaves visual separators out, and keeps the context of a local one (RFC 3966 5.1.1)', () => {
  assert.equal(canonicalAor('tel:+1-555'), 'tel:+1555')
  assert.equal(canonicalAor('tel:+1.(555).12;phone-context=x'), 'tel:+155512')
  assert.equal(canonicalAor('tel:70-42;phone-context=Example.com'), 'tel:7042;phone-context=example.com')
})

test('canonicalAor of what is no SIP or tel URI is empty', () => {
  for (const text of ['', 'isbn:1', 'sip:', 'bob']) assert.equal(canonicalAor(text), '')
})

test('sameUri: pairs that RFC 3261 19.1.4 calls equivalent', () => {
  const pairs = [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['tel:+1-555', 'tel:+1.555'],
  ]
  for (const [a, b] of pairs) assert.ok(sameUri(a!, b!) && sameUri(b!, a!), `${a} ${b}`)
})

test('sameUri: pairs that RFC 3261 19.1.4 calls different', () => {
  const pairs = [
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a@b', 'sips:a@b'],
    ['sip:a@b', 'sip:a:secret@b'],
    ['isbn:1', 'isbn:2'],
  ]
  for (const [a, b] of pairs) assert.ok(!sameUri(a!, b!) && !sameUri(b!, a!), `${a} ${b}`)
})
