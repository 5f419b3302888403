import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { createTransportLayer } from '../../../gateway/transport/layer.ts'
import { createNodeNetwork } from '../../../gateway/transport/node-network.ts'
import type { TransportOptions } from '../../../gateway/transport/options.ts'
import type { Destination, Flow, TransportFailure, TransportLayer } from '../../../gateway/transport/types.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { listener, message, Received } from '../../support/transport-peers.ts'

/** A layer on real sockets of the loopback; time stands still, so none of its timers can explain what is seen. */
async function open(
  receive: (text: string, flow: Flow, layer: TransportLayer) => void = () => {},
  options: Partial<TransportOptions> = {},
): Promise<TransportLayer> {
  const layer = createTransportLayer({
    network: createNodeNetwork(),
    clock: new FakeClock(),
    options,
    listeners: [listener('udp', '127.0.0.1', 0), listener('tcp', '127.0.0.1', 0)],
  })
  const broken = new Received().brokenStream
  await layer.start((text, flow) => receive(text, flow, layer), broken)
  return layer
}

function to(layer: TransportLayer, transport: 'udp' | 'tcp'): Destination {
  const found = layer.listeners.find((each) => each.transport === transport)!
  return { transport, remoteAddress: found.address, remotePort: found.port }
}

function sent(layer: TransportLayer, text: string, destination: Destination): Promise<TransportFailure> {
  return new Promise((resolve) => layer.send(text, destination, resolve))
}

for (const transport of ['udp', 'tcp'] as const) {
  test(`octets arrive as they were sent over ${transport}, and the flow leads back (RFC 3261 18.2.2)`, async () => {
    const text = message('octets', Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join(''))
    const phone = await open((request, flow, layer) => layer.send(request, flow))
    const answered = Promise.withResolvers<string>()
    const gateway = await open((answer) => answered.resolve(answer))
    gateway.send(text, to(phone, transport))
    assert.equal(await answered.promise, text)
    await Promise.all([phone.stop(), gateway.stop()])
  })
}

test('IPv6 works over UDP and TCP, however an address is spelled (RFC 5118 4)', async (t) => {
  const received: Flow[] = []
  const both = Promise.withResolvers<void>()
  const make = (): TransportLayer =>
    createTransportLayer({
      network: createNodeNetwork(),
      clock: new FakeClock(),
      listeners: [listener('udp', '::1', 0), listener('tcp', '::1', 0)],
    })
  const [gateway, phone] = [make(), make()]
  const broken = new Received().brokenStream
  try {
    await phone.start((_text, flow) => {
      if (received.push(flow) === 2) both.resolve()
    }, broken)
  } catch {
    return t.skip('this machine has no IPv6 loopback')
  }
  await gateway.start(() => {}, broken)
  gateway.send(message('udp'), to(phone, 'udp'))
  gateway.send(message('tcp'), { ...to(phone, 'tcp'), remoteAddress: '0:0:0:0:0:0:0:1' })
  await both.promise
  for (const flow of received) assert.equal(flow.remoteAddress, '::1')
  await Promise.all([phone.stop(), gateway.stop()])
})

test('what is written in one turn goes out as one segment', async () => {
  const chunks: number[] = []
  const all = Promise.withResolvers<void>()
  const texts = Array.from({ length: 20 }, (_, number) => message(`call-${number}`))
  const expected = texts.join('').length
  const server = createServer((socket) =>
    socket.on('data', (chunk) => {
      chunks.push(chunk.length)
      if (chunks.reduce((sum, length) => sum + length, 0) === expected) all.resolve()
    }),
  )
  const destination = await listening(server)
  const gateway = await open()
  const opened = connectedTo(server)
  gateway.send(texts[0]!, destination)
  await opened
  for (const text of texts.slice(1)) gateway.send(text, destination)
  await all.promise
  assert.ok(chunks.length <= 2, `${chunks.length} segments`)
  await gateway.stop()
  server.close()
})

test('a refused connection is told at once (RFC 3261 18.4)', async () => {
  const gateway = await open()
  const server = createServer()
  const destination = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  assert.equal(await sent(gateway, message('x'), destination), 'refused')
  await gateway.stop()
})

