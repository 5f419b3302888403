import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseVia, type Via } from '../../../gateway/sip/via.ts'
import { hasUniqueBranch, isOurs, sentByPort, serverKey } from '../../../gateway/transaction/matching.ts'
import type { Listener } from '../../../gateway/transport/types.ts'
import { message, request } from './rig.ts'

const listener: Listener = {
  transport: 'udp',
  address: '2001:db8::1',
  port: 5060,
  advertisedHost: '[2001:DB8::1]',
  advertisedPort: 5070,
}

test('CT10 a sent-by is ours when host and port are advertised by a listener, however the host is written (RFC 3261 18.1.2)', () => {
  const listeners = [listener, { ...listener, advertisedHost: 'Gw.example.com', advertisedPort: 5060 }]
  assert.equal(isOurs(via('[2001:db8::1]:5070'), listeners), true)
  assert.equal(isOurs(via('[2001:DB8::1]:5070'), listeners), true)
  assert.equal(isOurs(via('gw.EXAMPLE.com'), listeners), true)
  assert.equal(isOurs(via('[2001:db8::1]'), listeners), false)
  assert.equal(isOurs(via('gw.example.com:5070'), listeners), false)
  assert.equal(isOurs(via('[2001:db8::2]:5070'), listeners), false)
  assert.equal(isOurs(via('gw.example.com'), []), false)
})

test('a sent-by without port means 5060, and 5061 over TLS and secure WebSockets (RFC 3261 18.2.2, RFC 7118)', () => {
  assert.equal(sentByPort(via('host.example.com')), 5060)
  assert.equal(sentByPort(via('host.example.com', 'TLS')), 5061)
  assert.equal(sentByPort(via('host.example.com', 'WSS')), 5061)
  assert.equal(sentByPort(via('host.example.com:5999', 'TLS')), 5999)
})

test('ST14 a branch is unique when it begins with the magic cookie, in any case, and says more (RFC 3261 8.1.1.7)', () => {
  for (const branch of ['z9hG4bK1', 'Z9HG4BK1']) assert.equal(hasUniqueBranch(via('h', 'UDP', branch)), true, branch)
  for (const branch of ['z9hG4bK', 'z9hG4b1234', '1', '']) {
    assert.equal(hasUniqueBranch(via('h', 'UDP', branch)), false, branch)
  }
})

test('ST14 no part of an RFC 2543 request can pass for another part', () => {
  const keys = [{ fromTag: 'ab' }, { fromTag: 'a', toTag: 'b' }, { fromTag: 'a', callId: 'bcall-1' }].map((parts) => {
    const old = message(request('OPTIONS', { via: 'SIP/2.0/UDP h', ...parts }))
    return serverKey(old, old.via!)
  })
  assert.equal(new Set(keys).size, keys.length)
})

function via(sentBy: string, transport = 'UDP', branch = 'z9hG4bK1'): Via {
  const params = branch === '' ? '' : `;branch=${branch}`
  return parseVia(`SIP/2.0/${transport} ${sentBy}${params}`) ?? assert.fail(`broken Via: ${sentBy}${params}`)
}
