import type { Latin1Buffer } from '../sip/latin1-buffer.ts'
import type { Address, TransportName } from '../transport/types.ts'
import { octetsOfIp } from './ip-octets.ts'

/**
 * HEP version 3: one packet is `HEP3`, its length, and chunks of vendor, type, length and value, all in network order.
 * The order of the chunks is free by the specification, and that of the capture agents here: sngrep takes them by their place, with the key
 * and then the payload right after the addresses, so what it does not know comes last.
 * @see HEP3 Network Protocol Specification, rev. 36
 */

/** The values of chunk 0x000b that we send. */
export const PROTOCOL = { sip: 1, log: 100 } as const

/** What one packet says. */
export interface Capture {
  protocol: keyof typeof PROTOCOL
  transport: TransportName
  source: Address
  destination: Address
  /** Microseconds since the epoch. */
  at: number
  /** What the collector puts packets together by; latin1, '' for none. */
  correlationId: string
  /** Latin1: one character per octet. */
  payload: string
}

/** What is the same in all packets of one agent. */
export interface Agent {
  /** Chunk 0x000c, 32 bits. */
  id: number
  /** Chunk 0x000e; absent: none. */
  authKey: string | undefined
  /** Chunk 0x0013. */
  node: string
  /** Octets of one packet; a payload that does not fit is cut off. At most 65,535. */
  maxBytes: number
}

const CHUNK = 6
const MAX_CORRELATION_ID = 512

const FAMILY = { 4: 2, 16: 10 } as const
/** What is encrypted is shown as it is inside. */
const IP_PROTOCOL: Record<TransportName, number> = { udp: 17, tcp: 6, tls: 6, ws: 6, wss: 6 }

/** Where values stand that change from packet to packet; the chunks before the addresses have a fixed length. */
const AT = { length: 4, family: 12, ipProtocol: 19, ports: 26, seconds: 42, micros: 52, protocol: 62, addresses: 79 }

const NOWHERE = { 4: Buffer.alloc(4), 16: Buffer.alloc(16) }

export class PacketEncoder {
  readonly #maxBytes: number
  /** Up to the payload, by the octets of an address. */
  readonly #heads: { 4: Buffer; 16: Buffer }
  readonly #node: Buffer
  readonly #onCut: () => void

  /** @param onCut told of each payload that does not fit */
  constructor(agent: Agent, onCut: () => void) {
    this.#onCut = onCut
    this.#maxBytes = agent.maxBytes
    this.#heads = { 4: headOf(agent, 4), 16: headOf(agent, 16) }
    this.#node = chunk(0x13, Buffer.from(agent.node, 'latin1'))
  }

  /** @returns memory of its own */
  encode({ protocol, transport, source, destination, at, correlationId, payload }: Capture): Buffer {
    const from = octetsOfIp(source.address)
    const to = octetsOfIp(destination.address)
    const size = (from ?? to)?.length === 16 ? 16 : 4
    const head = this.#heads[size]
    const idLength = Math.min(correlationId.length, MAX_CORRELATION_ID)
    const around = head.length + CHUNK + (idLength > 0 ? CHUNK + idLength : 0) + this.#node.length
    const payloadLength = Math.min(payload.length, this.#maxBytes - around)
    if (payloadLength < payload.length) this.#onCut()

    const packet = Buffer.allocUnsafe(around + payloadLength)
    head.copy(packet)
    packet.writeUInt16BE(packet.length, AT.length)
    packet[AT.ipProtocol] = IP_PROTOCOL[transport]
    packet.writeUInt16BE(source.port, AT.ports)
    packet.writeUInt16BE(destination.port, AT.ports + 8)
    const seconds = Math.floor(at / 1_000_000)
    packet.writeUInt32BE(seconds, AT.seconds)
    packet.writeUInt32BE(at - seconds * 1_000_000, AT.micros)
    packet[AT.protocol] = PROTOCOL[protocol]
    addressOf(from, size).copy(packet, AT.addresses)
    addressOf(to, size).copy(packet, AT.addresses + size + CHUNK)
    let end = writeText(packet, head.length, 0x0f, payload, payloadLength)
    if (idLength > 0) end = writeText(packet, end, 0x11, correlationId, idLength)
    this.#node.copy(packet, end)
    return packet
  }
}

/** The other end's family decides when one is unknown; an address of another family cannot be said. */
function addressOf(octets: Buffer | undefined, size: 4 | 16): Buffer {
  return octets?.length === size ? octets : NOWHERE[size]
}

function headOf({ id, authKey }: Agent, size: 4 | 16): Buffer {
  const agentId = Buffer.alloc(4)
  agentId.writeUInt32BE(id)
  const [source, destination] = size === 4 ? [0x03, 0x04] : [0x05, 0x06]
  return Buffer.concat([
    Buffer.from('HEP3\0\0', 'latin1'),
    chunk(0x01, Buffer.from([FAMILY[size]])),
    chunk(0x02, Buffer.alloc(1)),
    chunk(0x07, Buffer.alloc(2)),
    chunk(0x08, Buffer.alloc(2)),
    chunk(0x09, Buffer.alloc(4)),
    chunk(0x0a, Buffer.alloc(4)),
    chunk(0x0b, Buffer.alloc(1)),
    chunk(0x0c, agentId),
    chunk(source!, Buffer.alloc(size)),
    chunk(destination!, Buffer.alloc(size)),
    ...(authKey === undefined ? [] : [chunk(0x0e, Buffer.from(authKey, 'latin1'))]),
  ])
}

/** Of vendor 0: the types that all know. */
function chunk(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(CHUNK)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(CHUNK + value.length, 4)
  return Buffer.concat([head, value])
}

/** @returns where it ends */
function writeText(packet: Buffer, at: number, type: number, text: string, length: number): number {
  packet.writeUInt32BE(type, at)
  packet.writeUInt16BE(CHUNK + length, at + 4)
  const whole = text.length === length ? text : text.slice(0, length)
  ;(packet as unknown as Latin1Buffer).latin1Write(whole, at + CHUNK)
  return at + CHUNK + length
}
