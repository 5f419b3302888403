import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import { createTransportLayer } from '../../../gateway/transport/layer.ts'
import { createNodeNetwork } from '../../../gateway/transport/node-network.ts'
import { datagramEnds, type Ends, type Tap, tapOf } from '../../../gateway/transport/tap.ts'
import type { Address, Destination, Listener, Network } from '../../../gateway/transport/types.ts'
import { eventually } from '../../interop/program.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { MemoryNetwork } from '../../support/memory-network.ts'
import { listener, message, Received, StreamPeer } from '../../support/transport-peers.ts'

const GATEWAY = { address: '10.0.0.1', port: 5060 }
const PHONE = { address: '10.0.0.2', port: 5062 }

/** Each message as `from -> to`, with what it begins with. */
class Seen implements Tap {
  readonly lines: string[] = []

  received(text: string, { transport, local, remote }: Ends): void {
    this.lines.push(`${transport} ${end(remote)} -> ${end(local)} ${text.split(' ')[0]}`)
  }

  sent(text: string, { transport, local, remote }: Ends): void {
    this.lines.push(`${transport} ${end(local)} -> ${end(remote)} ${text.split(' ')[0]}`)
  }
}

function end({ address, port }: Address): string {
  return `${address}:${port}`
}

async function bench(network: Network, listeners: Listener[]) {
  const seen = new Seen()
  const received = new Received()
  const layer = createTransportLayer({ network, clock: new FakeClock(1_000_000), listeners, tap: seen })
  await layer.start(received.message, received.brokenStream)
  return { layer, seen, received }
}

const to = (transport: 'udp' | 'tcp', { address, port }: Address): Destination => {
  return { transport, remoteAddress: address, remotePort: port }
}

describe('whoever looks at messages sees both ends of each', () => {
  test('over UDP: the listener and the peer; keep-alives are not seen, noise is', async () => {
    const network = new MemoryNetwork()
    const { layer, seen } = await bench(network, [listener('udp', GATEWAY.address, GATEWAY.port)])
    const phone = await network.udp(PHONE, { receive: () => {} })
    phone.send(message('1'), GATEWAY.address, GATEWAY.port)
    phone.send('\r\n\r\n', GATEWAY.address, GATEWAY.port)
    phone.send('noise', GATEWAY.address, GATEWAY.port)
    await settled()
    layer.send('SIP/2.0 200 OK\r\n\r\n', to('udp', PHONE))
    assert.deepEqual(seen.lines, [
      'udp 10.0.0.2:5062 -> 10.0.0.1:5060 MESSAGE',
      'udp 10.0.0.2:5062 -> 10.0.0.1:5060 noise',
      'udp 10.0.0.1:5060 -> 10.0.0.2:5062 SIP/2.0',
    ])
    await layer.stop()
  })

  test('over a connection that was accepted: its two ends', async () => {
    const network = new MemoryNetwork()
    const { layer, seen, received } = await bench(network, [listener('tcp', GATEWAY.address, GATEWAY.port)])
    const peer = StreamPeer.connect(network, PHONE.address, GATEWAY)
    peer.says(`\r\n\r\n${message('1')}`)
    await settled()
    layer.send('SIP/2.0 200 OK\r\n\r\n', received.messages[0]!.flow)
    const { port } = peer.stream.local
    assert.deepEqual(seen.lines, [
      `tcp 10.0.0.2:${port} -> 10.0.0.1:5060 MESSAGE`,
      `tcp 10.0.0.1:5060 -> 10.0.0.2:${port} SIP/2.0`,
    ])
    await layer.stop()
  })

  test('over one that is opened for it: its own port, and nothing before it is open', async () => {
    const network = new MemoryNetwork()
    const { layer, seen } = await bench(network, [listener('tcp', GATEWAY.address, GATEWAY.port)])
    const peers = await StreamPeer.listen(network, PHONE)
    layer.send(message('1'), to('tcp', PHONE))
    layer.send(`INVITE${message('2')}`, to('tcp', PHONE))
    assert.deepEqual(seen.lines, [])
    await settled()
    const { port } = peers[0]!.stream.remote
    layer.send(message('3'), to('tcp', PHONE))
    peers[0]!.says(message('4'))
    await settled()
    assert.deepEqual(seen.lines, [
      `tcp 10.0.0.1:${port} -> 10.0.0.2:5062 MESSAGE`,
      `tcp 10.0.0.1:${port} -> 10.0.0.2:5062 INVITEMESSAGE`,
      `tcp 10.0.0.1:${port} -> 10.0.0.2:5062 MESSAGE`,
      `tcp 10.0.0.2:5062 -> 10.0.0.1:${port} MESSAGE`,
    ])
    await layer.stop()
  })

  test('what does not go out is not seen', async () => {
    const network = new MemoryNetwork()
    const { layer, seen } = await bench(network, [listener('tcp', GATEWAY.address, GATEWAY.port)])
    network.refuses(PHONE.address, PHONE.port)
    layer.send(message('1'), to('tcp', PHONE))
    layer.send(message('2'), to('udp', PHONE))
    await settled()
    assert.deepEqual(seen.lines, [])
    await layer.stop()
  })

  test('what a stream cannot frame is seen as far as it was read', async () => {
    const network = new MemoryNetwork()
    const { layer, seen } = await bench(network, [listener('tcp', GATEWAY.address, GATEWAY.port)])
    StreamPeer.connect(network, PHONE.address, GATEWAY).says('BROKEN sip:a SIP/2.0\r\nContent-Length: x\r\n\r\n')
    await settled()
    assert.match(seen.lines[0]!, /-> 10\.0\.0\.1:5060 BROKEN$/)
    await layer.stop()
  })

  for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const)
    test(`on real sockets that listen on every address, the ends are those of the connection: ${transport}`, async () => {
      const tls = { cert: file('sip-cert'), key: file('sip-key') }
      const webSocket = { clock: new FakeClock(), maxMessageBytes: 100_000, origins: undefined }
      const any = { ...listener(transport, '0.0.0.0', 0), advertisedHost: '203.0.113.1' }
      const { layer, seen, received } = await bench(createNodeNetwork({ tls, webSocket }), [any])
      const gateway = { address: '127.0.0.1', port: layer.listeners[0]!.port }
      const close = await says(transport, gateway, message('1'))
      await eventually('the message', () => received.messages[0])
      const { flow } = received.messages[0]!
      layer.send('SIP/2.0 200 OK\r\n\r\n', flow)
      assert.deepEqual(seen.lines, [
        `${transport} 127.0.0.2:${flow.remotePort} -> 127.0.0.1:${gateway.port} MESSAGE`,
        `${transport} 127.0.0.1:${gateway.port} -> 127.0.0.2:${flow.remotePort} SIP/2.0`,
      ])
      close()
      await layer.stop()
    })
})

