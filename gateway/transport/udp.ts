import { fail } from './failure.ts'
import { textOf } from './octets.ts'
import type { CountTransport } from './options.ts'
import { datagramEnds, type Tap } from './tap.ts'
import type { Flow, Listener, Network, OnTransportFailure, ReceiveMessage, UdpSocket } from './types.ts'

/** 65,535 less the IPv4 and UDP headers: no datagram carries more (RFC 3261 18.1.1). */
export const MAX_DATAGRAM_BYTES = 65_507

/** The UDP listeners: one socket each, which both receives and sends. */
export class UdpTransport {
  readonly #network: Network
  readonly #count: CountTransport
  readonly #tap: Tap | undefined
  readonly #sockets = new Map<Listener, UdpSocket>()

  constructor(network: Network, count: CountTransport, tap?: Tap) {
    this.#network = network
    this.#count = count
    this.#tap = tap
  }

  /** Opens the listener's socket; resolves to the port it got. */
  async open(listener: Listener, receive: ReceiveMessage): Promise<number> {
    const flows = new RecentFlows(listener)
    const socket = await this.#network.udp(listener, {
      receive: (octets, remoteAddress, remotePort) => {
        const text = textOf(octets)
        if (isKeepAlive(text)) return this.#count('keep-alive')
        this.#count('udp.received')
        this.#tap?.received(text, datagramEnds(listener, remoteAddress, remotePort))
        receive(text, flows.from(remoteAddress, remotePort))
      },
    })
    this.#sockets.set(listener, socket)
    return socket.local.port
  }

  send(text: string, listener: Listener, address: string, port: number, failed?: OnTransportFailure): void {
    const socket = this.#sockets.get(listener)
    if (!socket) return fail(failed, 'no listener')
    if (text.length > MAX_DATAGRAM_BYTES) return fail(failed, 'too large')
    this.#count('udp.sent')
    this.#tap?.sent(text, datagramEnds(listener, address, port))
    socket.send(text, address, port, failed)
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }
}

/** Peers that have one flow for all their datagrams, a power of two. */
const RECENT = 4096

/** The same flow for the datagrams of one peer, as long as no other one takes its place: much that is kept holds a flow. */
class RecentFlows {
  readonly #listener: Listener
  readonly #flows: (Flow | undefined)[] = new Array(RECENT)

  constructor(listener: Listener) {
    this.#listener = listener
  }

  from(remoteAddress: string, remotePort: number): Flow {
    const place = placeOf(remoteAddress, remotePort)
    const known = this.#flows[place]
    if (known?.remotePort === remotePort && known.remoteAddress === remoteAddress) return known
    const flow: Flow = { transport: 'udp', remoteAddress, remotePort, listener: this.#listener, connection: 0 }
    this.#flows[place] = flow
    return flow
  }
}

function placeOf(address: string, port: number): number {
  let hash = port
  for (let index = 0; index < address.length; index++) hash = Math.imul(hash ^ address.charCodeAt(index), 0x01000193)
  return (hash ^ (hash >>> 12)) & (RECENT - 1)
}

/** Nothing but line ends, as phones send to keep a NAT binding open: no answer over UDP (RFC 5626 3.5). */
function isKeepAlive(text: string): boolean {
  return text.length <= 4 && (text === '\r\n\r\n' || text === '\r\n' || text === '\0' || text === '')
}
