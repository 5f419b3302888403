import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUri, type SipUri } from '../../../gateway/sip/uri.ts'
import { DeadTargets } from '../../../gateway/transport/dead-targets.ts'
import { type LocateOptions, locate, locateNow } from '../../../gateway/transport/locate.ts'
import { createNodeResolver } from '../../../gateway/transport/node-resolver.ts'
import { cachedResolver } from '../../../gateway/transport/resolver-cache.ts'
import { orderSrv } from '../../../gateway/transport/srv-order.ts'
import type { Destination } from '../../../gateway/transport/types.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { seeded } from '../../support/random.ts'
import { naptr, srv, Zone } from '../../support/zone.ts'

test('DN1: NAPTR chooses transports, SRV servers by priority and the weight drawn within it (RFC 3263 4.1, 4.2)', async () => {
  const zone = new Zone({
    naptr: {
      'example.com': [
        naptr(50, 20, 'SIP+D2U', '_sip._udp.example.com'),
        naptr(50, 10, 'SIP+D2T', '_sip._tcp.example.com'),
        naptr(40, 10, 'SIPS+D2T', '_sips._tcp.example.com'),
        naptr(90, 10, 'SIP+D2U', '_sip._udp.backup.example.com'),
      ],
    },
    srv: {
      '_sip._tcp.example.com': [srv(20, 0, 5062, 'c.test'), srv(10, 1, 5060, 'a.test'), srv(10, 9, 5061, 'b.test')],
      '_sip._udp.example.com': [srv(1, 1, 5070, 'd.test')],
    },
    addresses: { 'a.test': ['192.0.2.1'], 'b.test': ['192.0.2.2'], 'c.test': ['192.0.2.3'], 'd.test': ['192.0.2.4'] },
  })
  const found = ['tcp 192.0.2.2:5061', 'tcp 192.0.2.1:5060', 'tcp 192.0.2.3:5062', 'udp 192.0.2.4:5070']
  assert.deepEqual(await located('sip:example.com', zone, { random: () => 0.5 }), found)
  assert.deepEqual((await located('sip:example.com', zone, { random: () => 0 }))[0], 'tcp 192.0.2.1:5060')
  assert.ok(!zone.asked.some((question) => question.includes('sips') || question.includes('backup')))
})

test('DN1: servers of one priority come first in proportion to their weights (RFC 2782)', () => {
  const random = seeded(3263)
  const records = [srv(1, 60, 1, 'a'), srv(1, 30, 1, 'b'), srv(1, 10, 1, 'c'), srv(1, 0, 1, 'd'), srv(2, 1000, 1, 'e')]
  const first = new Map<string, number>()
  for (let draw = 0; draw < 10_000; draw++) {
    const order = orderSrv(records, random)
    assert.equal(new Set(order).size, 5)
    assert.equal(order[4]!.target, 'e')
    first.set(order[0]!.target, (first.get(order[0]!.target) ?? 0) + 1)
  }
  for (const [target, share] of [
    ['a', 6000],
    ['b', 3000],
    ['c', 1000],
    ['d', 100],
  ] as const) {
    assert.ok(Math.abs((first.get(target) ?? 0) - share) < 250, `${target}: ${first.get(target)}`)
  }
})

test('DN2: without NAPTR each transport of ours is asked by SRV, then the host itself (RFC 3263 4.1, 4.2)', async () => {
  const both = new Zone({
    srv: {
      '_sip._udp.example.com': [srv(1, 1, 5071, 'a.test')],
      '_sip._tcp.example.com': [srv(1, 1, 5072, 'a.test')],
    },
    addresses: { 'a.test': ['192.0.2.1'], 'example.com': ['192.0.2.9'] },
  })
  assert.deepEqual(await located('sip:example.com', both), ['udp 192.0.2.1:5071', 'tcp 192.0.2.1:5072'])
  assert.deepEqual(await located('sip:example.com', both, { transports: ['tcp'] }), ['tcp 192.0.2.1:5072'])
  assert.deepEqual(await located('sip:example.com;transport=TCP', both), ['tcp 192.0.2.1:5072'])
  const none = new Zone({ addresses: { 'example.com': ['192.0.2.9'] } })
  assert.deepEqual(await located('sip:example.com', none), ['udp 192.0.2.9:5060'])
  assert.deepEqual(await located('sip:example.com;transport=tcp', none), ['tcp 192.0.2.9:5060'])
  assert.deepEqual(none.asked.slice(-2), ['srv _sip._tcp.example.com', 'addresses example.com'])
})

test('DN2: a service that is decidedly not there is not looked for at the host (RFC 2782)', async () => {
  const zone = new Zone({
    srv: { '_sip._udp.example.com': [srv(0, 0, 0, '.')], '_sip._tcp.example.com': [srv(0, 0, 0, '')] },
    addresses: { 'example.com': ['192.0.2.9'] },
  })
  assert.deepEqual(await located('sip:example.com', zone), [])
})