describe('a datagram socket that listens on every address is not told which one', () => {
  const local = (address: string, advertisedHost: string, remote: string) =>
    datagramEnds({ ...listener('udp', address, 5060), advertisedHost, advertisedPort: 9 }, remote, 1).local

  test('the advertised address stands for it, with the port that the socket has', () => {
    assert.deepEqual(local('0.0.0.0', '203.0.113.1', '10.0.0.2'), { address: '203.0.113.1', port: 5060 })
    assert.deepEqual(local('::', '[2001:db8::1]', '2001:db8::2'), { address: '2001:db8::1', port: 5060 })
  })

  test('towards the loopback it is the loopback', () => {
    assert.equal(local('0.0.0.0', '203.0.113.1', '127.0.0.9').address, '127.0.0.1')
    assert.equal(local('::', '[2001:db8::1]', '::1').address, '::1')
  })

  test('a name, or an address of the other family, cannot stand for it', () => {
    assert.equal(local('0.0.0.0', 'sip.example.com', '10.0.0.2').address, '0.0.0.0')
    assert.equal(local('::', '203.0.113.1', '2001:db8::2').address, '::')
  })
})

test('several may look: each sees everything; nobody: there is no tap', () => {
  const [one, other] = [new Seen(), new Seen()]
  const tap = tapOf([one, other])!
  const ends: Ends = { transport: 'udp', local: GATEWAY, remote: PHONE }
  tap.received('A b', ends)
  tap.sent('B c', ends)
  assert.deepEqual(one.lines, ['udp 10.0.0.2:5062 -> 10.0.0.1:5060 A', 'udp 10.0.0.1:5060 -> 10.0.0.2:5062 B'])
  assert.deepEqual(other.lines, one.lines)
  assert.equal(tapOf([one]), one)
  assert.equal(tapOf([]), undefined)
})

function file(name: string): string {
  return readFileSync(new URL(`../../support/tls/${name}.pem`, import.meta.url), 'utf8')
}

/** Connects from 127.0.0.2 and says it. @returns what ends the connection */
async function says(
  transport: 'tcp' | 'tls' | 'ws' | 'wss',
  { address: host, port }: Address,
  text: string,
): Promise<() => void> {
  const options = { host, port, localAddress: '127.0.0.2', rejectUnauthorized: false }
  if (transport === 'tcp' || transport === 'tls') {
    const socket = transport === 'tls' ? connectTls(options) : connect(options)
    socket.on('error', () => {})
    socket.write(text)
    return () => socket.destroy()
  }
  const { localAddress, rejectUnauthorized } = options
  const socket = new WebSocket(`${transport}://${host}:${port}`, ['sip'], { localAddress, rejectUnauthorized })
  await once(socket, 'open')
  socket.send(text)
  return () => socket.terminate()
}
