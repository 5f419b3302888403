import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redacted, redactedJson } from '../../../gateway/observe/redact.ts'

const SECRETS: object[] = [
  { contact: '<sip:bob@192.0.2.1;pn-prid=SECRET>' },
  { line: 'Authorization: SECRET', other: 'proxy-authorization: SECRET', third: 'Authentication-Info: SECRET' },
  { text: 'Bearer SECRET', digest: 'Digest SECRET', basic: 'basic SECRET' },
  { key: 'whsec_SECRET' },
  { url: 'redis://user:SECRET@host' },
  { text: 'access_token=SECRET' },
  { text: '{"secret":"SECRET"}' },
  { text: 'password: SECRET' },
  ...[
    'authorization',
    'Cookie',
    'api-token',
    'webhook_secret',
    'password',
    'prid',
    'param',
    'push',
    'pnPrid',
    'pn-x',
  ].map((name) => ({ deep: [{ [name]: 'SECRET' }] })),
]

test('the JSON of a value has no secret, and is that of its redacted copy', () => {
  for (const value of SECRETS) {
    const text = redactedJson(value)
    assert.doesNotMatch(text, /SECRET/)
    assert.equal(text, JSON.stringify(redacted(value)))
  }
})

test('what has no trace of one is as it is, and what is long is cut', () => {
  const plain = { event: 'call.ended', attributes: { callId: 'a@b', from: 'sip:alice@example.com', duration: '3' } }
  assert.equal(redactedJson(plain), JSON.stringify(plain))
  assert.match(redactedJson({ text: 'x'.repeat(3000) }), /x… \(3000 characters\)/)
})
