import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Flow, Listener, Network, UdpEvents } from '../../../gateway/transport/types.ts'
import { UdpTransport } from '../../../gateway/transport/udp.ts'

const LISTENER: Listener = {
  transport: 'udp',
  address: '192.0.2.100',
  port: 5060,
  advertisedHost: '192.0.2.100',
  advertisedPort: 5060,
}

async function opened(): Promise<{ events: UdpEvents; flows: Flow[] }> {
  const flows: Flow[] = []
  let events: UdpEvents | undefined
  const network = {
    udp: async (local: Listener, given: UdpEvents) => {
      events = given
      return { local, send: () => {}, close: () => {} }
    },
  } as unknown as Network
  const udp = new UdpTransport(network, () => {})
  await udp.open(LISTENER, (_text, flow) => flows.push(flow))
  return { events: events!, flows }
}

test('the datagrams of a peer share one flow', async () => {
  const { events, flows } = await opened()
  events.receive(Buffer.from('one'), '192.0.2.1', 5060)
  events.receive(Buffer.from('two'), '192.0.2.1', 5060)
  assert.equal(flows[0], flows[1])
})

test('however many peers there are, each datagram has the flow of its own one', async () => {
  const { events, flows } = await opened()
  const peers: { address: string; port: number }[] = []
  for (let index = 0; index < 20_000; index++)
    peers.push({ address: `192.0.${index % 7}.${index % 251}`, port: 1024 + (index % 5003) })
  for (const { address, port } of peers) events.receive(Buffer.from('x'), address, port)
  const seen = flows.map(({ remoteAddress, remotePort }) => ({ address: remoteAddress, port: remotePort }))
  assert.deepEqual(seen, peers)
  assert.ok(flows.every(({ listener, connection }) => listener === LISTENER && connection === 0))
})
