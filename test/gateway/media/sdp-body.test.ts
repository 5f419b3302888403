import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exchangeOfRequest, exchangeOfResponse } from '../../../gateway/media/exchange.ts'
import { findSdp, withoutBody, withSdp } from '../../../gateway/media/sdp-body.ts'
import { readMessage, type SipMessage } from '../../../gateway/sip/message.ts'

const SDP = 'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\n'
const OTHER = 'v=0\r\nc=IN IP4 10.0.9.1\r\ns=longer than before\r\n'

function message(headers: string[], body: string, start = 'INVITE sip:bob@example.com SIP/2.0'): SipMessage {
  const lines = [
    start,
    'Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1',
    'From: <sip:alice@example.com>;tag=A',
    'To: <sip:bob@example.com>;tag=B',
    'Call-ID: c1',
    `CSeq: 1 ${start.startsWith('SIP') ? 'INVITE' : start.split(' ')[0]}`,
    ...headers,
  ]
  const read = readMessage(`${lines.join('\r\n')}\r\n\r\n${body}`)
  assert.ok(read.ok)
  return read.message
}

function found(read: SipMessage): string | undefined {
  const place = findSdp(read)
  return place && read.text.slice(place.start, place.end)
}

describe('the session description of a message', () => {
  test('is its body when it says so, in whatever case, and with parameters', () => {
    for (const type of [
      'Content-Type: application/sdp',
      'c: APPLICATION/SDP',
      'Content-Type: application/sdp ; charset=utf-8',
    ])
      assert.equal(found(message([type], SDP)), SDP)
  })

  test('a phone that does not say what it sends is believed when it looks like one', () => {
    assert.equal(found(message([], SDP)), SDP)
    assert.equal(found(message([], 'hello')), undefined)
  })

  test('is none when there is nothing, something else, or something packed', () => {
    assert.equal(found(message(['Content-Type: application/sdp'], '')), undefined)
    assert.equal(found(message(['Content-Type: text/plain'], SDP)), undefined)
    assert.equal(found(message(['Content-Type: application/sdp', 'Content-Encoding: gzip'], 'x')), undefined)
  })

  test('is a part of a multipart body; what stands around it stays (RFC 2046 5.1)', () => {
    for (const boundary of ['boundary=b1', 'boundary="b1"', 'type="text/plain"; Boundary=b1']) {
      const before =
        '--b1\r\nContent-Type: application/isup\r\n\r\n\u0000\u00ff\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n'
      const after = '\r\n--b1\r\nContent-Type: text/plain\r\n\r\nv=0\r\n--b1--\r\n'
      const read = message([`Content-Type: multipart/mixed; ${boundary}`], `${before}${SDP}${after}`)
      assert.equal(found(read), SDP, boundary)
      assert.equal(withSdp(read, findSdp(read)!, OTHER).body, `${before}${OTHER}${after}`)
    }
  })

  test('broken multipart bodies have none', () => {
    const bodies = [
      '',
      '--b1',
      '--b1\r\n',
      '--b1\r\n\r\n',
      '--b1\r\nContent-Type: application/sdp\r\n\r\nv=0',
      `--b1${'\r\n--b1'.repeat(100)}`,
    ]
    for (const body of bodies)
      assert.equal(found(message(['Content-Type: multipart/mixed;boundary=b1'], body)), undefined)
    assert.equal(found(message(['Content-Type: multipart/mixed'], SDP)), undefined)
    const encoded = `--b1\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--b1--`
    assert.equal(found(message(['Content-Type: multipart/mixed;boundary=b1'], encoded)), undefined)
  })

  test('another one gets its Content-Length, whatever form that had; nothing else changes', () => {
    const forms = [
      [`Content-Length: ${SDP.length}`],
      [`l:   ${SDP.length}  `],
      [`Content-Length: ${SDP.length}`, `l: ${SDP.length}`],
      [],
    ]
    for (const lengths of forms) {
      const read = message(
        [...lengths.slice(0, 1), 'Content-Type: application/sdp', ...lengths.slice(1), 'X-Last: 1'],
        SDP,
      )
      const made = withSdp(read, findSdp(read)!, OTHER)
      assert.equal(made.body, OTHER)
      assert.equal(made.header('Content-Length'), String(OTHER.length))
      const plain = ({ text }: SipMessage) => text.replaceAll(/\r\n(Content-Length|l):[^\r]*/g, '').split('\r\n\r\n')[0]
      assert.equal(plain(made), plain(read))
    }
  })

  test('can be taken out', () => {
    const bare = withoutBody(message(['Content-Type: application/sdp', `Content-Length: ${SDP.length}`], SDP))
    assert.equal(bare.body, '')
    assert.equal(bare.header('Content-Type'), undefined)
    assert.equal(bare.header('Content-Length'), '0')
  })
})

describe('what a session description is (RFC 3264, RFC 6337)', () => {
  const request = (method: string) => message([], SDP, `${method} sip:bob@example.com SIP/2.0`)
  const response = (status: number) => message([], SDP, `SIP/2.0 ${status} X`)
  const offer = (offerer: string, answerer: string) => ({ command: 'offer' as const, offerer, answerer })
  const answer = (offerer: string, answerer: string) => ({ command: 'answer' as const, offerer, answerer })

  test('INVITE and UPDATE offer, the ACK answers, a PRACK does one or the other', () => {
    assert.deepEqual(exchangeOfRequest(request('INVITE'), false), offer('A', 'B'))
    assert.deepEqual(exchangeOfRequest(request('UPDATE'), true), offer('A', 'B'))
    assert.deepEqual(exchangeOfRequest(request('ACK'), false), answer('B', 'A'))
    assert.deepEqual(exchangeOfRequest(request('PRACK'), false), offer('A', 'B'))
    assert.deepEqual(exchangeOfRequest(request('PRACK'), true), answer('B', 'A'))
    assert.equal(exchangeOfRequest(request('INFO'), false), undefined)
  })

  test('a response answers the offer of its request; to an INVITE without one it offers; a failure does nothing', () => {
    for (const status of [180, 183, 200]) {
      assert.deepEqual(exchangeOfResponse(response(status), offer('A', '')), answer('A', 'B'))
      assert.deepEqual(exchangeOfResponse(response(status), undefined), offer('B', 'A'))
      assert.equal(exchangeOfResponse(response(status), answer('B', 'A')), undefined)
    }
    for (const status of [100, 302, 488, 606])
      assert.equal(exchangeOfResponse(response(status), offer('A', '')), undefined)
  })
})