test('DN3: an explicit port means no SRV, an IP literal no question at all (RFC 3263 4.2)', async () => {
  const zone = new Zone({ addresses: { 'example.com': ['192.0.2.9'] } })
  assert.deepEqual(await located('sip:bob@example.com:5080', zone), ['udp 192.0.2.9:5080'])
  assert.deepEqual(zone.asked, ['addresses example.com'])
  assert.deepEqual(now('sip:bob@192.0.2.7'), ['udp 192.0.2.7:5060'])
  assert.deepEqual(now('sip:bob@192.0.2.7:5070;transport=tcp'), ['tcp 192.0.2.7:5070'])
  assert.deepEqual(now('sip:[2001:DB8::0:1]:5070'), ['udp 2001:db8::1:5070'])
  assert.deepEqual(now('sip:bob@example.com;maddr=192.0.2.8'), ['udp 192.0.2.8:5060'])
  assert.equal(now('sip:bob@example.com'), undefined)
})

test('DN4: sips, and transports we do not speak, are never sent over a plain one (RFC 3261 26.2.2, RFC 5630)', async () => {
  const zone = new Zone({ addresses: { 'example.com': ['192.0.2.9'] } })
  assert.deepEqual(now('sips:192.0.2.9'), ['tls 192.0.2.9:5061'])
  for (const text of [
    'sips:example.com',
    'sips:192.0.2.9;transport=udp',
    'sips:example.com;transport=tcp',
    'sip:example.com;transport=tls',
    'sip:192.0.2.9;transport=ws',
    'sip:example.com;transport=sctp',
    'tel:+15551234',
  ]) {
    assert.deepEqual(await located(text, zone), [], text)
  }
  assert.deepEqual(await located('sip:example.com;transport=tcp', zone, { transports: ['udp'] }), [])
  assert.deepEqual(zone.asked, [])
})

test('TC11: TLS servers are found as _sips, at 5061, and have to be who was asked for (RFC 3263 4.1, RFC 5922 7.2)', async () => {
  const transports = ['udp', 'tcp', 'tls'] as const
  const zone = new Zone({
    naptr: { 'b.test': [naptr(1, 1, 'SIPS+D2T', '_sips._tcp.b.test'), naptr(2, 1, 'SIP+D2U', '_sip._udp.b.test')] },
    srv: {
      '_sips._tcp.a.test': [srv(1, 1, 5071, 'edge.hosting.test')],
      '_sips._tcp.b.test': [srv(1, 1, 5072, 'edge.hosting.test')],
    },
    addresses: { 'edge.hosting.test': ['192.0.2.1'], 'a.test': ['192.0.2.9'], 'c.test': ['192.0.2.8'] },
  })
  const find = (text: string) => locate(uri(text), zone, { clock: new FakeClock(), random: () => 0.5, transports })
  const edge = { transport: 'tls', remoteAddress: '192.0.2.1' }
  assert.deepEqual(await find('sips:a.test'), [{ ...edge, remotePort: 5071, serverName: 'a.test' }])
  assert.deepEqual(await find('sip:a.test;transport=tls'), [{ ...edge, remotePort: 5071, serverName: 'a.test' }])
  assert.deepEqual(await find('sip:b.test'), [{ ...edge, remotePort: 5072, serverName: 'b.test' }])
  assert.deepEqual((await find('sip:a.test')).map(asText), ['udp 192.0.2.9:5060'])
  const own = { transport: 'tls', remoteAddress: '192.0.2.8', serverName: 'c.test' }
  assert.deepEqual(await find('sips:c.test'), [{ ...own, remotePort: 5061 }])
  assert.deepEqual(await find('sips:c.test:5091'), [{ ...own, remotePort: 5091 }])
  assert.deepEqual(locateNow(uri('sip:192.0.2.8;transport=tls')), [
    { transport: 'tls', remoteAddress: '192.0.2.8', remotePort: 5061, serverName: '192.0.2.8' },
  ])
})

