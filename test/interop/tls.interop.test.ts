import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { absent } from '../peers.ts'
import { Baresip } from './baresip.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

const file = (name: string) => fileURLToPath(new URL(`../support/tls/${name}.pem`, import.meta.url))
/** The certificate names it. */
const SECURE = { address: '127.0.0.1', port: 15_061 }

describe('real phones over TLS', { skip: absent('baresip') }, () => {
  const started = new Started()
  let gateway: Gateway
  let alice: Baresip
  let bob: Baresip
  let carol: Baresip

  before(async () => {
    const address = host(1)
    const { address: secure, port } = SECURE
    const env = {
      SIP_LISTEN: `udp://${address}:5060,tls://${secure}:${port}`,
      SIP_TLS_CERT: file('sip-cert'),
      SIP_TLS_KEY: file('sip-key'),
    }
    gateway = await started.keep(Gateway.start({ env }))
    const domain = 'example.com'
    const overTls = { domain, transport: 'tls', caFile: file('sip-cert') } as const
    const outbound = `sip:${secure}:${port};transport=tls`
    const plain = { outbound: `sip:${gateway.router}`, transport: 'udp', domain } as const
    ;[alice, bob, carol] = await started.keepAll([
      Baresip.start({ ...overTls, outbound, user: 'alice', address: host(11), tone: 440 }),
      Baresip.start({ ...overTls, outbound, user: 'bob', address: host(12), tone: 700 }),
      Baresip.start({ ...plain, user: 'carol', address: host(13), tone: 1_000 }),
    ] as const)
  })
  afterEach(() => gateway.isIdle())
  after(() => started.stop())

  it('a call between two of them has sound both ways, and either hangs up', async () => {
    await talk(alice, bob)
    await hangUp(bob, alice)
    await talk(bob, alice)
    await hangUp(bob, alice)
  })

  it('a call between one of them and a phone over UDP, in either direction', async () => {
    await talk(alice, carol)
    await hangUp(carol, alice)
    await talk(carol, bob)
    await hangUp(carol, bob)
  })

  it('each of them is registered by its TLS connection', async () => {
    const { registrations } = (await gateway.get('/registrations')) as {
      registrations: { aor: string; received: { transport: string } }[]
    }
    const transports = Object.fromEntries(registrations.map(({ aor, received }) => [aor, received.transport]))
    assert.deepEqual(transports, {
      'sip:alice@example.com': 'tls',
      'sip:bob@example.com': 'tls',
      'sip:carol@example.com': 'udp',
    })
  })
})

async function talk(caller: Baresip, callee: Baresip): Promise<void> {
  await caller.call(callee.uri)
  await Promise.all([callee.rings(), caller.hearsRinging()])
  await Promise.all([callee.answer(), caller.isEstablished()])
  const hears = (one: Baresip, other: Baresip) => one.heard(other.tone) >= 0.5 || undefined
  await eventually('sound both ways', () => hears(caller, callee) && hears(callee, caller))
}

async function hangUp(one: Baresip, other: Baresip): Promise<void> {
  await one.hangup()
  await Promise.all([one.closes(), other.closes()])
}
