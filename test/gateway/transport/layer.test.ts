import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransportLayer } from '../../../gateway/transport/layer.ts'
import type { TransportCounter, TransportOptions } from '../../../gateway/transport/options.ts'
import type { Destination, Flow, TransportLayer } from '../../../gateway/transport/types.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { MemoryNetwork } from '../../support/memory-network.ts'
import { listener, message, Received, StreamPeer } from '../../support/transport-peers.ts'

const GATEWAY = { address: '10.0.0.1', port: 5060 }
const PHONE = { address: '10.0.0.2', port: 5060 }
const toPhone: Destination = { transport: 'tcp', remoteAddress: PHONE.address, remotePort: PHONE.port }

interface Bench {
  network: MemoryNetwork
  clock: FakeClock
  layer: TransportLayer
  received: Received
  counts: Map<TransportCounter, number>
  /** Sends, and notes the failure when there is one. */
  send(text: string, destination: Destination): string[]
}

async function bench(options: Partial<TransportOptions> = {}): Promise<Bench> {
  const network = new MemoryNetwork()
  const clock = new FakeClock(1_000_000)
  const counts = new Map<TransportCounter, number>()
  const layer = createTransportLayer({
    network,
    clock,
    options,
    listeners: [listener('udp', GATEWAY.address, 5060), listener('tcp', GATEWAY.address, 5060)],
    count: (name) => counts.set(name, (counts.get(name) ?? 0) + 1),
  })
  const received = new Received()
  await layer.start(received.message, received.brokenStream)
  const send = (text: string, destination: Destination): string[] => {
    const failures: string[] = []
    layer.send(text, destination, (failure) => failures.push(failure))
    assert.deepEqual(failures, [], 'never told while sending')
    return failures
  }
  return { network, clock, layer, received, counts, send }
}

function connect(b: Bench, address = '10.0.0.9'): StreamPeer {
  return StreamPeer.connect(b.network, address, GATEWAY)
}

function flowOf(b: Bench, index = 0): Flow {
  return b.received.messages[index]!.flow
}

test('TC1: a request written octet by octet is received once (RFC 3261 18.3)', async () => {
  const b = await bench()
  const peer = connect(b)
  for (const octet of message('slow', 'body')) peer.says(octet)
  await settled()
  assert.deepEqual(
    b.received.messages.map(({ text }) => text),
    [message('slow', 'body')],
  )
})

test('TC2: 500 requests in one write get 500 answers on a connection that stays (RFC 3261 18.3)', async () => {
  const b = await bench()
  const peer = connect(b)
  peer.says(Array.from({ length: 500 }, (_, number) => message(`call-${number}`)).join(''))
  await settled()
  for (const { text, flow } of b.received.messages) b.layer.send(text.replace('MESSAGE', 'ANSWER'), flow)
  await settled()
  assert.equal(peer.heard.split('ANSWER').length - 1, 500)
  assert.equal(peer.end, undefined)
})

test('TC3: a double CRLF gets one CRLF back, a single one nothing (RFC 5626 3.5.1)', async () => {
  const b = await bench()
  const peer = connect(b)
  peer.says('\r\n')
  await settled()
  assert.equal(peer.heard, '')
  peer.says(message('resets the count'))
  peer.says('\r\n\r\n')
  await settled()
  assert.equal(peer.heard, '\r\n')
})

test('TC4: a broken length is told with its headers, may be answered, and ends the connection (RFC 3261 18.3)', async () => {
  const b = await bench()
  const block = 'MESSAGE sip:bob@example.com SIP/2.0\r\nContent-Length: -5\r\n\r\n'
  const layer = createTransportLayer({
    network: b.network,
    clock: b.clock,
    listeners: [listener('tcp', GATEWAY.address, 5070)],
  })
  await layer.start(b.received.message, (text, flow, status, reason) => {
    b.received.brokenStream(text, flow, status, reason)
    layer.send('SIP/2.0 400 Bad Content-Length\r\n\r\n', flow)
  })
  const peer = StreamPeer.connect(b.network, '10.0.0.9', { address: GATEWAY.address, port: 5070 })
  peer.says(`${block}${message('smuggled')}`)
  await settled()
  assert.deepEqual(b.received.broken, [{ text: block, status: 400, reason: 'Bad Content-Length' }])
  assert.deepEqual(b.received.messages, [])
  assert.equal(peer.heard, 'SIP/2.0 400 Bad Content-Length\r\n\r\n')
  assert.deepEqual(peer.end, { failure: undefined })
  assert.equal(b.clock.pending, 0)
})