test('what the system will not send is told, and the socket works on', async () => {
  const heard = Promise.withResolvers<string>()
  const phone = await open((text) => heard.resolve(text))
  const gateway = await open()
  for (const remoteAddress of ['not-an-address', '1.2.3.400']) {
    assert.equal(await sent(gateway, 'x', { transport: 'udp', remoteAddress, remotePort: 5060 }), 'unreachable')
    assert.equal(await sent(gateway, 'x', { transport: 'tcp', remoteAddress, remotePort: 5060 }), 'unreachable')
  }
  gateway.send(message('still here'), to(phone, 'udp'))
  assert.equal(await heard.promise, message('still here'))
  await Promise.all([phone.stop(), gateway.stop()])
})

test('TC7: a peer that stops reading has its connection dropped at the bound', async () => {
  const server = createServer((socket) => socket.pause())
  const destination = await listening(server)
  const gateway = await open(undefined, { maxQueuedBytes: 200_000 })
  const opened = connectedTo(server)
  const failures: TransportFailure[] = []
  gateway.send(message('first'), destination, (failure) => failures.push(failure))
  const socket = await opened
  const full = Promise.withResolvers<TransportFailure>()
  // The system's own buffers take some megabytes first.
  for (let turn = 0; turn < 2_000 && failures.length === 0; turn++) {
    gateway.send(message('more', 'x'.repeat(20_000)), destination, (failure) => {
      failures.push(failure)
      full.resolve(failure)
    })
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(await full.promise, 'queue full')
  socket.destroy()
  await gateway.stop()
  server.close()
})

test('a connection that is reset by its peer is told, and the next message gets a new one', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}))
    if (sockets.length === 1) socket.once('data', () => socket.resetAndDestroy())
    else socket.pipe(socket)
  })
  const destination = await listening(server)
  const echoed = Promise.withResolvers<string>()
  const gateway = await open((text) => echoed.resolve(text))
  assert.equal(await sent(gateway, message('lost'), destination), 'closed')
  gateway.send(message('again'), destination)
  assert.equal(await echoed.promise, message('again'))
  await gateway.stop()
  server.close()
})

test('answers reach a peer that ends its side right after its requests', async () => {
  const gateway = await open((text, flow, layer) => layer.send(text.replace('MESSAGE', 'ANSWER'), flow))
  const { remotePort } = to(gateway, 'tcp')
  const heard = await new Promise<string>((resolve) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', port: remotePort, allowHalfOpen: true }, () =>
      socket.end(message('a') + message('b')),
    )
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(text))
  })
  assert.equal(heard.split('ANSWER').length - 1, 2)
  await gateway.stop()
})

test('TC4: the answer to a broken frame arrives before the close, however much more the peer sends (RFC 3261 18.3)', async () => {
  const layer = createTransportLayer({
    network: createNodeNetwork(),
    clock: new FakeClock(),
    listeners: [listener('tcp', '127.0.0.1', 0)],
  })
  await layer.start(
    () => assert.fail('nothing was framed'),
    (_text, flow) => layer.send('SIP/2.0 513 Message Too Large\r\n\r\n', flow),
  )
  const heard = await new Promise<string>((resolve) => {
    let text = ''
    const socket = connect(layer.listeners[0]!.port, '127.0.0.1', () => {
      socket.write(`MESSAGE sip:bob@example.com SIP/2.0\r\nContent-Length: 10000000\r\n\r\n`)
      socket.write(Buffer.alloc(10_000_000))
    })
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
  assert.equal(heard, 'SIP/2.0 513 Message Too Large\r\n\r\n')
  await layer.stop()
})

test('the receive buffer that was granted can be read', async () => {
  const network = createNodeNetwork()
  const socket = await network.udp({ address: '127.0.0.1', port: 0 }, { receive: () => {} })
  assert.deepEqual(network.receiveBuffers[0]?.local, socket.local)
  assert.ok(network.receiveBuffers[0]!.bytes > 0)
  socket.close()
})

test('an address in use is named when the layer starts', async () => {
  const gateway = await open()
  for (const taken of gateway.listeners) {
    const second = createTransportLayer({ network: createNodeNetwork(), clock: new FakeClock(), listeners: [taken] })
    const start = second.start(() => {}, new Received().brokenStream)
    await assert.rejects(
      start,
      new RegExp(`${taken.transport}://127\\.0\\.0\\.1:${taken.port} cannot be opened: .*EADDRINUSE`),
    )
  }
  await gateway.stop()
})

function listening(server: ReturnType<typeof createServer>): Promise<Destination> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      resolve({ transport: 'tcp', remoteAddress: '127.0.0.1', remotePort: port })
    })
  })
}

function connectedTo(server: ReturnType<typeof createServer>): Promise<Socket> {
  return new Promise((resolve) => server.once('connection', resolve))
}
