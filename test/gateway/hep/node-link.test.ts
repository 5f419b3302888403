import assert from 'node:assert/strict'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { nodeLink } from '../../../gateway/hep/node-link.ts'
import type { HepUrl } from '../../../gateway/hep/settings.ts'
import { eventually } from '../../interop/program.ts'

/** A link with what it has said. */
function linked(url: HepUrl) {
  const said: string[] = []
  const link = nodeLink(url)({
    opened: () => void said.push('opened'),
    drained: () => void said.push('drained'),
    failed: (reason) => void said.push(`failed: ${reason}`),
    closed: (reason) => void said.push(`closed: ${reason}`),
  })
  const says = (what: RegExp) => eventually(String(what), () => said.some((each) => what.test(each)) || undefined)
  return { link, said, says }
}

async function tcpCollector(): Promise<{ server: Server; port: number; got(): string }> {
  let got = ''
  const server = createServer((socket) => socket.on('data', (data) => (got += data)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port, got: () => got }
}

async function udpCollector(): Promise<{ socket: UdpSocket; port: number; got: string[] }> {
  const socket = createSocket('udp4')
  const got: string[] = []
  socket.on('message', (data) => got.push(String(data)))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { socket, port: socket.address().port, got }
}

const packets = (...texts: string[]) => texts.map((text) => Buffer.from(text))

describe('a connection to the collector', () => {
  test('carries packets in order and closes when it has', async () => {
    const { server, port, got } = await tcpCollector()
    const { link, says } = linked({ transport: 'tcp', host: 'localhost', port })
    await says(/^opened/)
    link.write(packets('1', '2'))
    link.write(packets('3'))
    link.end()
    await says(/^closed/)
    await eventually('all of it', () => got() === '123' || undefined)
    server.close()
  })

  test('says why there is none, once', async () => {
    const { server, port } = await tcpCollector()
    server.close()
    await once(server, 'close')
    const refused = linked({ transport: 'tcp', host: '127.0.0.1', port })
    await refused.says(/^closed: nobody listens there$/)
    const unknown = linked({ transport: 'tcp', host: 'homer.invalid', port })
    await unknown.says(/^closed: getaddrinfo/)
    assert.deepEqual([refused.said.length, unknown.said.length], [1, 1])
  })

  test('that is not taken from fills, and empties when it is', async () => {
    const { server, port, got } = await tcpCollector()
    const accepted = once(server, 'connection')
    const { link, says, said } = linked({ transport: 'tcp', host: '127.0.0.1', port })
    const [far] = (await accepted) as [Socket]
    far.pause()
    await says(/^opened/)
    let sent = 0
    while (link.queued === 0 && sent < 64) {
      link.write([Buffer.alloc(1024 * 1024, 'x')])
      sent++
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(link.queued > 0)
    far.resume()
    await eventually('all of it', () => got().length === sent * 1024 * 1024 || undefined)
    await eventually('nothing queued', () => link.queued === 0 || undefined)
    assert.equal(said.at(-1), 'drained')
    link.destroy()
    server.close()
  })

  test('to what speaks no TLS, or has a certificate that nobody has signed, is not opened', async () => {
    const { server, port } = await tcpCollector()
    server.on('connection', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const { says, said } = linked({ transport: 'tls', host: '127.0.0.1', port })
    await says(/^closed: /)
    assert.equal(said.length, 1)
    server.close()
  })
})

describe('datagrams to the collector', () => {
  test('carry a packet each', async () => {
    const { socket, port, got } = await udpCollector()
    const { link, says } = linked({ transport: 'udp', host: 'localhost', port })
    await says(/^opened/)
    link.write(packets('1', '2'))
    link.write(packets('3'))
    link.end()
    await says(/^closed/)
    await eventually('all of them', () => got.join() === '1,2,3' || undefined)
    socket.close()
  })

  test('that nobody takes are told as refused, and the link goes on', async () => {
    const { socket, port } = await udpCollector()
    socket.close()
    const { link, says, said } = linked({ transport: 'udp', host: '127.0.0.1', port })
    await says(/^opened/)
    link.write(packets('1'))
    await says(/^failed: nobody listens there$/)
    const again = createSocket('udp4')
    const got: string[] = []
    again.on('message', (data) => got.push(String(data)))
    again.bind(port, '127.0.0.1')
    await once(again, 'listening')
    link.write(packets('2'))
    await eventually('the next one', () => got.includes('2') || undefined)
    assert.ok(!said.some((each) => each.startsWith('closed')))
    link.destroy()
    await says(/^closed/)
    again.close()
  })

  test('too large for one are told, and the others go', async () => {
    const { socket, port, got } = await udpCollector()
    const { link, says } = linked({ transport: 'udp', host: '127.0.0.1', port })
    await says(/^opened/)
    link.write([Buffer.alloc(70_000), ...packets('1')])
    await says(/^failed: .*EMSGSIZE/)
    await eventually('the other one', () => got.includes('1') || undefined)
    link.destroy()
    socket.close()
  })

  test('over IPv6, and to a name that is not found', async () => {
    const socket = createSocket('udp6')
    const got: string[] = []
    socket.on('message', (data) => got.push(String(data)))
    socket.bind(0, '::1')
    await once(socket, 'listening')
    const { link, says } = linked({ transport: 'udp', host: '::1', port: socket.address().port })
    await says(/^opened/)
    link.write(packets('1'))
    await eventually('it', () => got.includes('1') || undefined)
    link.destroy()
    socket.close()
    const unknown = linked({ transport: 'udp', host: 'homer.invalid', port: 9060 })
    await unknown.says(/^closed: getaddrinfo/)
    assert.equal(unknown.said.length, 1)
  })
})