test('TC4: a peer that neither reads its 400 nor closes is dropped after the linger time', async () => {
  const b = await bench({ lingerMs: 5_000 })
  const peer = connect(b)
  peer.says(message('first'))
  await settled()
  peer.stream.pause()
  b.layer.send('unread', flowOf(b))
  peer.says('MESSAGE sip:bob@example.com SIP/2.0\r\n\r\n')
  await settled()
  assert.equal(b.layer.isAlive(flowOf(b)), false)
  peer.says(message('after the end').repeat(100))
  await b.clock.advance(4_999)
  assert.equal(peer.end, undefined)
  await b.clock.advance(1)
  assert.deepEqual(peer.end, { failure: undefined })
  assert.equal(b.received.messages.length, 1)
})

test('TC5: headers above the limit are told as 513 and end the connection', async () => {
  const b = await bench({ maxHeaderBytes: 1000 })
  const peer = connect(b)
  peer.says(`MESSAGE sip:bob@example.com SIP/2.0\r\n${'X: y\r\n'.repeat(1000)}`)
  await settled()
  assert.deepEqual(
    b.received.broken.map(({ status }) => status),
    [513],
  )
  assert.deepEqual(peer.end, { failure: undefined })
})

test('TC6: one octet a second is closed when the message has taken too long', async () => {
  const b = await bench({ messageMs: 30_000 })
  const peer = connect(b)
  for (const octet of message('drip').slice(0, 40)) {
    peer.says(octet)
    await b.clock.advance(1000)
    if (peer.end) break
  }
  assert.deepEqual(peer.end, { failure: undefined })
  assert.equal(b.clock.now(), 1_030_000)
  assert.equal(b.counts.get('tcp.slow'), 1)
  assert.equal(b.clock.pending, 0)
})

test('TC6: each message has its own time, and none is counted between messages', async () => {
  const b = await bench({ messageMs: 30_000 })
  const peer = connect(b)
  const text = message('steady')
  peer.says(text.slice(0, 10))
  for (let round = 0; round < 5; round++) {
    await b.clock.advance(20_000)
    peer.says(text.slice(10) + text.slice(0, 10))
  }
  await b.clock.advance(20_000)
  peer.says(text.slice(10))
  await b.clock.advance(300_000)
  assert.equal(b.received.messages.length, 6)
  assert.equal(peer.end, undefined)
})

test('TC7: a peer that stops reading is dropped when its queue is full; others are served', async () => {
  const b = await bench({ maxQueuedBytes: 10_000 })
  const stuck = connect(b, '10.0.0.8')
  const well = connect(b, '10.0.0.9')
  stuck.says(message('stuck'))
  well.says(message('well'))
  await settled()
  stuck.stream.pause()
  const failures = [1, 2, 3].map(() => b.send('x'.repeat(4000), flowOf(b, 0)))
  assert.equal(b.layer.isAlive(flowOf(b, 0)), false)
  b.send('hello', flowOf(b, 1))
  await settled()
  assert.deepEqual(failures, [['queue full'], ['queue full'], ['queue full']])
  assert.notEqual(stuck.end, undefined)
  assert.equal(well.heard, 'hello')
})

test('TC7: pings of a peer that reads no pongs are bounded too', async () => {
  const b = await bench({ maxQueuedBytes: 100 })
  const peer = connect(b)
  await settled()
  peer.stream.pause()
  for (let ping = 0; ping < 60; ping++) peer.says('\r\n\r\n')
  await settled()
  assert.notEqual(peer.end, undefined)
})

test('a message larger than the whole queue goes out when the queue is empty', async () => {
  const b = await bench({ maxQueuedBytes: 100 })
  const [peer] = [await StreamPeer.listen(b.network, PHONE)]
  const failures = b.send(message('large', 'x'.repeat(5000)), toPhone)
  await settled()
  assert.deepEqual(failures, [])
  assert.equal(peer[0]?.heard, message('large', 'x'.repeat(5000)))
})

