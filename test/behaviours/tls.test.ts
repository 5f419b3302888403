import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Phone } from '../support/phone.ts'
import { World } from '../support/world.ts'

/** Calls over TLS, as far as they are SIP: what certificates are for is tested over real sockets (test/gateway/transport/node-tls.test.ts). */

const at = { address: '10.0.0.1', advertisedHost: 'sip.example.com' }
const listeners = [
  { transport: 'udp' as const, ...at, port: 5060, advertisedPort: 5060 },
  { transport: 'tls' as const, ...at, port: 5061, advertisedPort: 5061 },
]
const BOB = 'sips:bob@example.com'

/** Alice calls over TLS; Bob is registered over `transport`. */
async function calling(transport: 'udp' | 'tls'): Promise<{ w: World; alice: Phone; bob: Phone }> {
  const w = await new World({ gateway: { listeners } }).start()
  const secure = { transport: 'tls' as const, gateway: { address: at.address, port: 5061 } }
  const alice = await w.phone('alice', secure)
  const bob = await w.phone('bob', transport === 'tls' ? secure : {})
  assert.equal((await bob.registers()).status, 200)
  return { w, alice, bob }
}

describe('TC11 TLS (RFC 3261 26.2, RFC 5630)', () => {
  test('a call to a sips URI is encrypted on both sides, and so are the requests of its dialog', async () => {
    const { w, alice, bob } = await calling('tls')
    await alice.invites('bob', { uri: BOB })
    const { invite } = bob.ringing
    assert.match(invite.header('Via'), /^SIP\/2\.0\/TLS sip\.example\.com:5061;/)
    assert.equal(invite.header('Record-Route'), '<sips:sip.example.com:5061;lr>')
    await bob.answers()
    assert.equal(alice.finalStatus, 200)
    await alice.sendsInDialog('BYE')
    bob.last(({ method, isRequest }) => method === 'BYE' && isRequest)
    await w.assertQuiet()
  })

  test('a phone that is registered in the clear is not rung by it: 480', async () => {
    const { w, alice, bob } = await calling('udp')
    await alice.invites('bob', { uri: BOB })
    assert.equal(alice.finalStatus, 480)
    assert.equal(bob.incoming.length, 0)
    await w.assertQuiet()
  })

  test('a call to a sip URI may change its transport: both are in Record-Route (RFC 5658)', async () => {
    const { w, alice, bob } = await calling('udp')
    await alice.invites('bob')
    const { invite } = bob.ringing
    assert.match(invite.header('Via'), /^SIP\/2\.0\/UDP /)
    const routes = ['<sip:sip.example.com:5060;lr>', '<sip:sip.example.com:5061;transport=tls;lr>']
    assert.deepEqual(invite.headers('Record-Route'), routes)
    await bob.answers()
    await alice.hangsUp()
    bob.last(({ method, isRequest }) => method === 'BYE' && isRequest)
    await w.assertQuiet()
  })

  test('a phone is reached over the connection it registered by, and by no other', async () => {
    const { w, alice, bob } = await calling('tls')
    await bob.vanish()
    await alice.invites('bob')
    await w.advance(40_000)
    assert.equal(bob.incoming.length, 0)
    assert.ok(alice.finalStatus >= 400)
    await w.assertQuiet()
  })
})
