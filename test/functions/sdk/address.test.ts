import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Address } from '../../../functions/sdk/address.ts'
import { canonicalAor } from '../../../gateway/sip/uri.ts'

function parts(text: string): string[] {
  const { display, uri, user, host, aor } = new Address(text)
  return [display, uri, user, host, aor]
}

test('name-addr and addr-spec form, parameters outside and inside (RFC 3261 20.10)', () => {
  const aor = 'sip:bob@example.com'
  assert.deepEqual(parts('<sip:bob@example.com>;tag=1'), ['', aor, 'bob', 'example.com', aor])
  assert.deepEqual(parts('sip:bob@example.com;tag=1'), ['', aor, 'bob', 'example.com', aor])
  assert.deepEqual(parts('Bob B <sip:bob@example.com:5061;transport=tcp>;tag=1'), [
    'Bob B',
    'sip:bob@example.com:5061;transport=tcp',
    'bob',
    'example.com',
    aor,
  ])
})

test('a quoted display name may hold anything, also what looks like an address', () => {
  const text = '"a \\"<sip:eve@example.net>\\" b, c;d" <sips:bob:pw@Example.COM.;x=y?subject=z>'
  assert.deepEqual(parts(text), [
    'a "<sip:eve@example.net>" b, c;d',
    'sips:bob:pw@Example.COM.;x=y?subject=z',
    'bob',
    'example.com',
    'sip:bob@example.com',
  ])
})

test('hosts without user, IPv6, escapes, numbers', () => {
  assert.deepEqual(parts('<sip:example.com>'), ['', 'sip:example.com', '', 'example.com', 'sip:example.com'])
  assert.deepEqual(parts('<sip:%23%37@[2001:DB8::1]:5060>').slice(2), ['#7', '2001:db8::1', 'sip:%237@[2001:db8::1]'])
  assert.deepEqual(parts('<tel:+1-555.0(1);phone-context=x>').slice(2), ['+155501', '', 'tel:+155501'])
})

test('the AOR is spelled as the gateway spells it', () => {
  for (const uri of [
    'sip:bob@Example.COM:5060;transport=udp',
    'sips:b%6Fb@example.com.',
    'sip:%2a97@example.com',
    'sip:a%2fb@example.com',
    'sip:[2001:db8::1]:5060',
    'sip:a"b@example.com',
    'tel:+1-555-0100',
    'tel:70-42;phone-context=Example.com',
  ]) {
    assert.equal(new Address(`<${uri}>`).aor, canonicalAor(uri), uri)
  }
})

test('broken text gives something, in linear time, and throws nothing', () => {
  for (const text of ['', '<', '"', '"a', '<>', 'sip:', '@', '<sip:%zz@x>', '<sip:[::1>', '\\', '"\\']) {
    assert.equal(parts(text).length, 5)
  }
  const started = performance.now()
  parts(`"${'\\"'.repeat(200_000)}<sip:${'%41'.repeat(200_000)}@${'a.'.repeat(200_000)}>`)
  assert.ok(performance.now() - started < 1000)
})