test('TC8: a response goes back over the connection of its request (RFC 3261 18.2.2)', async () => {
  const b = await bench()
  const peer = connect(b)
  peer.says(message('one'))
  await settled()
  assert.equal(flowOf(b).remoteAddress, '10.0.0.9')
  b.send('answer', flowOf(b))
  await settled()
  assert.equal(peer.heard, 'answer')
  assert.equal(b.counts.get('tcp.connected'), undefined)
})

test('TC8: an accepted connection reaches its own remote address and port, and no other (RFC 5923)', async () => {
  const b = await bench()
  const peer = connect(b)
  await settled()
  const { port } = peer.stream.local
  b.send('over the one there is', { transport: 'tcp', remoteAddress: '10.0.0.9', remotePort: port })
  const alias = b.send('to its listening port', { transport: 'tcp', remoteAddress: '10.0.0.9', remotePort: 5060 })
  await settled()
  assert.equal(peer.heard, 'over the one there is')
  assert.deepEqual(alias, ['refused'])
})

test('one connection carries everything to an address, both ways (RFC 3261 18)', async () => {
  const b = await bench()
  const peers = await StreamPeer.listen(b.network, PHONE)
  b.send('one', toPhone)
  b.send('two', toPhone)
  await settled()
  b.send('three', toPhone)
  peers[0]!.says(message('back'))
  await settled()
  assert.equal(peers.length, 1)
  assert.equal(peers[0]!.heard, 'onetwothree')
  assert.equal(flowOf(b).remotePort, 5060)
  b.send('four', flowOf(b))
  await settled()
  assert.equal(peers[0]!.heard, 'onetwothreefour')
})

test('a destination that names its listener is reached from there, over one connection for each', async () => {
  const network = new MemoryNetwork()
  const layer = createTransportLayer({
    network,
    clock: new FakeClock(),
    listeners: [listener('tcp', '10.0.0.1', 5060), listener('tcp', '10.0.1.1', 5060)],
  })
  const received = new Received()
  await layer.start(received.message, received.brokenStream)
  const peers = await StreamPeer.listen(network, PHONE)
  for (let round = 0; round < 3; round++) {
    for (const from of layer.listeners) layer.send('x', { ...toPhone, listener: from })
    layer.send('x', toPhone)
    await settled()
  }
  assert.deepEqual(
    peers.map((peer) => peer.stream.remote.address),
    ['10.0.0.1', '10.0.1.1'],
  )
  assert.equal(peers.map((peer) => peer.heard).join('').length, 9)
})

test('a flow whose connection is gone fails as closed, an address gets a new connection', async () => {
  const b = await bench()
  const peers = await StreamPeer.listen(b.network, PHONE)
  b.send('one', toPhone)
  await settled()
  peers[0]!.says(message('back'))
  await settled()
  peers[0]!.stream.cut()
  await settled()
  assert.equal(b.layer.isAlive(flowOf(b)), false)
  const failures = b.send('two', flowOf(b))
  b.send('three', toPhone)
  await settled()
  assert.deepEqual(failures, ['closed'])
  assert.equal(peers[1]?.heard, 'three')
})

test('a flow of an earlier process is not mistaken for the connection that has its number now', async () => {
  const b = await bench()
  connect(b).says(message('one'))
  await settled()
  const stale = { ...flowOf(b), remotePort: 1 }
  assert.equal(b.layer.isAlive(stale), false)
  const failures = b.send('lost', stale)
  await settled()
  assert.deepEqual(failures, ['closed'])
})

test('what was sent to a connection that is reset before it answers is told as closed', async () => {
  const b = await bench()
  const peers = await StreamPeer.listen(b.network, PHONE)
  const before = b.send('heard', toPhone)
  await settled()
  peers[0]!.says(message('alive'))
  await settled()
  const after = b.send('unheard', toPhone)
  await settled()
  peers[0]!.stream.cut()
  await settled()
  assert.deepEqual([before, after], [[], ['closed']])
})

