import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { shownMessage } from '../../../gateway/hep/message.ts'

const head = (lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`
const shown = (text: string) => shownMessage(text)?.octets.toString('latin1')

describe('what a collector is shown of a message', () => {
  test('everything as it was, and the Call-ID in either form', () => {
    const text = `${head(['INVITE sip:bob@example.com SIP/2.0', 'Call-ID: a@b', 'X: ;pnx=1'])}body;pn-prid=mine\xff`
    assert.equal(shown(text), text)
    assert.equal(shownMessage(text)!.callId, 'a@b')
    assert.equal(shownMessage(head(['SIP/2.0 200 OK', 'i : short ', 'Call-ID: later']))!.callId, 'short')
    assert.equal(shownMessage(head(['SIP/2.0 200 OK']))!.callId, '')
  })

  test('no keep-alive, and nothing that is no SIP', () => {
    for (const text of ['\r\n\r\n', '', 'GET / HTTP/1.1\r\n\r\n', '\0\x01\0\0'])
      assert.equal(shownMessage(text), undefined)
  })

  test('no push token, wherever a phone has put it, folded lines too', () => {
    const text = head([
      'REGISTER sip:example.com;pn-provider=fcm;pn-prid=SECRET SIP/2.0',
      'Contact: <sip:bob@192.0.2.1;pn-provider=fcm;pn-prid="SECRET;x";PN-PARAM=SECRET>;expires=60, <sip:b@c;pn-prid=SECRET>',
      'm: <sip:bob@192.0.2.1;ob;pn-prid=SE%43CRET',
      ' >;q=1',
      'Call-ID: 1',
    ])
    const now = shown(text)!
    assert.doesNotMatch(now, /SECRET|SE%43CRET/)
    assert.match(now, /^REGISTER sip:example\.com SIP\/2\.0\r\n/)
    assert.match(now, /<sip:bob@192\.0\.2\.1>;expires=60, <sip:b@c>\r\n/)
    assert.match(now, /<sip:bob@192\.0\.2\.1;ob\r\n >;q=1\r\nCall-ID: 1\r\n\r\n$/)
  })

  test('of a digest all but the response, by which a password could be guessed; of other credentials nothing', () => {
    const text = head([
      'REGISTER sip:example.com SIP/2.0',
      'Authorization: Digest username="bob", realm="r",',
      ' nonce="n", response="SECRET", algorithm=MD5',
      'PROXY-AUTHORIZATION : Digest username="bob", response = SECRET',
      'Authorization: Bearer SECRET',
      'Authorization: Basic SECRET',
      'Call-ID: 1',
    ])
    const now = shown(text)!
    assert.doesNotMatch(now, /SECRET/)
    assert.match(now, /username="bob", realm="r",\r\n nonce="n", response="", algorithm=MD5\r\n/)
    assert.match(now, /Authorization: Bearer \[redacted\]\r\nAuthorization: Basic \[redacted\]\r\nCall-ID: 1\r\n/)
    const info = head(['SIP/2.0 200 OK', 'Authentication-Info: rspauth="SECRET", nextnonce="n2"'])
    assert.match(shown(info)!, /rspauth="", nextnonce="n2"/)
  })

  test('hostile text takes linear time', () => {
    const long = 'a'.repeat(60_000)
    const started = performance.now()
    shown(
      head([
        'INVITE sip:a SIP/2.0',
        `Authorization: Digest ${'response '.repeat(6000)}`,
        `X: ${';pn-'.repeat(15_000)}${long}`,
      ]),
    )
    shown(head(['INVITE sip:a SIP/2.0', `Authorization:${'\r\n '.repeat(20_000)}${long}`]))
    assert.ok(performance.now() - started < 1000)
  })
})
