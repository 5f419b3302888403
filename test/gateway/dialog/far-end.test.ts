import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bindingsOf, type FarEnd, farEndOf, isSameContact } from '../../../gateway/dialog/far-end.ts'
import { binding, dialog, LOCAL } from './support.ts'

/** Which registered device an end of a dialog is. */

test('a callee is of the user whose binding was called, a caller of the user that From names', () => {
  const talk = dialog({ contacts: ['<sip:a@10.0.0.8>;+sip.instance="<urn:uuid:A>"', '<sip:b@10.0.0.9>'] })
  assert.deepEqual(farEndOf(talk, talk.callee, LOCAL), {
    aor: 'sip:bob@example.com',
    contact: 'sip:b@10.0.0.9',
    instance: '',
  })
  assert.deepEqual(farEndOf(talk, talk.caller, LOCAL), {
    aor: 'sip:alice@example.com',
    contact: 'sip:a@10.0.0.8',
    instance: 'urn:uuid:a',
  })
})

test('a callee that was no binding, and a caller of another domain or of none, are no registered devices', () => {
  const called = dialog({ aor: '' })
  assert.equal(farEndOf(called, called.callee, LOCAL), undefined)
  for (const from of ['sip:alice@example.org', 'sip:example.com', 'tel:+4930123', 'sip:anonymous@anonymous.invalid']) {
    const talk = dialog({ from })
    assert.equal(farEndOf(talk, talk.caller, LOCAL), undefined, from)
  }
})

test('once a dialog is over nobody knows its ends any more', () => {
  const talk = dialog()
  talk.forget()
  assert.equal(farEndOf(talk, talk.callee, LOCAL), undefined)
})

test('contacts are the same by user, host, port and transport, whatever else is written there', () => {
  const contact = 'sip:bob@10.0.0.9:5060;transport=tcp'
  for (const same of ['sip:bob@10.0.0.9:5060;transport=TCP;ob', 'sip:%62ob@10.0.0.9:5060;x=y;transport=tcp'])
    assert.ok(isSameContact(contact, same), same)
  for (const other of [
    'sip:bob@10.0.0.9:5060',
    'sip:bob@10.0.0.9;transport=tcp',
    'sip:bob@10.0.0.9:5060;transport=tls',
    'sips:bob@10.0.0.9:5060;transport=tcp',
    'sip:rob@10.0.0.9:5060;transport=tcp',
    'sip:bob@10.0.0.8:5060;transport=tcp',
    'not a URI',
    '',
  ])
    assert.ok(!isSameContact(contact, other), other)
})

const END: FarEnd = { aor: 'sip:bob@example.com', contact: 'sip:bob@10.0.0.9:5060;transport=tcp', instance: '' }
const ONE = 'urn:uuid:One'

test('the contact tells where one of the two names no instance, and else the instance does (RFC 5626 6)', () => {
  const same = (instance: string, more: object) => bindingsOf({ ...END, instance }, [binding(more)]).length === 1
  assert.ok(same('', {}))
  assert.ok(same('', { instance: ONE }))
  assert.ok(same('urn:uuid:one', {}))
  assert.ok(same('urn:uuid:one', { instance: ONE }))
  assert.ok(same('urn:uuid:one', { instance: ONE, contact: 'sip:bob@10.0.0.7' }))
  assert.ok(!same('urn:uuid:two', { instance: ONE }))
  assert.ok(!same('', { instance: ONE, contact: 'sip:bob@10.0.0.7' }))
  assert.ok(!same('', { aor: 'sip:mallory@example.com' }))
})

test('of several flows of one device the newest comes first (RFC 5626 4.2)', () => {
  const flows = [1, 3, 2].map((registeredAt) => binding({ registeredAt, instance: ONE }))
  const found = bindingsOf({ ...END, instance: 'urn:uuid:one' }, flows)
  assert.deepEqual(
    found.map(({ registeredAt }) => registeredAt),
    [3, 2, 1],
  )
})