test('refused, black-holed and nameless destinations fail, each in its time (RFC 3261 18.4)', async () => {
  const b = await bench({ connectMs: 4_000 })
  b.network.silent('10.0.0.66', 5060)
  const refused = b.send('x', toPhone)
  const silent = b.send('x', { ...toPhone, remoteAddress: '10.0.0.66' })
  await settled()
  assert.deepEqual(refused, ['refused'])
  await b.clock.advance(3_999)
  assert.deepEqual(silent, [])
  await b.clock.advance(1)
  assert.deepEqual(silent, ['unreachable'])
  assert.equal(b.clock.pending, 0)
})

test('nothing is ever sent to port 0, ports above 65535, the broadcast or the unspecified address', async () => {
  const b = await bench()
  for (const transport of ['udp', 'tcp'] as const) {
    for (const [remoteAddress, remotePort] of [
      ['10.0.0.2', 0],
      ['10.0.0.2', 65_536],
      ['10.0.0.2', Number.NaN],
      ['255.255.255.255', 5060],
      ['0.0.0.0', 5060],
      ['::', 5060],
      ['0:0:0:0:0:0:0:0', 5060],
      ['', 5060],
    ] as const) {
      const failures = b.send('x', { transport, remoteAddress, remotePort })
      await settled()
      assert.deepEqual(failures, ['unreachable'], `${transport} ${remoteAddress}:${remotePort}`)
    }
  }
})

test('a destination without a listener of its transport and family fails as that', async () => {
  const b = await bench()
  const failures = b.send('x', { transport: 'udp', remoteAddress: '2001:db8::1', remotePort: 5060 })
  await settled()
  assert.deepEqual(failures, ['no listener'])
  assert.equal(b.layer.listenerFor({ ...toPhone, remoteAddress: '2001:db8::1' }), undefined)
})

test('a datagram comes with the flow that answers it (RFC 3261 18.2.2, RFC 3581)', async () => {
  const b = await bench()
  const heard: string[] = []
  const phone = await b.network.udp(PHONE, { receive: (octets) => heard.push(Buffer.from(octets).toString('latin1')) })
  phone.send(Buffer.from('octets \xe9\xff\0', 'latin1'), GATEWAY.address, GATEWAY.port)
  await settled()
  assert.equal(b.received.messages[0]?.text, 'octets \xe9\xff\0')
  assert.deepEqual(flowOf(b), {
    transport: 'udp',
    remoteAddress: PHONE.address,
    remotePort: PHONE.port,
    listener: b.layer.listeners[0],
    connection: 0,
  })
  b.send('answer \xe9', flowOf(b))
  b.send('answer to a stored flow', JSON.parse(JSON.stringify(flowOf(b))))
  await settled()
  assert.deepEqual(heard, ['answer \xe9', 'answer to a stored flow'])
})

test('keep-alives over UDP are counted and go no further (RFC 5626 3.5)', async () => {
  const b = await bench()
  const phone = await b.network.udp(PHONE, { receive: () => assert.fail('no answer over UDP') })
  for (const text of ['\r\n\r\n', '\r\n', '\0', '']) phone.send(Buffer.from(text), GATEWAY.address, GATEWAY.port)
  await settled()
  assert.deepEqual(b.received.messages, [])
  assert.equal(b.counts.get('keep-alive'), 4)
})

test('a datagram nobody receives is told as refused, one above 65,507 octets as too large (RFC 3261 18.1.1)', async () => {
  const b = await bench()
  const toUdp: Destination = { ...toPhone, transport: 'udp' }
  const refused = b.send('x', toUdp)
  const large = b.send('x'.repeat(65_508), toUdp)
  await settled()
  assert.deepEqual([refused, large], [['refused'], ['too large']])
})

test('a connection is closed when nothing used it for the idle time; keep-alives count as use (RFC 5626 4.4.1)', async () => {
  const b = await bench({ idleMs: 600_000 })
  const quiet = connect(b, '10.0.0.8')
  const kept = connect(b, '10.0.0.9')
  await settled()
  for (let minute = 0; minute < 15; minute++) {
    kept.says('\r\n\r\n')
    await b.clock.advance(60_000)
    assert.equal(quiet.end === undefined, minute < 9, `minute ${minute}`)
  }
  assert.equal(kept.end, undefined)
  await b.clock.advance(600_000)
  assert.notEqual(kept.end, undefined)
  assert.equal(b.counts.get('tcp.idle'), 2)
  assert.equal(b.clock.pending, 0)
})

