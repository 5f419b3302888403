import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aorOf, canonicalAor } from '../../../functions/contract/uri/uri.ts'
import { latin1 } from '../../../gateway/invocation/request-data.ts'

test('an AOR that a function names is spelled as that of the octets the router has read', () => {
  for (const uri of [
    'sip:bob@Example.COM:5060;transport=udp',
    'sips:j%c3%b6rg@example.com.',
    'sip:jörg@example.com',
    'sip:日本@example.com',
    'sip:\ud800@example.com',
    'sip:bob@bücher.example',
    'tel:+1-555-0100',
    'mailto:bob@example.com',
  ]) {
    assert.equal(aorOf(uri), canonicalAor(latin1(uri)), uri)
  }
  assert.equal(aorOf('sip:jörg@example.com'), 'sip:j%C3%B6rg@example.com')
})
