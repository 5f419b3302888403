import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLog, type LogLevel } from '../../../gateway/observe/log.ts'

function logging(level: LogLevel) {
  const lines: string[] = []
  return { log: createLog(level, { write: (line) => void lines.push(line) }), lines }
}

test('a line is one JSON object with level, time, message and fields', () => {
  const { log, lines } = logging('info')
  log.warn('function failed', { callId: 'abc@a', status: 503 })
  assert.equal(lines.length, 1)
  const { time, ...rest } = JSON.parse(lines[0]!)
  assert.equal(typeof time, 'number')
  assert.deepEqual(rest, { level: 'warn', msg: 'function failed', callId: 'abc@a', status: 503 })
})

test('lines below the level are not written', () => {
  const { log, lines } = logging('warn')
  log.debug('a')
  log.info('b')
  log.warn('c')
  log.error('d')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).msg),
    ['c', 'd'],
  )
  assert.equal(log.isDebug, false)
  assert.equal(logging('debug').log.isDebug, true)
})

test('silent writes nothing', () => {
  const { log, lines } = logging('silent')
  log.error('x')
  assert.deepEqual(lines, [])
})

describe('secrets never get into a line (RFC 8599, RFC 8760)', () => {
  const leaks: [string, () => [string, Record<string, unknown>?]][] = [
    [
      'a contact URI with push parameters in the message',
      () => ['bad contact <sip:bob@h;pn-provider=fcm;pn-prid=TOPSECRET;pn-param=TOPSECRET>'],
    ],
    ['a contact in a field', () => ['x', { contact: 'sip:bob@h;pn-prid="TOPSECRET;x"' }]],
    ['a contact deep in a field', () => ['x', { bindings: [{ contact: 'sip:b@h;PN-PRID=TOPSECRET' }] }]],
    [
      'a push parameter as a field of its own',
      () => ['x', { 'pn-prid': 'TOPSECRET', pnPrid: 'TOPSECRET', pnParam: 'TOPSECRET' }],
    ],
    [
      'the push parameters of a binding',
      () => ['x', { push: { provider: 'fcm', prid: 'TOPSECRET', param: 'TOPSECRET' } }],
    ],
    ['JSON text with a push parameter', () => ['x', { body: '{"pn-prid":"TOPSECRET"}' }]],
    ['a percent-escaped parameter', () => ['x', { url: 'http://h/?c=sip:b%3Bpn-prid%3DTOPSECRET' }]],
    [
      'an Authorization line',
      () => ['x', { text: 'REGISTER sip:h SIP/2.0\r\nAuthorization: Digest username="b", response="TOPSECRET"\r\n' }],
    ],
    [
      'a Proxy-Authorization header field',
      () => ['x', { headers: { 'Proxy-Authorization': 'Digest response="TOPSECRET"' } }],
    ],
    ['headers as pairs of text', () => ['x', { header: 'authorization: Bearer TOPSECRET' }]],
    ['a bearer token alone', () => ['x', { got: 'Bearer TOPSECRET' }]],
    ['a token field', () => ['x', { token: 'TOPSECRET', apiToken: 'TOPSECRET', api_token: 'TOPSECRET' }]],
    ['a token in text', () => ['API_TOKEN=TOPSECRET']],
    ['a webhook secret', () => ['x', { secret: 'whsec_TOPSECRET' }]],
    ['a webhook secret in text', () => ['bad key whsec_TOPSECRET']],
    ['a password in a URL', () => ['redis://user:TOPSECRET@host:6379']],
    ['an error', () => ['x', { error: new Error('cannot push to pn-prid=TOPSECRET') }]],
  ]
  for (const [title, line] of leaks) {
    test(title, () => {
      const { log, lines } = logging('debug')
      for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](...line())
      assert.equal(lines.length, 4)
      for (const text of lines) {
        assert.doesNotMatch(text, /TOPSECRET/)
        assert.match(text, /\[redacted\]/)
      }
    })
  }

  test('what is no secret stays readable', () => {
    const { log, lines } = logging('info')
    log.info('200 REGISTER', {
      contact: '<sip:bob@192.0.2.1;ob>;expires=60',
      callId: 'token@host',
      list: [1, true, null],
    })
    const { contact, callId, list } = JSON.parse(lines[0]!)
    assert.deepEqual(
      { contact, callId, list },
      { contact: '<sip:bob@192.0.2.1;ob>;expires=60', callId: 'token@host', list: [1, true, null] },
    )
  })
})

test('hostile fields stay bounded: long strings, deep and circular structures', () => {
  const { log, lines } = logging('info')
  const circle: Record<string, unknown> = {}
  circle.self = circle
  log.info('x'.repeat(100_000), { long: `pn-prid=${'"'.repeat(100_000)}`, many: Array(10_000).fill('y'), circle })
  assert.ok(lines[0]!.length < 20_000)
})
