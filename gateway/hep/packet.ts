import { isIPv6, SocketAddress } from 'node:net'
import type { Address } from '../transport/types.ts'

/** What a packet carries. */
export type PacketKind = 'sip' | 'log'

/** One packet of the Homer Encapsulation Protocol, version 3. */
export interface Packet {
  kind: PacketKind
  /** Of the protocol that carried the payload. */
  transport: 'udp' | 'tcp'
  source: Address
  destination: Address
  /** Milliseconds since the epoch. */
  at: number
  /** The call it belongs to; '' for none. */
  correlation: string
  payload: Buffer
}

/** What is the same in all packets of one gateway. */
export interface Agent {
  /** 0 to 4,294,967,295. */
  id: number
  /** Name of the node; '' for none. */
  node: string
  /** '' for none. */
  authKey: string
}

/** Of the generic vendor. */
const CHUNK = {
  family: 1,
  protocol: 2,
  source4: 3,
  destination4: 4,
  source6: 5,
  destination6: 6,
  sourcePort: 7,
  destinationPort: 8,
  seconds: 9,
  microseconds: 10,
  type: 11,
  agent: 12,
  authKey: 14,
  payload: 15,
  correlation: 17,
  node: 19,
} as const

const TYPE: Readonly<Record<PacketKind, number>> = { sip: 1, log: 100 }
const PROTOCOL = { udp: 17, tcp: 6 } as const
const AF_INET = 2
const AF_INET6 = 10
const HEADER = 6
/** Its length is written in two octets. */
export const MAX_PACKET_BYTES = 65_535
const MAX_TEXT_BYTES = 255

/** What fits in one packet beside everything else; a longer payload is cut off there. */
const MAX_PAYLOAD_BYTES = MAX_PACKET_BYTES - 1024

/**
 * The packet as octets: `HEP3`, its length, then chunks of vendor, type, length and value.
 * @see https://github.com/sipcapture/HEP/blob/master/docs/HEP3NetworkProtocolSpecification_REV26.md
 */
export function encodePacket(packet: Packet, { id, node, authKey }: Agent): Buffer {
  const { kind, transport, at, correlation } = packet
  const isV6 = isIPv6(packet.source.address) || isIPv6(packet.destination.address)
  const source = octetsOf(packet.source.address, isV6)
  const destination = octetsOf(packet.destination.address, isV6)
  const payload = packet.payload.subarray(0, MAX_PAYLOAD_BYTES)
  const texts = [
    [CHUNK.authKey, textOf(authKey)],
    [CHUNK.correlation, textOf(correlation)],
    [CHUNK.node, textOf(node)],
  ] as const
  const present = texts.filter(([, text]) => text.length > 0)
  const fixed = 2 * (HEADER + 1) + 2 * HEADER + source.length + destination.length + 2 * (HEADER + 2)
  const size =
    HEADER +
    fixed +
    3 * (HEADER + 4) +
    (HEADER + 1) +
    present.reduce((sum, [, text]) => sum + HEADER + text.length, 0) +
    HEADER +
    payload.length
  const out = new Writer(size)
  out.octet(CHUNK.family, isV6 ? AF_INET6 : AF_INET)
  out.octet(CHUNK.protocol, PROTOCOL[transport])
  out.octets(isV6 ? CHUNK.source6 : CHUNK.source4, source)
  out.octets(isV6 ? CHUNK.destination6 : CHUNK.destination4, destination)
  out.short(CHUNK.sourcePort, packet.source.port)
  out.short(CHUNK.destinationPort, packet.destination.port)
  out.long(CHUNK.seconds, Math.floor(at / 1000))
  out.long(CHUNK.microseconds, Math.floor((at % 1000) * 1000))
  out.octet(CHUNK.type, TYPE[kind])
  out.long(CHUNK.agent, id)
  for (const [type, text] of present) out.octets(type, text)
  out.octets(CHUNK.payload, payload)
  return out.buffer
}

class Writer {
  readonly buffer: Buffer
  #at: number

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size)
    this.buffer.write('HEP3', 'latin1')
    this.#at = this.buffer.writeUInt16BE(size, 4)
  }

  octet(type: number, value: number): void {
    this.#at = this.buffer.writeUInt8(value, this.#chunk(type, 1))
  }

  short(type: number, value: number): void {
    this.#at = this.buffer.writeUInt16BE(value, this.#chunk(type, 2))
  }

  long(type: number, value: number): void {
    this.#at = this.buffer.writeUInt32BE(value, this.#chunk(type, 4))
  }

  octets(type: number, value: Buffer): void {
    const at = this.#chunk(type, value.length)
    value.copy(this.buffer, at)
    this.#at = at + value.length
  }

  /** The generic vendor is 0. */
  #chunk(type: number, length: number): number {
    let at = this.buffer.writeUInt16BE(0, this.#at)
    at = this.buffer.writeUInt16BE(type, at)
    return this.buffer.writeUInt16BE(HEADER + length, at)
  }
}

function textOf(text: string): Buffer {
  return Buffer.from(text, 'utf8').subarray(0, MAX_TEXT_BYTES)
}

/** An address that cannot be read is that of nobody. */
function octetsOf(address: string, asV6: boolean): Buffer {
  if (!asV6) {
    const parts = address.split('.').map(Number)
    return Buffer.from(parts.length === 4 && parts.every((part) => part >= 0 && part <= 255) ? parts : [0, 0, 0, 0])
  }
  return isIPv6(address)
    ? v6(address)
    : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), octetsOf(address, false)])
}

function v6(address: string): Buffer {
  const plain = new SocketAddress({ address: address.split('%', 1)[0]!, family: 'ipv6' }).address
  const mapped = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain)
  const text = mapped ? `${mapped[1]}${hex(mapped[2]!, mapped[3]!)}:${hex(mapped[4]!, mapped[5]!)}` : plain
  const [front = '', back] = text.split('::')
  const groups = (part: string | undefined) => (part ? part.split(':') : [])
  const missing = 8 - groups(front).length - groups(back).length
  const all = [...groups(front), ...Array.from({ length: missing }, () => '0'), ...groups(back)]
  const octets = Buffer.alloc(16)
  for (const [index, group] of all.entries()) octets.writeUInt16BE(Number.parseInt(group, 16), 2 * index)
  return octets
}

function hex(high: string, low: string): string {
  return ((Number(high) << 8) | Number(low)).toString(16)
}
