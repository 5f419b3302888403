import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNamed, Purrs } from '../../../gateway/push/purr.ts'

const BOB = 'sip:bob@example.com'
const purrs = new Purrs('a secret')

test('a PURR names its device to every gateway of the same secret, and always the same way (RFC 8599 6.2.2)', () => {
  const purr = purrs.write(BOB, 'urn:uuid:phone')
  assert.equal(new Purrs('a secret').write(BOB, 'urn:uuid:phone'), purr)
  const named = new Purrs('a secret').read(purr)!
  assert.equal(named.aor, BOB)
  assert.deepEqual([isNamed(named, 'urn:uuid:phone'), isNamed(named, 'urn:uuid:tablet')], [true, false])
  assert.notEqual(purrs.write(BOB, 'urn:uuid:tablet'), purr)
  assert.notEqual(purrs.write('sip:bab@example.com', 'urn:uuid:phone').slice(30), purr.slice(30))
})

test('it can stand in a URI, and says nothing of whose it is to whoever has no secret', () => {
  const purr = purrs.write(BOB, 'urn:uuid:phone')
  assert.match(purr, /^[\w-]+$/)
  assert.ok(!Buffer.from(purr, 'base64url').includes('bob'))
  assert.equal(new Purrs('another').read(purr), undefined)
})

test('what was altered, cut short or made up names nobody', () => {
  const purr = purrs.write(BOB, 'urn:uuid:phone')
  const altered = Array.from(purr, (one, at) => purr.slice(0, at) + (one === 'A' ? 'B' : 'A') + purr.slice(at + 1))
  // The last character may hold fewer bits than six.
  for (const other of [...altered.slice(0, -1), purr.slice(0, -2), '', 'x', 'x'.repeat(80), '%00']) {
    assert.equal(purrs.read(other), undefined, other)
  }
})
