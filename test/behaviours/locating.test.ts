import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WireMessage } from '../support/wire.ts'
import { naptr, srv, Zone, type ZoneRecords } from '../support/zone.ts'
import { forksTo, peer } from './peer.ts'
import { acknowledges, assertWire, over, type Scene, scene } from './scene.ts'

const FAR = 'far.example.net'

interface Located extends Scene {
  zone: Zone
  /** `10.9.0.1:5060` of every request that left for the far domain, repeats included. */
  tried: string[]
}

/** alice calls; the function forks to a name of this zone. Hosts 10.9.0.x exist only where a test binds them. */
async function far(records: ZoneRecords, uri = `sip:bob@${FAR}`, gateway = {}): Promise<Located> {
  const zone = new Zone(records)
  const s = await scene({ app: forksTo(uri), resolver: zone, gateway })
  const tried: string[] = []
  s.w.network.onDatagram((_from, to) => {
    if (to.address.startsWith('10.9.') || to.address.startsWith('2001:')) tried.push(`${to.address}:${to.port}`)
    return false
  })
  return { ...s, zone, tried }
}

const hosts = { a: ['10.9.0.1'], b: ['10.9.0.2'], c: ['10.9.0.3'] }

test('DN1 NAPTR chooses the service, SRV its servers by priority; each that refuses gives way to the next (RFC 3263 4.1, 4.2)', async () => {
  const { w, alice, tried, zone } = await far({
    naptr: { [FAR]: [naptr(20, 0, 'SIP+D2T', 'tcp.far'), naptr(10, 0, 'SIP+D2U', 'udp.far')] },
    srv: { 'udp.far': [srv(3, 0, 5060, 'c'), srv(1, 0, 5071, 'a'), srv(2, 0, 5072, 'b')] },
    addresses: hosts,
  })
  const server = await peer(w, 'server', { address: '10.9.0.3' })
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await w.advance(0)
  assert.deepEqual(tried, ['10.9.0.1:5071', '10.9.0.2:5072', '10.9.0.3:5060'])
  assert.ok(!zone.asked.includes('srv tcp.far'))
  await server.answers(server.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  await over(w)
})

test('DN2 without NAPTR the SRV of each transport is asked, and without those the host itself (RFC 3263 4.1, 4.2)', async () => {
  const s = await far({ addresses: { [FAR]: ['10.9.0.1'] } })
  const server = await peer(s.w, 'server', { address: '10.9.0.1' })
  await s.alice.sends(s.alice.request('MESSAGE'))
  await server.answers(server.last('MESSAGE'), 200)
  assert.deepEqual(s.zone.asked, [`naptr ${FAR}`, `srv _sip._udp.${FAR}`, `srv _sip._tcp.${FAR}`, `addresses ${FAR}`])
  await over(s.w)
})

test('DN3 an explicit port means no SRV, an IP literal no question at all (RFC 3263 4.2)', async () => {
  const named = await far({ addresses: { [FAR]: ['10.9.0.1'] } }, `sip:bob@${FAR}:5099`)
  await named.alice.sends(named.alice.request('MESSAGE'))
  assert.deepEqual(named.zone.asked, [`addresses ${FAR}`])
  assert.deepEqual(named.tried, ['10.9.0.1:5099'])
  await over(named.w)
  const literal = await far({}, 'sip:bob@10.9.0.1')
  await literal.alice.sends(literal.alice.request('MESSAGE'))
  assert.deepEqual(literal.zone.asked, [])
  assert.deepEqual(literal.tried, ['10.9.0.1:5060'])
  await over(literal.w)
})

test('DN4 sips is never sent over a plain transport: 500, and nothing leaves (RFC 3261 26.2.2, RFC 5630)', async () => {
  const { w, alice, zone, tried } = await far({ addresses: { [FAR]: ['10.9.0.1'] } }, `sips:bob@${FAR}`)
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await acknowledges(alice, invite, 500)
  assert.deepEqual([zone.asked, tried], [[], []])
  await over(w)
})

test('DN5 a silent server gives way to the next one in the same server transaction, and is tried last for 30 s (RFC 3263 4.3)', async () => {
  const { w, alice, tried } = await far({
    srv: { [`_sip._udp.${FAR}`]: [srv(1, 0, 5060, 'a'), srv(2, 0, 5060, 'b')] },
    addresses: hosts,
  })
  await peer(w, 'dead', { address: '10.9.0.1' })
  const live = await peer(w, 'live', { address: '10.9.0.2' })
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await w.advance(32_000)
  await live.answers(live.last('INVITE'), 486)
  await acknowledges(alice, invite, 486)
  assert.equal(alice.all('486 INVITE').length, 1)
  tried.length = 0
  await alice.sends(alice.request('MESSAGE'))
  assert.deepEqual(tried, ['10.9.0.2:5060'])
  await live.answers(live.last('MESSAGE'), 200)
  await w.advance(30_001)
  tried.length = 0
  await alice.sends(alice.request('MESSAGE'))
  assert.deepEqual(tried, ['10.9.0.1:5060'])
  await over(w)
})

test('DN5 a server that says 503 gives way to the next one too, and is tried last for 30 s (RFC 3263 4.3, RFC 3261 21.5.4)', async () => {
  const { w, alice } = await far({
    srv: { [`_sip._udp.${FAR}`]: [srv(1, 0, 5060, 'a'), srv(2, 0, 5060, 'b')] },
    addresses: hosts,
  })
  const busy = await peer(w, 'busy', { address: '10.9.0.1' })
  const idle = await peer(w, 'idle', { address: '10.9.0.2' })
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await busy.answers(busy.last('INVITE'), 503)
  await idle.answers(idle.last('INVITE'), 404)
  await acknowledges(alice, invite, 404)
  await alice.sends(alice.request('MESSAGE'))
  await idle.answers(idle.last('MESSAGE'), 503)
  await busy.answers(busy.last('MESSAGE'), 503)
  alice.last('500 MESSAGE')
  await over(w)
})

test('DN5 a server that refused is tried first again as soon as it has answered (RFC 3263 4.3)', async () => {
  const { w, alice, tried } = await far({
    srv: { [`_sip._udp.${FAR}`]: [srv(1, 0, 5060, 'a'), srv(2, 0, 5060, 'b')] },
    addresses: hosts,
  })
  await alice.sends(alice.request('MESSAGE'))
  await w.advance(0)
  alice.last('500 MESSAGE')
  assert.deepEqual(tried, ['10.9.0.1:5060', '10.9.0.2:5060'])
  const back = await peer(w, 'back', { address: '10.9.0.1' })
  const second = await peer(w, 'second', { address: '10.9.0.2' })
  await alice.sends(alice.request('MESSAGE'))
  await back.answers(back.last('MESSAGE'), 200)
  assert.deepEqual(second.received, [])
  await alice.sends(alice.request('MESSAGE'))
  await back.answers(back.last('MESSAGE'), 200)
  assert.deepEqual(second.received, [])
  await over(w)
})

test('DN6 a host with A and AAAA is tried at both, IPv4 first, each with a Via of its family (RFC 7984)', async () => {
  const listeners = ['10.0.0.1', '2001:db8::1'].map((address) => ({
    transport: 'udp' as const,
    address,
    port: 5060,
    advertisedHost: address.includes(':') ? `[${address}]` : address,
    advertisedPort: 5060,
  }))
  const records = { addresses: { [FAR]: ['2001:db8::20', '10.9.0.1'] } }
  const { w, alice, tried } = await far(records, `sip:bob@${FAR}:5060`, { listeners })
  const six = await peer(w, 'six', { address: '2001:db8::20' })
  const sent = alice.request('INVITE')
  await alice.sends(sent)
  await w.advance(0)
  assert.deepEqual(tried, ['10.9.0.1:5060', '2001:db8::20:5060'])
  const invite = six.last('INVITE')
  assert.match(invite.header('Via'), /^SIP\/2\.0\/UDP \[2001:db8::1\]:5060;/)
  assert.deepEqual(invite.headers('Record-Route'), ['<sip:[2001:db8::1]:5060;lr>', '<sip:10.0.0.1:5060;lr>'])
  assert.equal(invite.headers('Via')[1], new WireMessage(sent).header('Via'))
  await six.answers(invite, 486)
  alice.last('486 INVITE')
  await over(w)
})

for (const behaviour of ['is silent', 'fails'] as const) {
  test(`DN7 with a DNS that ${behaviour} the caller has its 100 at once and a 500 within 3 s, while others are served (RFC 3263 4.2)`, async () => {
    const { w, alice, zone } = await far({})
    for (const question of [`naptr ${FAR}`, `srv _sip._udp.${FAR}`, `srv _sip._tcp.${FAR}`, `addresses ${FAR}`]) {
      zone.on(question, behaviour)
    }
    const invite = alice.request('INVITE')
    await alice.sends(invite)
    alice.last('100')
    await alice.sends(alice.request('MESSAGE', { maxForwards: 0 }))
    alice.last('483 MESSAGE')
    await w.advance(3000)
    await acknowledges(alice, invite, 500)
    await over(w)
  })
}

test('DN7 a call that is cancelled while its target is being located ends at once, and never rings', async () => {
  const { w, alice, zone, tried } = await far({ addresses: { [FAR]: ['10.9.0.1'] } })
  zone.on(`naptr ${FAR}`, 'is silent')
  const invite = alice.request('INVITE')
  await alice.sends(invite)
  await alice.sends(invite.replace(/^INVITE/, 'CANCEL').replace('1 INVITE', '1 CANCEL'))
  await acknowledges(alice, invite, 487)
  await w.advance(3000)
  assert.deepEqual(tried, [])
  assertWire(
    w,
    `
    0 alice -> gw INVITE
    0 gw -> alice 100
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
  `,
  )
  await over(w)
})