test('DN5: a destination that failed is tried last for a while, or until it answers (RFC 3263 4.3)', async () => {
  const clock = new FakeClock()
  const dead = new DeadTargets(clock, 30_000)
  const places = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(
    (remoteAddress): Destination => ({ transport: 'udp', remoteAddress, remotePort: 5060 }),
  )
  const order = (): string[] => dead.order(places).map(({ remoteAddress }) => remoteAddress)
  dead.add(places[0]!)
  assert.deepEqual(order(), ['192.0.2.2', '192.0.2.3', '192.0.2.1'])
  assert.equal(dead.has({ ...places[0]!, transport: 'tcp' }), false)
  dead.add(places[1]!)
  dead.add(places[2]!)
  assert.deepEqual(order(), ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  dead.remove(places[1]!)
  assert.equal(order()[0], '192.0.2.2')
  await clock.advance(30_000)
  assert.deepEqual(order(), ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
})

test('DN6: A and AAAA are both used, the preferred family first (RFC 7984)', async () => {
  const zone = new Zone({ addresses: { 'example.com': ['2001:db8:0:0::1', '192.0.2.1', '2001:db8::2'] } })
  const four = 'udp 192.0.2.1:5060'
  const six = ['udp 2001:db8::1:5060', 'udp 2001:db8::2:5060']
  assert.deepEqual(await located('sip:example.com', zone), [four, ...six])
  assert.deepEqual(await located('sip:example.com', zone, { families: [6, 4] }), [...six, four])
  assert.deepEqual(await located('sip:example.com', zone, { families: [4] }), [four])
})

test('DN7: a DNS that fails is one without records, one that is silent ends at the limit', async () => {
  const clock = new FakeClock()
  const failing = new Zone({ addresses: { 'example.com': ['192.0.2.1'] } })
    .on('naptr example.com', 'fails')
    .on('srv _sip._udp.example.com', 'fails')
  assert.deepEqual(await located('sip:example.com', failing, { clock }), ['udp 192.0.2.1:5060'])
  const broken = new Zone({}).on('addresses example.com', 'fails')
  assert.deepEqual(await located('sip:example.com:5060', broken, { clock }), [])
  for (const question of ['naptr example.com', 'srv _sip._tcp.example.com', 'addresses example.com']) {
    const zone = new Zone({ addresses: { 'example.com': ['192.0.2.1'] } }).on(question, 'is silent')
    let result: string[] | undefined
    const asked = located('sip:example.com', zone, { clock, timeoutMs: 3_000 }).then((found) => {
      result = found
    })
    await clock.advance(2_999)
    assert.equal(result, undefined, question)
    await clock.advance(1)
    await asked
    assert.deepEqual(result, [], question)
  }
  assert.equal(clock.pending, 0)
})

test('a zone with a thousand servers costs a bounded number of questions', async () => {
  const many = Array.from({ length: 1000 }, (_, number) => srv(number, 0, 5060, `${number}.test`))
  const zone = new Zone({
    srv: { '_sip._udp.example.com': many },
    addresses: Object.fromEntries(many.map(({ target }) => [target, ['192.0.2.1', '192.0.2.2', '192.0.2.3']])),
  })
  assert.equal((await located('sip:example.com', zone)).length, 32)
  assert.ok(zone.asked.length < 24)
})

test('localhost is found by the system, without a question to the DNS (RFC 6761 6.3)', async () => {
  const zone = new Zone({ addresses: { localhost: ['127.0.0.1'] } })
  assert.deepEqual(await located('sip:bob@localhost', zone), ['udp 127.0.0.1:5060'])
  assert.deepEqual(zone.asked, ['addresses localhost'])
  const addresses = await createNodeResolver().addresses('localhost')
  assert.ok(addresses.includes('127.0.0.1') || addresses.includes('::1'), String(addresses))
})

test('a question is asked once at a time, and again when its answer has aged', async () => {
  const clock = new FakeClock()
  const zone = new Zone({ addresses: { 'a.test': ['192.0.2.1'] } }).on('addresses c.test', 'fails')
  const cached = cachedResolver(zone, clock, { ttlMs: 30_000, emptyTtlMs: 5_000, maxEntries: 3 })
  const ask = async (): Promise<void> => {
    await Promise.all([cached.addresses('a.test'), cached.addresses('a.test'), cached.addresses('b.test')])
    await assert.rejects(cached.addresses('c.test'))
    await settled()
  }
  await ask()
  await ask()
  assert.equal(zone.asked.length, 3)
  await clock.advance(5_000)
  await ask()
  assert.equal(zone.asked.length, 5, 'empty and failed ones again')
  await clock.advance(25_000)
  await ask()
  assert.equal(zone.asked.length, 8)
  await cached.srv('pushes the oldest out')
  await ask()
  assert.ok(zone.asked.length > 9)
})

async function located(text: string, zone: Zone, options: Partial<LocateOptions> = {}): Promise<string[]> {
  const found = await locate(uri(text), zone, { clock: new FakeClock(), random: () => 0.5, ...options })
  return found.map(asText)
}

function now(text: string): string[] | undefined {
  return locateNow(uri(text))?.map(asText)
}

function uri(text: string): SipUri {
  const parsed = parseUri(text)
  assert.ok(parsed, text)
  return parsed
}

function asText({ transport, remoteAddress, remotePort }: Destination): string {
  return `${transport} ${remoteAddress}:${remotePort}`
}
