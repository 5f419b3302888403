import assert from 'node:assert/strict'
import { test } from 'node:test'
import { offerOptions } from '../../../gateway/media/offer-options.ts'

test('an offer says what the function has said, and what goes with the profile', () => {
  assert.deepEqual(offerOptions({}), {})
  assert.deepEqual(offerOptions({ ifAway: 'pass', ice: 'remove' }), { ICE: 'remove' })
  for (const transport of ['RTP/AVP', 'RTP/AVPF'])
    assert.deepEqual(offerOptions({ transport }), { 'transport-protocol': transport, 'rtcp-mux': ['demux'] })
  for (const transport of ['RTP/SAVP', 'RTP/SAVPF'])
    assert.deepEqual(offerOptions({ transport }), {
      'transport-protocol': transport,
      'rtcp-mux': ['demux'],
      'DTLS': 'off',
    })
  for (const transport of ['UDP/TLS/RTP/SAVP', 'UDP/TLS/RTP/SAVPF'])
    assert.deepEqual(offerOptions({ ice: 'force', transport }), {
      'ICE': 'force',
      'transport-protocol': transport,
      'rtcp-mux': ['offer'],
      'SDES': ['off'],
    })
})
