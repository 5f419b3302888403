import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseContacts, parseDeltaSeconds } from '../../../gateway/sip/contact.ts'
import { readMessage } from '../../../gateway/sip/message.ts'

function contacts(...lines: string[]) {
  const result = readMessage(['REGISTER sip:example.com SIP/2.0', 'X: y', ...lines, '', ''].join('\r\n'))
  assert.ok(result.ok)
  return parseContacts(result.message)
}

test('contacts of all lines come in order, with their URI and as written (RFC 3261 20.10)', () => {
  const result = contacts('Contact: "A, B" <sip:a,1@h;x=1>;q=0.5 , sip:b@h;expires=9', 'm: <tel:+1>')
  assert.ok(result.ok && !result.star)
  assert.deepEqual(
    result.contacts.map((contact) => contact.raw),
    ['"A, B" <sip:a,1@h;x=1>;q=0.5', 'sip:b@h;expires=9', '<tel:+1>'],
  )
  assert.deepEqual(
    result.contacts.map((contact) => contact.uri?.user),
    ['a,1', 'b', '+1'],
  )
  assert.equal(result.contacts[0]!.uri!.params.get('x'), '1')
  assert.equal(result.contacts[1]!.uri!.params.size, 0)
  assert.equal(result.contacts[1]!.nameAddr.params.get('expires'), '9')
})

test('push parameters and the instance are found where RFC 8599 and RFC 5626 put them', () => {
  const result = contacts(
    'Contact: <sip:a@h;pn-provider=fcm;pn-param=x;pn-prid=t%3A1>;+sip.instance="<urn:uuid:1>";reg-id=1',
  )
  assert.ok(result.ok)
  const [contact] = result.contacts
  assert.equal(contact!.uri!.params.get('pn-prid'), 't%3A1')
  assert.equal(contact!.nameAddr.params.get('+sip.instance'), '<urn:uuid:1>')
})

test('the star stands alone (RFC 3261 10.2.2)', () => {
  assert.deepEqual(contacts('Contact: *'), { ok: true, star: true, contacts: [] })
  assert.deepEqual(contacts('Contact: *, <sip:a@h>'), { ok: false })
  assert.deepEqual(contacts('Contact: *', 'Contact: *'), { ok: false })
})

test('no contact is a list of none, one broken contact breaks the list', () => {
  assert.deepEqual(contacts(), { ok: true, star: false, contacts: [] })
  assert.deepEqual(contacts('Contact: <sip:a@h>, <sip:b'), { ok: false })
  assert.deepEqual(contacts('Contact: sip:a@h?Route=x'), { ok: false })
})

test('a contact of a scheme nothing can be sent to has no URI (RFC 4475 3.3.4)', () => {
  const result = contacts('Contact: <name:John_Smith>, <sip:a@h:0>')
  assert.ok(result.ok)
  assert.deepEqual(
    result.contacts.map((contact) => contact.uri),
    [undefined, undefined],
  )
})

test('delta-seconds: digits, clamped to 32 bits; anything else counts as absent (RFC 3261 20.19, 25.1)', () => {
  assert.equal(parseDeltaSeconds('0060'), 60)
  assert.equal(parseDeltaSeconds('4294967296'), 4294967295)
  assert.equal(parseDeltaSeconds('9'.repeat(500)), 4294967295)
  for (const text of [undefined, '', '-1', '1.5', '60 s', 'Thu, 01 Dec 2040 16:00:00 GMT'])
    assert.equal(parseDeltaSeconds(text), undefined)
})
