import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCredentials } from '../../../gateway/sip/digest.ts'

test('credentials give their scheme and parameters, unquoted (RFC 3261 20.7)', () => {
  const credentials = parseCredentials(
    'Digest  username="a\\"b, c" , realm="x",NC=00000001,uri="sip:h;a=b",opaque="", qop=auth',
  )!
  assert.equal(credentials.scheme, 'Digest')
  const expected = { username: 'a"b, c', realm: 'x', nc: '00000001', uri: 'sip:h;a=b', opaque: '', qop: 'auth' }
  assert.deepEqual(Object.fromEntries(credentials.params), expected)
})

test('credentials of another scheme are read as well (RFC 4475 3.3.7)', () => {
  const credentials = parseCredentials('NoOneKnowsThisScheme opaque-data=here')!
  assert.deepEqual([credentials.scheme, credentials.params.get('opaque-data')], ['NoOneKnowsThisScheme', 'here'])
})

test('broken credentials are undefined: no parameter, no value, no comma, a quote left open, a parameter twice', () => {
  const broken = [
    '',
    'Digest',
    'Digest ',
    'Digest a',
    'Digest a=',
    'Digest =b',
    'Digest a=b c=d',
    'Digest a=b,',
    'Digest a=b,,c=d',
    'Digest,a=b',
  ]
  for (const value of [
    ...broken,
    'Digest a="b',
    'Digest a="b\\"',
    'Digest a=b;c=d',
    'Digest a="1",A="2"',
    'Basic dXNlcjpwYXNz',
  ]) {
    assert.equal(parseCredentials(value), undefined, value)
  }
})
