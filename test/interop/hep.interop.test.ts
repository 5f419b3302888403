import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { chunksOf, packetsOf } from '../gateway/hep/chunks.ts'
import { absent } from '../peers.ts'
import { Baresip } from './baresip.ts'
import { Gateway } from './gateway.ts'
import { host, listening, temporaryDirectory } from './network.ts'
import { eventually, Program } from './program.ts'
import { Started } from './started.ts'

const PORT = 9060
/** The collector. */
const HOMER = host(20)

/** sngrep, which takes HEP and writes what was in it as a capture of the wire. */
class Sngrep {
  readonly #program: Program
  readonly #file = join(temporaryDirectory('sngrep'), 'capture.pcap')

  constructor() {
    const args = ['-F', '-N', '-q', '-L', `udp:${HOMER}:${PORT}`, '-O', this.#file]
    this.#program = new Program('sngrep', 'sngrep', args)
  }

  static async start(): Promise<Sngrep> {
    const sngrep = new Sngrep()
    await sngrep.#program.until(listening('udp', HOMER, PORT))
    return sngrep
  }

  /** Ends it. @returns each message: `192.0.2.1:5060 > 192.0.2.2:5060 INVITE` */
  async captured(): Promise<string[]> {
    await this.stop()
    return messagesOf(readFileSync(this.#file))
  }

  stop(): Promise<void> {
    return this.#program.stop()
  }
}

/** Of a capture file with Ethernet, IPv4 and UDP, little-endian as this machine writes it. */
function messagesOf(capture: Buffer): string[] {
  const messages: string[] = []
  for (let at = 24; at < capture.length; ) {
    const frame = capture.subarray(at + 16, at + 16 + capture.readUInt32LE(at + 8))
    at += 16 + frame.length
    const end = (ip: number, port: number) => `${[...frame.subarray(ip, ip + 4)].join('.')}:${frame.readUInt16BE(port)}`
    const text = frame.subarray(42).toString('latin1')
    const start = text.slice(0, text.indexOf('\r\n'))
    const label = start.startsWith('SIP/2.0')
      ? `${start.slice(8, 11)} ${/CSeq: \d+ (\w+)/i.exec(text)?.[1]}`
      : start.split(' ')[0]
    messages.push(`${end(26, 34)} > ${end(30, 36)} ${label}`)
  }
  return messages
}

/** Takes HEP over TCP, for as long as it is there. */
class Collector {
  octets = Buffer.alloc(0)
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()

  async start(): Promise<void> {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', (data) => {
        this.octets = Buffer.concat([this.octets, data])
      })
    }).listen(PORT + 1, HOMER)
    await once(this.#server, 'listening')
  }

  async stop(): Promise<void> {
    this.#server?.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Each packet: the type of its payload, which call it belongs to, and the payload. */
  get packets(): { type: number; protocol: number; call: string; node: string; payload: string }[] {
    return packetsOf(this.octets).map((packet) => {
      const chunks = chunksOf(packet)
      const text = (type: number) => String(chunks.get(type) ?? '')
      const [type, protocol] = [chunks.get(11)!.readUInt8(), chunks.get(2)!.readUInt8()]
      return { type, protocol, call: text(17), node: text(19), payload: text(15) }
    })
  }
}

const phones = async (started: Started, gateway: Gateway) =>
  started.keepAll([
    Baresip.start({
      ...{ user: 'alice', domain: 'example.com', transport: 'tcp', address: host(11), tone: 440 },
      outbound: `sip:${gateway.router};transport=tcp`,
    }),
    Baresip.start({
      ...{ user: 'bob', domain: 'example.com', transport: 'udp', address: host(12), tone: 700 },
      outbound: `sip:${gateway.router}`,
    }),
  ] as const)

async function talk(alice: Baresip, bob: Baresip): Promise<void> {
  await alice.call(bob.uri)
  await bob.rings()
  await bob.answer()
  await alice.isEstablished()
  await bob.hangup()
  await alice.closes()
}

describe('Homer', () => {
  it('sees each message of a call between the ends it went between, over UDP', {
    skip: absent('sngrep', 'baresip'),
  }, async (t) => {
    const started = new Started()
    t.after(() => started.stop())
    const sngrep = await started.keep(Sngrep.start())
    const gateway = await started.keep(
      Gateway.start({ env: { HEP_URL: `udp://${HOMER}:${PORT}`, HEP_AUTH_KEY: 'a-key' } }),
    )
    const [alice, bob] = await phones(started, gateway)
    await talk(alice, bob)
    await gateway.isIdle()
    const { checks } = (await gateway.get('/readyz')) as { checks: Record<string, string> }
    assert.equal(checks.hep, 'sent by UDP, unheard')
    assert.ok((await gateway.metric('rouse_hep_packets_total{result="sent"}')) > 10)
    assert.doesNotMatch(gateway.program.output, /a-key/)

    const seen = await sngrep.captured()
    const [router, bobs] = [gateway.router, `${host(12)}:5060`]
    // Connections of baresip come from wherever the system likes.
    const alices = seen.find((message) => message.endsWith('REGISTER') && !message.startsWith(bobs))!.split(' ')[0]!
    const between = (one: string, other: string) => {
      const start = `${one} > ${other} `
      const labels = seen.filter((message) => message.startsWith(start)).map((message) => message.slice(start.length))
      return labels.filter((label) => !label.endsWith('REGISTER'))
    }
    assert.deepEqual(between(alices, router), ['INVITE', 'ACK', '200 BYE'])
    assert.deepEqual(between(router, bobs), ['INVITE', 'ACK', '200 BYE'])
    assert.deepEqual(between(bobs, router), ['180 INVITE', '200 INVITE', 'BYE'])
    assert.deepEqual(between(router, alices), ['100 INVITE', '180 INVITE', '200 INVITE', 'BYE'])
  })

  it('is absent at the start, dies and comes back, over TCP: calls go on, and it gets what it missed, and what functions did', {
    skip: absent('baresip'),
  }, async (t) => {
    const started = new Started()
    t.after(() => started.stop())
    const env = { HEP_URL: `tcp://${HOMER}:${PORT + 1}`, HEP_NODE: 'gw-of-the-test' }
    const gateway = await started.keep(Gateway.start({ env }))
    const [alice, bob] = await phones(started, gateway)
    await talk(alice, bob)
    const collector = await started.keep(opened())
    const has = (payload: RegExp) => collector.packets.some((packet) => payload.test(packet.payload)) || undefined
    await eventually('what it missed', () => has(/^BYE /))
    const [invite] = collector.packets.filter(({ payload }) => payload.startsWith('INVITE '))
    assert.deepEqual([invite!.type, invite!.protocol, invite!.node], [1, 6, 'gw-of-the-test'])
    const ofCall = collector.packets.filter(({ type, call }) => type === 100 && call === invite!.call)
    const logs = ofCall
      .map(({ payload }) => JSON.parse(payload))
      .map(({ event, type, actions }) => event ?? [type, ...actions])
    const asked = ['sip.request', 'subscribe', 'subscribe', 'push', 'fork']
    assert.deepEqual(logs, [asked, 'call.ringing', 'call.answered', 'call.ended', 'cdr.created'])

    await collector.stop()
    const before = collector.packets.length
    await talk(alice, bob)
    await collector.start()
    await eventually('what it missed while it was away', () => collector.packets.length > before + 10 || undefined)
  })
})

async function opened(): Promise<Collector> {
  const collector = new Collector()
  await collector.start()
  return collector
}
