import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect as openPlain } from 'node:net'
import { describe, test } from 'node:test'
import { connect as openSecure, type PeerCertificate } from 'node:tls'
import { createTransportLayer } from '../../../gateway/transport/layer.ts'
import { createNodeNetwork, type NodeNetwork } from '../../../gateway/transport/node-network.ts'
import type { TlsIdentity } from '../../../gateway/transport/node-tls.ts'
import type { Destination, Flow, TransportFailure, TransportLayer } from '../../../gateway/transport/types.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { listener, message, Received } from '../../support/transport-peers.ts'

const file = (name: string) => readFileSync(new URL(`../../support/tls/${name}.pem`, import.meta.url), 'utf8')
const PLAIN: TlsIdentity = { cert: file('sip-cert'), key: file('sip-key') }
/** Trusts its like. */
const TRUSTING: TlsIdentity = { ...PLAIN, ca: file('sip-cert') }

interface Opened {
  layer: TransportLayer
  network: NodeNetwork
  port: number
  failedHandshakes(): number
}

/** A layer with one TLS listener on the loopback; time stands still. */
async function open(
  tls: TlsIdentity,
  receive: (text: string, flow: Flow, layer: TransportLayer) => void = () => {},
): Promise<Opened> {
  let failed = 0
  const network = createNodeNetwork({ tls, tlsFailed: () => failed++ })
  const listeners = [listener('tls', '127.0.0.1', 0)]
  const layer = createTransportLayer({ network, clock: new FakeClock(), listeners })
  await layer.start((text, flow) => receive(text, flow, layer), new Received().brokenStream)
  return { layer, network, port: layer.listeners[0]!.port, failedHandshakes: () => failed }
}

function to({ port }: Opened, serverName?: string): Destination {
  return { transport: 'tls', remoteAddress: '127.0.0.1', remotePort: port, serverName }
}

function failureOf({ layer }: Opened, destination: Destination): Promise<TransportFailure> {
  return new Promise((resolve) => layer.send(message('x'), destination, resolve))
}

describe('over TLS (RFC 3261 26.2.1, RFC 5922)', () => {
  test('octets arrive as they were sent, and the answer takes the connection of its request', async () => {
    const text = message('octets', Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join(''))
    const flows: Flow[] = []
    const phone = await open(PLAIN, (request, flow, layer) => {
      flows.push(flow)
      layer.send(request, flow)
    })
    const answers: string[] = []
    const { promise: two, resolve } = Promise.withResolvers<void>()
    const gateway = await open(TRUSTING, (answer) => answers.push(answer) === 2 && resolve())
    gateway.layer.send(text, to(phone, 'example.com'))
    gateway.layer.send(text, to(phone, 'example.com'))
    await two
    assert.deepEqual(answers, [text, text])
    assert.equal(flows[0]!.transport, 'tls')
    assert.equal(flows[0]!.connection, flows[1]!.connection)
    await Promise.all([phone.layer.stop(), gateway.layer.stop()])
  })

  test('a peer is sent nothing whose certificate does not name what was asked for, or that nobody vouches for', async () => {
    const heard: string[] = []
    const phone = await open(PLAIN, (text) => heard.push(text))
    const gateway = await open(TRUSTING)
    assert.equal(await failureOf(gateway, to(phone, 'example.net')), 'unreachable')
    const strict = await open(PLAIN)
    assert.equal(await failureOf(strict, to(phone, 'example.com')), 'unreachable')
    assert.equal(strict.failedHandshakes(), 1)
    assert.deepEqual(heard, [])
    await Promise.all([phone.layer.stop(), gateway.layer.stop(), strict.layer.stop()])
  })

  test('an address without a name has to be in the certificate', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const phone = await open(PLAIN, resolve)
    const gateway = await open(TRUSTING)
    gateway.layer.send(message('by address'), to(phone))
    assert.equal(await promise, message('by address'))
    await Promise.all([phone.layer.stop(), gateway.layer.stop()])
  })

  test('a certificate may name the domain as a SIP URI (RFC 5922 7.1)', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const phone = await open({ cert: file('renewed-cert'), key: file('renewed-key') }, resolve)
    const gateway = await open({ ...PLAIN, ca: file('renewed-cert') })
    assert.equal(await failureOf(gateway, to(phone, 'example')), 'unreachable')
    gateway.layer.send(message('x'), to(phone, 'Carrier.example'))
    assert.equal(await promise, message('x'))
    await Promise.all([phone.layer.stop(), gateway.layer.stop()])
  })

  test('a connection serves the name that was asked for, and no other (RFC 5922 7.3)', async () => {
    const connections = new Set<number>()
    const { promise: two, resolve } = Promise.withResolvers<void>()
    const phone = await open(PLAIN, (_, flow) => connections.add(flow.connection).size === 2 && resolve())
    const gateway = await open(TRUSTING)
    gateway.layer.send(message('a'), to(phone, 'example.com'))
    gateway.layer.send(message('b'), to(phone, 'sip.example.com'))
    await two
    await Promise.all([phone.layer.stop(), gateway.layer.stop()])
  })

  test('who does not speak TLS is closed, counted, and disturbs nobody', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const phone = await open(PLAIN, resolve)
    const closed = new Promise<void>((done) => {
      const socket = openPlain(phone.port, '127.0.0.1', () => socket.write(message('in the clear')))
      socket.on('error', () => {})
      socket.resume().once('close', () => done())
    })
    await closed
    assert.equal(phone.failedHandshakes(), 1)
    const gateway = await open(TRUSTING)
    gateway.layer.send(message('encrypted'), to(phone))
    assert.equal(await promise, message('encrypted'))
    await Promise.all([phone.layer.stop(), gateway.layer.stop()])
  })

  test('a renewed certificate is shown to new connections; one that cannot be used changes nothing', async () => {
    const phone = await open(PLAIN)
    assert.equal(await nameShown(phone), 'SIP of the tests')
    const renewed = { cert: file('renewed-cert'), key: file('renewed-key') }
    assert.throws(() => phone.network.renewTls({ ...renewed, key: PLAIN.key }))
    assert.equal(await nameShown(phone), 'SIP of the tests')
    phone.network.renewTls(renewed)
    assert.equal(await nameShown(phone), 'SIP of the tests, renewed')
    await phone.layer.stop()
  })
})

function nameShown({ port }: Opened): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = openSecure({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String((socket.getPeerCertificate() as PeerCertificate).subject.CN))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}
