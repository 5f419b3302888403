import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { captured } from '../../../gateway/hep/sip-text.ts'
import { readMessage } from '../../../gateway/sip/message.ts'

function request(headers: string[], body = ''): string {
  const lines = ['REGISTER sip:example.com SIP/2.0', ...headers, 'Call-ID: c1@host', `Content-Length: ${body.length}`]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function shown(headers: string[], body = ''): string {
  return captured(request(headers, body))!.text
}

describe('what of a SIP message goes to a collector', () => {
  test('a message without secrets goes as it is', () => {
    const text = request(['From: <sip:alice@example.com>;tag=1', 'Contact: <sip:alice@192.0.2.1;ob>'], 'v=0\r\n')
    assert.deepEqual(captured(text), { callId: 'c1@host', text })
  })

  test('requests and responses, with Call-ID in every spelling', () => {
    assert.equal(captured('SIP/2.0 200 OK\r\ni:  c2 \r\n\r\n')?.callId, 'c2')
    assert.equal(captured('BYE sip:a SIP/2.0\r\ncall-id\t: c3\r\n\r\n')?.callId, 'c3')
    assert.equal(captured('BYE sip:a SIP/2.0\r\nCALL-ID:\r\n c4\r\n\r\n')?.callId, 'c4')
    assert.equal(captured('BYE sip:a SIP/2.0\r\nSubject: x\r\n Call-ID: no\r\nCall-ID: c5\r\n\r\n')?.callId, 'c5')
  })

  test('noise, HTTP, keep-alives and what has no Call-ID do not go', () => {
    for (const text of [
      '',
      '\r\n\r\n',
      '\0\0\0',
      'GET / HTTP/1.1\r\nCall-ID: x\r\n\r\n',
      'SIP/2.0 ',
      'SIP/2.0 200 OK\r\nSubject: x\r\n\r\nCall-ID: in the body',
      'OPTIONS sip:a SIP/2.0\r\n\r\n',
    ])
      assert.equal(captured(text), undefined, text)
  })

  test('push parameters lose their values, the provider excepted (RFC 8599 10)', () => {
    const contact = 'Contact: <sip:bob@192.0.2.1;pn-provider=fcm;pn-prid=SECRET:1;PN-Param="SEC\\"RET;x";ob>;expires=60'
    assert.ok(
      shown([contact]).includes(
        'Contact: <sip:bob@192.0.2.1;pn-provider=fcm;pn-prid=redacted;PN-Param=redacted;ob>;expires=60\r\n',
      ),
    )
  })

  test('so do those in any other header, in the request URI, in a folded line, and in a URI within a URI', () => {
    const text = captured(
      'INVITE sip:bob@h;pn-prid=SECRET SIP/2.0\r\nCall-ID: c\r\nRefer-To: <sip:x?Contact=%3Csip:b%3Bpn-prid%3DSECRET%3E>\r\nRoute: <sip:p>;\r\n pn-tok = SECRET\r\nContact: <sip:b>;+sip.pnspurr="SECRET"\r\n\r\n',
    )!.text
    assert.doesNotMatch(text, /SECRET/)
    assert.match(text, /^INVITE sip:bob@h;pn-prid=redacted SIP\/2\.0\r\n/)
    assert.ok(readMessage(text).ok)
  })

  test('digest credentials say who wanted what, and nothing that can be used or guessed from (RFC 3261 22)', () => {
    const credentials =
      'Digest username="bob", realm="example.com", nonce="SECRET", uri="sip:example.com", response="SECRET", cnonce=SECRET, qop=auth, nc=00000001'
    assert.ok(
      shown([`Authorization: ${credentials}`, 'X: y']).includes(
        'Authorization: Digest username="bob", realm="example.com", nonce="redacted", uri="sip:example.com", response="redacted", cnonce="redacted", qop=auth, nc=00000001\r\nX: y\r\n',
      ),
    )
  })

  test('other credentials, folded ones and answers to them are hidden too', () => {
    const text = shown([
      'proxy-authorization : Bearer SECRET',
      'Authorization: Digest username="bob",\r\n response="SECRET"',
      'Authentication-Info: rspauth="SECRET", qop=auth',
      'Cookie: SECRET',
      'Authorization: Digest SECRET',
      'Authorization:',
    ])
    assert.doesNotMatch(text, /SECRET/)
    assert.ok(text.includes('Authentication-Info: rspauth="redacted", qop=auth\r\n'))
  })

  test('a challenge goes as it is', () => {
    const text = 'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="x", nonce="n"\r\nCall-ID: c\r\n\r\n'
    assert.equal(captured(text)?.text, text)
  })

  test('SRTP keys are hidden and the body keeps its length (RFC 4568)', () => {
    const body = 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETSECRET|2^20|1:4 FEC_ORDER=FEC_SRTP\r\n'
    const text = shown(['Content-Type: application/sdp'], body)
    assert.equal(text.length, request(['Content-Type: application/sdp'], body).length)
    assert.ok(text.includes('inline:xxxxxxxxxxxx|2^20|1:4 FEC_ORDER'))
  })

  test('what is made to take long does not: 64 KiB of each in far less than a second', () => {
    const long = 65_000
    const start = performance.now()
    for (const text of [
      `Authorization: Digest ${'a'.repeat(long)}`,
      `Authorization: Digest ${'a="'.repeat(long / 3)}`,
      `Authorization: Digest ${'a= '.repeat(long / 3)}`,
      `Contact: <sip:x${';pn-'.repeat(long / 4)}>`,
      `Contact: <sip:x;pn-${'a'.repeat(long)}`,
      `Contact: <sip:x${';pn-a="'.repeat(long / 7)}`,
      `Contact: <sip:x;${' '.repeat(long)}`,
      `Contact: ${'; '.repeat(long / 2)}pn-`,
      `Subject: ${'\r\n '.repeat(long / 3)}`,
    ])
      assert.ok(captured(request([text])))
    assert.ok(performance.now() - start < 2000)
  })
})
