import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { type ClientOptions, WebSocket } from 'ws'
import { createTransportLayer } from '../../gateway/transport/layer.ts'
import { createNodeNetwork } from '../../gateway/transport/node-network.ts'
import type { Flow, TransportFailure, TransportLayer } from '../../gateway/transport/types.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { listener, message, Received } from '../support/transport-peers.ts'

const file = (name: string) => readFileSync(new URL(`../support/tls/${name}.pem`, import.meta.url), 'utf8')

interface Opened {
  layer: TransportLayer
  clock: FakeClock
  url: string
  received: { text: string; flow: Flow }[]
  /** A client that is connected and says what it hears. */
  client(protocols?: string[], options?: ClientOptions): Promise<{ socket: WebSocket; heard: Buffer[] }>
}

/** A layer with one WebSocket listener on the loopback that answers every message with itself; time stands still. */
async function open(transport: 'ws' | 'wss' = 'ws', origins?: string[]): Promise<Opened> {
  const clock = new FakeClock()
  const tls = { cert: file('sip-cert'), key: file('sip-key') }
  const network = createNodeNetwork({ tls, webSocket: { clock, maxMessageBytes: 100_000, origins } })
  const layer = createTransportLayer({ network, clock, listeners: [listener(transport, '127.0.0.1', 0)] })
  const received: Opened['received'] = []
  const receive = (text: string, flow: Flow) => {
    received.push({ text, flow })
    layer.send(text, flow)
  }
  await layer.start(receive, new Received().brokenStream)
  const url = `${transport}://127.0.0.1:${layer.listeners[0]!.port}`
  const client: Opened['client'] = async (protocols = ['sip'], options = {}) => {
    const socket = new WebSocket(url, protocols, { ca: tls.cert, ...options })
    const heard: Buffer[] = []
    socket.on('message', (data: Buffer, isBinary) => heard.push(Object.assign(data, { isBinary })))
    await once(socket, 'open')
    return { socket, heard }
  }
  return { layer, clock, url, received, client }
}

/** Whether the client has heard so many messages; by events, not by time. */
async function heard(client: { socket: WebSocket; heard: Buffer[] }, count: number): Promise<string[]> {
  while (client.heard.length < count) await once(client.socket, 'message')
  return client.heard.map((data) => data.toString('latin1'))
}

async function refused(url: string, protocols: string[], options: ClientOptions = {}): Promise<number> {
  const socket = new WebSocket(url, protocols, options)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  socket.terminate()
  return response.statusCode
}

describe('WebSocket (RFC 7118)', () => {
  test('TC9 one that does not offer the subprotocol sip is refused, and what is no WebSocket is told (RFC 7118 4.1)', async () => {
    const { layer, url, client } = await open()
    assert.equal(await refused(url, []), 400)
    assert.equal(await refused(url, ['xmpp', 'sips']), 400)
    const { socket } = await client(['xmpp', 'sip'])
    assert.equal(socket.protocol, 'sip')
    const page = await fetch(url.replace('ws:', 'http:'))
    assert.equal(page.status, 426)
    socket.terminate()
    await layer.stop()
  })

  test('TC9 web pages of other origins than those allowed are refused; programs have none', async () => {
    const { layer, url, client } = await open('ws', ['https://phone.example.com'])
    assert.equal(await refused(url, ['sip'], { origin: 'https://evil.example' }), 403)
    const page = await client(['sip'], { origin: 'https://Phone.example.com' })
    const program = await client()
    page.socket.terminate()
    program.socket.terminate()
    await layer.stop()
  })

  test('TC10 one message is one SIP message, with or without Content-Length (RFC 7118 5)', async () => {
    const { layer, client, received } = await open()
    const one = await client()
    const whole = message('a', 'body')
    const bare = whole.replace(/Content-Length: \d+\r\n/, '')
    one.socket.send(whole)
    one.socket.send(bare)
    assert.deepEqual(await heard(one, 2), [whole, bare])
    assert.deepEqual(
      received.map(({ flow }) => [flow.transport, flow.connection]),
      [
        ['ws', 1],
        ['ws', 1],
      ],
    )
    one.socket.terminate()
    await layer.stop()
  })

  test('TC10 what is UTF-8 is sent as text, anything else as octets, which text messages may not hold (RFC 6455 8.1)', async () => {
    const { layer, client } = await open('wss')
    const one = await client()
    const text = message('a', 'Bj\u00c3\u00b6rn')
    const octets = message('b', '\u00ff\u00fe')
    one.socket.send(Buffer.from(text, 'latin1'), { binary: true })
    one.socket.send(Buffer.from(octets, 'latin1'), { binary: true })
    assert.deepEqual(await heard(one, 2), [text, octets])
    assert.deepEqual(
      one.heard.map((data) => (data as Buffer & { isBinary: boolean }).isBinary),
      [false, true],
    )
    one.socket.terminate()
    await layer.stop()
  })

  test('a double CRLF is answered with one CRLF, a single one with nothing (RFC 5626 3.5.1)', async () => {
    const { layer, client } = await open()
    const one = await client()
    one.socket.send('\r\n')
    one.socket.send('\r\n\r\n')
    one.socket.send(message('a'))
    assert.deepEqual(await heard(one, 2), ['\r\n', message('a')])
    one.socket.terminate()
    await layer.stop()
  })

  test('a message above the limit ends its connection, and no other', async () => {
    const { layer, client } = await open()
    const [one, other] = [await client(), await client()]
    one.socket.on('error', () => {})
    one.socket.send('x'.repeat(200_000))
    const [code] = await once(one.socket, 'close')
    assert.equal(code, 1009)
    other.socket.send(message('a'))
    assert.deepEqual(await heard(other, 1), [message('a')])
    other.socket.terminate()
    await layer.stop()
  })

  test('a client that is gone is reached by nothing: there is no way to it but its own', async () => {
    const { layer, client, received } = await open()
    const one = await client()
    one.socket.send(message('a'))
    await heard(one, 1)
    const { flow } = received[0]!
    one.socket.terminate()
    while (layer.isAlive(flow)) await new Promise(setImmediate)
    const failure = (to: Parameters<TransportLayer['send']>[1]) =>
      new Promise<TransportFailure>((resolve) => layer.send(message('b'), to, resolve))
    assert.equal(await failure(flow), 'closed')
    const { transport, remoteAddress, remotePort } = flow
    assert.equal(await failure({ transport, remoteAddress, remotePort }), 'unreachable')
    await layer.stop()
  })

  test('clients are pinged, and one that does not answer is given up with the next ping', async () => {
    const { layer, client, clock } = await open()
    const [silent, alive] = [await client(['sip'], { autoPong: false }), await client()]
    const pinged = [once(silent.socket, 'ping'), once(alive.socket, 'ping')]
    await clock.advance(30_000)
    await Promise.all(pinged)
    // Its pong has arrived when what it says after it has.
    alive.socket.send(message('a'))
    await heard(alive, 1)
    const closed = once(silent.socket, 'close')
    await clock.advance(30_000)
    await closed
    assert.equal(alive.socket.readyState, WebSocket.OPEN)
    alive.socket.terminate()
    await layer.stop()
  })
})