test('above the bound of connections the one unused for longest makes room', async () => {
  const b = await bench({ maxConnections: 3 })
  const peers = ['10.0.0.11', '10.0.0.12', '10.0.0.13'].map((address) => connect(b, address))
  await b.clock.advance(2_000)
  peers[0]!.says(message('still here'))
  await settled()
  const last = connect(b, '10.0.0.14')
  await settled()
  assert.deepEqual(
    [...peers, last].map((peer) => peer.end === undefined),
    [true, false, true, true],
  )
})

test('what is queued to a connection that has to be evicted is told as closed', async () => {
  const b = await bench({ maxConnections: 1 })
  b.network.silent(PHONE.address, PHONE.port)
  const failures = b.send('x', toPhone)
  connect(b)
  await settled()
  assert.deepEqual(failures, ['closed'])
})

test('the listener of a destination is of its transport and family, and on the loopback only for the loopback', async () => {
  const network = new MemoryNetwork()
  const layer = createTransportLayer({
    network,
    clock: new FakeClock(),
    listeners: [
      listener('udp', '127.0.0.1', 5060),
      listener('udp', '10.0.0.1', 5060),
      listener('udp', '::1', 5060),
      listener('tcp', '0.0.0.0', 5060),
    ],
  })
  const chosen = (transport: 'udp' | 'tcp', remoteAddress: string): string | undefined =>
    layer.listenerFor({ transport, remoteAddress, remotePort: 5060 })?.address
  assert.equal(chosen('udp', '127.0.0.5'), '127.0.0.1')
  assert.equal(chosen('udp', '192.0.2.1'), '10.0.0.1')
  assert.equal(chosen('udp', '2001:db8::1'), '::1')
  assert.equal(chosen('tcp', '192.0.2.1'), '0.0.0.0')
  assert.equal(chosen('tcp', '::1'), undefined)
})

test('port 0 becomes the port that was given', async () => {
  const layer = createTransportLayer({
    network: new MemoryNetwork(),
    clock: new FakeClock(),
    listeners: [listener('udp', '127.0.0.1', 0), listener('tcp', '127.0.0.1', 0)],
  })
  await layer.start(
    () => {},
    () => {},
  )
  for (const { port, advertisedPort } of layer.listeners) assert.ok(port > 0 && advertisedPort === port)
})

test('a listener that cannot be opened is named, and none stays open', async () => {
  const network = new MemoryNetwork()
  const layers = [1, 2].map(() =>
    createTransportLayer({
      network,
      clock: new FakeClock(),
      listeners: [listener('udp', '127.0.0.1', 5060), listener('tcp', '127.0.0.1', 5060)],
    }),
  )
  await network.listen({ address: '127.0.0.1', port: 5060 }, () => assert.fail('nobody connects'))
  const nothing = (): void => {}
  await assert.rejects(
    layers[0]!.start(nothing, nothing),
    /^Error: SIP_LISTEN: tcp:\/\/127\.0\.0\.1:5060 cannot be opened: .*EADDRINUSE.*; choose an address of this machine/,
  )
  await assert.rejects(layers[1]!.start(nothing, nothing), /tcp:/, 'its UDP port is free again')
})

test('stop flushes what is queued, closes everything and leaves no timer', async () => {
  const b = await bench()
  const peers = await StreamPeer.listen(b.network, PHONE)
  b.send('first', toPhone)
  await settled()
  b.send('last words', toPhone)
  await b.layer.stop()
  await settled()
  assert.equal(peers[0]!.heard, 'firstlast words')
  assert.notEqual(peers[0]!.end, undefined)
  assert.equal(b.clock.pending, 0)
  const phone = connect(b)
  await settled()
  assert.deepEqual(phone.end, { failure: 'refused' })
})

test('stop does not wait for a peer that does not read', async () => {
  const b = await bench()
  const peers = await StreamPeer.listen(b.network, PHONE)
  b.send('first', toPhone)
  await settled()
  peers[0]!.stream.pause()
  b.send('unread', toPhone)
  const stopped = b.layer.stop()
  await b.clock.advance(500)
  await stopped
  assert.notEqual(peers[0]!.end, undefined)
  assert.equal(b.clock.pending, 0)
})
