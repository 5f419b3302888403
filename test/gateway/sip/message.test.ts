import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkProxy, checkRequest, checkResponse, LARGEST_LINE_COUNT } from '../../../gateway/sip/check.ts'
import { readMessage, type SipMessage } from '../../../gateway/sip/message.ts'

const OPTIONS = [
  'OPTIONS sip:bob@example.com SIP/2.0',
  'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa',
  'Max-Forwards: 70',
  'From: "Alice" <sip:alice@example.com>;tag=f1',
  'To: <sip:bob@example.com>',
  'Call-ID: c1@192.0.2.1',
  'CSeq: 7 OPTIONS',
]

function text(lines: string[], body = ''): string {
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function read(lines: string[], body = ''): SipMessage {
  const result = readMessage(text(lines, body))
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.message
}

/** The OPTIONS above with one line replaced, or taken away. */
function changed(name: string, line?: string): string[] {
  return OPTIONS.flatMap((old) => (old.startsWith(`${name}:`) ? (line === undefined ? [] : [line]) : [old]))
}

test('a request gives its start line and its keys', () => {
  const message = read(OPTIONS)
  assert.equal(message.isRequest, true)
  assert.equal(message.method, 'OPTIONS')
  assert.equal(message.uri, 'sip:bob@example.com')
  assert.equal(message.status, 0)
  assert.equal(message.via?.branch, 'z9hG4bKa')
  assert.equal(message.callId, 'c1@192.0.2.1')
  assert.deepEqual(message.cseq, { number: 7, method: 'OPTIONS' })
  assert.equal(message.from?.display, 'Alice')
  assert.equal(message.fromTag, 'f1')
  assert.equal(message.toTag, '')
  assert.equal(message.maxForwards, 70)
  assert.equal(message.body, '')
})

test('a response gives its status, its reason and the method of its CSeq (RFC 3261 7.2)', () => {
  const message = read(['SIP/2.0 183 Session  Progress', ...OPTIONS.slice(1, -1), 'CSeq: 7 INVITE'])
  assert.equal(message.isRequest, false)
  assert.equal(message.status, 183)
  assert.equal(message.reason, 'Session  Progress')
  assert.equal(message.method, 'INVITE')
  assert.equal(message.uri, '')
})

test('a status line without a reason, with or without the space before it, is read (RFC 4475 3.1.1.13)', () => {
  assert.equal(read(['SIP/2.0 100 ', ...OPTIONS.slice(1)]).reason, '')
  assert.equal(read(['SIP/2.0 100', ...OPTIONS.slice(1)]).status, 100)
})

test('status lines outside 100 to 699, or of another version, are noise (RFC 3261 7.2)', () => {
  for (const line of [
    'SIP/2.0 099 x',
    'SIP/2.0 700 x',
    'SIP/2.0 20 x',
    'SIP/2.0 2000 x',
    'SIP/3.0 200 OK',
    'SIP/2.0 200 a\rb',
  ]) {
    const result = readMessage(text([line, ...OPTIONS.slice(1)]))
    assert.ok(!result.ok && result.answer === undefined, line)
  }
})

test('HTTP, lone words and empty datagrams are noise', () => {
  for (const noise of [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'hello',
    'hello\r\n\r\n',
    '',
    '\r\n',
    '\r\n\r\n\r\n',
    '\0',
    'jaK\0',
  ]) {
    const result = readMessage(noise)
    assert.ok(!result.ok && result.answer === undefined, JSON.stringify(noise))
  }
})

test('headers are found by their long name in any case, in long and compact form (RFC 3261 7.3.1, 7.3.3)', () => {
  const message = read([...OPTIONS, 'k: path', 'SUPPORTED: gruu', 'X-Thing: 1', 'x-THING: 2', 'x: 1800'])
  assert.deepEqual(message.lines('Supported'), ['path', 'gruu'])
  assert.deepEqual(message.lines('x-thing'), ['1', '2'])
  assert.equal(message.header('session-expires'), '1800')
  assert.equal(message.header('x-absent'), undefined)
  assert.equal(message.header('expires'), undefined)
  assert.deepEqual(message.lines('absent'), [])
})

test('list headers give their values over all lines, commas in quotes and brackets are no separators (RFC 3261 7.3.1)', () => {
  const message = read([
    ...OPTIONS,
    'Route: <sip:a;lr>, <sip:b,c@d;lr>',
    'Contact: "x, y" <sip:e@f>',
    'Route:  <sip:g>,,',
  ])
  assert.deepEqual(message.values('route'), ['<sip:a;lr>', '<sip:b,c@d;lr>', '<sip:g>'])
  assert.deepEqual(message.values('contact'), ['"x, y" <sip:e@f>'])
})

test('folded values come out in one line, and no value ever holds CR or LF (RFC 3261 7.3.1)', () => {
  const message = read([...OPTIONS, 'Subject: a\r\n  b\r\n\tc', 'X-Empty:\r\n ', 'X-Late:\r\n late'])
  assert.equal(message.header('subject'), 'a b c')
  assert.equal(message.header('x-empty'), '')
  assert.equal(message.header('x-late'), 'late')
  for (const [, value] of message.all()) assert.doesNotMatch(value, /[\r\n]/)
})

test('all header lines are listed in order, names as written', () => {
  const message = read([...OPTIONS, 'x-A : 1', 'X-a: 2'])
  assert.deepEqual(message.all().slice(-2), [
    ['x-A', '1'],
    ['X-a', '2'],
  ])
  assert.equal(message.all().length, OPTIONS.length + 1)
})

test('Content-Length bounds the body, without it the body runs to the end (RFC 3261 18.3)', () => {
  assert.equal(read([...OPTIONS, 'Content-Length: 3'], 'abcdef').body, 'abc')
  assert.equal(read([...OPTIONS, 'l: 3'], 'abcdef').text.endsWith('\r\n\r\nabc'), true)
  assert.equal(read(OPTIONS, 'abcdef').body, 'abcdef')
  assert.equal(read([...OPTIONS, 'Content-Length: 0'], 'abcdef').body, '')
})

test('a Content-Length above what came, without digits, or of two minds is answered 400 (RFC 3261 18.3)', () => {
  for (const lines of [
    ['l: 4'],
    ['l: -1'],
    ['l: 1,1'],
    ['l:'],
    ['l: 0x1'],
    ['l: 1 1'],
    ['l: 1', 'Content-Length: 2'],
    ['l: 99999999999999999999'],
  ]) {
    const result = readMessage(text([...OPTIONS, ...lines], 'abc'))
    assert.ok(!result.ok && result.answer?.status === 400, lines.join())
  }
})

test('a broken response and a broken ACK are answered with silence (RFC 3261 17.1.1.3)', () => {
  const response = readMessage(text(['SIP/2.0 200 OK', ...OPTIONS.slice(1), 'l: 9']))
  assert.ok(!response.ok && response.answer === undefined)
  const ack = readMessage(text(['ACK sip:bob@example.com SIP/2.0', ...OPTIONS.slice(1, -1), 'CSeq: 7 ACK', 'l: 9']))
  assert.ok(!ack.ok && ack.answer === undefined)
})

test('a broken request without all that an answer needs is dropped', () => {
  for (const name of ['Via', 'From', 'To', 'Call-ID', 'CSeq']) {
    const result = readMessage(text([...changed(name), 'l: 9']))
    assert.ok(!result.ok && result.answer === undefined, name)
  }
})

test('a line without a colon or name, and a fold with nothing to continue, are answered 400 (RFC 3261 7.3.1)', () => {
  for (const line of ['no header', ': nameless', 'two words: x', 'Fo(o: x']) {
    const result = readMessage(text([...OPTIONS, line]))
    assert.ok(!result.ok && result.answer?.status === 400, line)
  }
  const fold = readMessage(text([OPTIONS[0]!, ' folded start line', ...OPTIONS.slice(1)]))
  assert.ok(!fold.ok && fold.answer?.status === 400)
})

test('lone CRs and bare LFs never pass for line ends (RFC 3261 7)', () => {
  for (const line of [
    'X: a\rVia: evil',
    'X: a\nVia: evil',
    'X: a\r\r',
    'X: a\r\n b\rc',
    'X: a\r\n b\nc: d',
    'X: a\n',
  ]) {
    const result = readMessage(text([...OPTIONS, line]))
    assert.ok(!result.ok && result.answer !== undefined, JSON.stringify(line))
    for (const [, value] of result.message.all()) assert.doesNotMatch(value, /[\r\n]/)
  }
})

test('methods are compared by case, a version in another case is the same version (RFC 3261 7.1)', () => {
  const message = read(['options sip:bob@example.com sip/2.0', ...OPTIONS.slice(1)])
  assert.equal(message.method, 'options')
  assert.equal(checkRequest(message)?.status, 400)
})

test('keys that are absent or broken read as such', () => {
  const bare = read(['OPTIONS sip:bob@example.com SIP/2.0', 'X: y'])
  assert.deepEqual(
    [bare.via, bare.from, bare.to, bare.cseq, bare.maxForwards],
    [undefined, undefined, undefined, undefined, undefined],
  )
  assert.deepEqual([bare.callId, bare.fromTag, bare.toTag], ['', '', ''])
  assert.equal(read(changed('Max-Forwards', 'Max-Forwards: 256')).maxForwards, Number.NaN)
  assert.equal(read(changed('Max-Forwards', 'Max-Forwards: 7x')).maxForwards, Number.NaN)
  assert.equal(read(changed('CSeq', 'CSeq: 2147483648 OPTIONS')).cseq, undefined)
  assert.equal(read(changed('CSeq', 'CSeq: 7')).cseq, undefined)
  assert.equal(read(changed('CSeq', 'CSeq: 7OPTIONS')).cseq, undefined)
})

test('checkRequest lets a good request pass, also one of RFC 2543 without Max-Forwards, From tag and branch', () => {
  assert.equal(checkRequest(read(OPTIONS)), undefined)
  assert.equal(checkRequest(read(changed('Max-Forwards'))), undefined)
  assert.equal(checkRequest(read(changed('From', 'From: sip:alice@example.com'))), undefined)
  assert.equal(checkRequest(read(changed('Via', 'Via: SIP/2.0/UDP 192.0.2.1'))), undefined)
})

test('checkRequest refuses with 400 what is missing, broken, or there twice (RFC 3261 8.1.1, 8.2)', () => {
  for (const name of ['Via', 'From', 'To', 'Call-ID', 'CSeq']) {
    assert.equal(checkRequest(read(changed(name)))?.status, 400, `without ${name}`)
    assert.equal(checkRequest(read(changed(name, `${name}: a b`)))?.status, 400, `broken ${name}`)
  }
  for (const name of ['From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards']) {
    const line = OPTIONS.find((old) => old.startsWith(name))!
    assert.equal(checkRequest(read([...OPTIONS, line]))?.status, 400, `two of ${name}`)
  }
  assert.equal(checkRequest(read(changed('CSeq', 'CSeq: 7 INVITE')))?.status, 400)
  assert.equal(checkRequest(read(changed('Max-Forwards', 'Max-Forwards: x')))?.status, 400)
})

test('checkRequest refuses another version with 505 and too many lines with 400', () => {
  assert.equal(checkRequest(read(['OPTIONS sip:bob@example.com SIP/3.0', ...OPTIONS.slice(1)]))?.status, 505)
  const many = Array.from({ length: LARGEST_LINE_COUNT }, (_, i) => `X-${i}: y`)
  assert.equal(checkRequest(read([...OPTIONS, ...many]))?.status, 400)
  assert.equal(checkRequest(read([...OPTIONS, ...many.slice(OPTIONS.length)])), undefined)
})

test('checkResponse says why a response cannot be taken', () => {
  assert.equal(checkResponse(read(['SIP/2.0 200 OK', ...OPTIONS.slice(1)])), undefined)
  assert.match(checkResponse(read(['SIP/2.0 200 OK', ...changed('Via').slice(1)]))!, /Via/)
  assert.match(checkResponse(read(['SIP/2.0 200 OK', ...changed('CSeq', 'CSeq: x').slice(1)]))!, /CSeq/)
})

test('checkProxy: 416 for a scheme it cannot route, 483 at the last hop, 420 with the extensions it lacks (RFC 3261 16.3)', () => {
  assert.equal(checkProxy(read(OPTIONS)), undefined)
  assert.equal(checkProxy(read(['OPTIONS tel:+1555 SIP/2.0', ...OPTIONS.slice(1)])), undefined)
  assert.equal(checkProxy(read(['OPTIONS SIPS:bob@example.com SIP/2.0', ...OPTIONS.slice(1)])), undefined)
  assert.equal(checkProxy(read(['OPTIONS http://example.com/ SIP/2.0', ...OPTIONS.slice(1)]))?.status, 416)
  assert.equal(checkProxy(read(changed('Max-Forwards', 'Max-Forwards: 0')))?.status, 483)
  const fault = checkProxy(read([...OPTIONS, 'Proxy-Require: foo, bar', 'Proxy-Require: baz']))
  assert.deepEqual(fault, { status: 420, reason: 'Bad Extension', headers: [['Unsupported', 'foo, bar, baz']] })
})
