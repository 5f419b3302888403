import type { Clock } from '../../functions/contract/clock.ts'
import { Hep } from '../../gateway/hep/hep.ts'
import type { Link, LinkEvents, OpenLink } from '../../gateway/hep/link.ts'
import type { HepSettings } from '../../gateway/hep/settings.ts'
import { Counters } from '../../gateway/observe/counters.ts'
import { silentLog } from '../../gateway/observe/log.ts'

/** One link of a sender in a test: what it has taken, and what the test lets happen to it. */
export class TestLink implements Link {
  readonly events: LinkEvents
  readonly packets: Buffer[] = []
  /** Octets that stay where they are, as when the collector reads nothing. */
  queued = 0
  /** Whether what is written stays queued. */
  isSlow = false
  isEnded = false
  isDestroyed = false

  constructor(events: LinkEvents) {
    this.events = events
  }

  write(packets: readonly Buffer[]): void {
    this.packets.push(...packets)
    if (this.isSlow) for (const { length } of packets) this.queued += length
  }

  end(): void {
    this.isEnded = true
    if (this.queued === 0) this.events.closed('ended')
  }

  destroy(): void {
    this.isDestroyed = true
    this.events.closed('destroyed')
  }

  /** The collector has read all of it. */
  drain(): void {
    this.queued = 0
    this.events.drained()
  }
}

/** Links in the order in which they were opened. */
export class TestCollector {
  readonly links: TestLink[] = []
  readonly open: OpenLink = (events) => {
    const link = new TestLink(events)
    this.links.push(link)
    return link
  }

  get link(): TestLink {
    return this.links.at(-1)!
  }
}

const SETTINGS: HepSettings = {
  url: { transport: 'tcp', host: 'homer', port: 9060 },
  ...{ agentId: 2001, authKey: undefined, node: 'gw', maxBytes: 8192 },
}

/** HEP of a gateway in virtual time, with a collector that takes everything. */
export function watched(clock: Clock, settings: Partial<HepSettings> = {}): { hep: Hep; packets(): Packet[] } {
  const collector = new TestCollector()
  const hep = new Hep({
    ...{ clock, random: () => 1, counters: new Counters(), log: silentLog, open: collector.open },
    settings: { ...SETTINGS, ...settings },
    own: { address: '10.0.0.1', port: 5060 },
    functions: { address: '10.0.0.1', port: 8080 },
  })
  hep.start()
  collector.link.events.opened()
  return { hep, packets: () => collector.link.packets.map(packetOf) }
}

/** One packet over IPv4, read back. */
export interface Packet {
  protocol: number
  transport: number
  from: string
  to: string
  /** Microseconds since the epoch. */
  at: number
  correlationId: string
  payload: string
}

function packetOf(octets: Buffer): Packet {
  const chunks = new Map<number, Buffer>()
  for (let at = 6; at < octets.length; at += octets.readUInt16BE(at + 4))
    chunks.set(octets.readUInt16BE(at + 2), octets.subarray(at + 6, at + octets.readUInt16BE(at + 4)))
  const chunk = (type: number) => chunks.get(type)!
  const end = (address: number, port: number) => `${[...chunk(address)].join('.')}:${chunk(port).readUInt16BE()}`
  return {
    protocol: chunk(0x0b)[0]!,
    transport: chunk(0x02)[0]!,
    from: end(0x03, 0x07),
    to: end(0x04, 0x08),
    at: chunk(0x09).readUInt32BE() * 1_000_000 + chunk(0x0a).readUInt32BE(),
    correlationId: chunk(0x11).toString('latin1'),
    payload: chunk(0x0f).toString('latin1'),
  }
}
