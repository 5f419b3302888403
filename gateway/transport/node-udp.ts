import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIpv6 } from './addresses.ts'
import { SendBuffer } from './send-buffer.ts'
import type { TurnMember, Turns } from './turns.ts'
import type { Address, TransportFailure, UdpEvents, UdpSocket } from './types.ts'

/** Asked for so that a stall of some 100 ms loses nothing at thousands of messages a second; the system may grant less. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024

/** Longer messages, which are rare, get memory of their own. */
const SEND_BUFFER_BYTES = 16 * 1024

/**
 * Milliseconds for which an address that has just taken a datagram is trusted to take others: to be told what became of each costs more than
 * the transactions' timers lose by it.
 */
const TRUST_MS = 1000
const MOST_TRUSTED = 1024

export interface NodeUdpSocket extends UdpSocket {
  /** Octets of receive buffer the system granted. */
  readonly receiveBufferBytes: number
}

/** Binds one UDP socket; rejects with the system's error when it cannot. */
export async function openUdp(local: Address, events: UdpEvents, turns: Turns): Promise<NodeUdpSocket> {
  const type = isIpv6(local.address) ? 'udp6' : 'udp4'
  const socket = createSocket({ type, ipv6Only: type === 'udp6', lookup: alreadyResolved })
  await bound(socket, local)
  // What a send could not do is told to its sender; an error of the socket itself ends nothing.
  socket.on('error', () => {})
  return new DatagramSocket(socket, events, turns)
}

interface Arrival {
  octets: Buffer
  from: RemoteInfo
}

interface Departure {
  message: string | Uint8Array
  address: string
  port: number
  failed: ((failure: TransportFailure) => void) | undefined
}

class DatagramSocket implements NodeUdpSocket, TurnMember {
  readonly local: Address
  readonly receiveBufferBytes: number
  readonly #socket: Socket
  readonly #events: UdpEvents
  readonly #turns: Turns
  readonly #buffer = new SendBuffer(SEND_BUFFER_BYTES)
  /** Until when each address is trusted. */
  readonly #trusted = new Map<string, number>()
  #arrivals: Arrival[] = []
  #departures: Departure[] = []
  #closed = false

  constructor(socket: Socket, events: UdpEvents, turns: Turns) {
    const { address, port } = socket.address()
    this.local = { address, port }
    this.receiveBufferBytes = enlarge(socket)
    this.#socket = socket
    this.#events = events
    this.#turns = turns
    socket.on('message', (octets, from) => {
      if (this.#arrivals.push({ octets, from }) === 1) turns.deliverSoon(this)
    })
  }

  send(
    message: string | Uint8Array,
    address: string,
    port: number,
    failed?: (failure: TransportFailure) => void,
  ): void {
    if (!this.#closed) {
      if (this.#departures.push({ message, address, port, failed }) === 1) this.#turns.flushSoon(this)
    } else if (failed) queueMicrotask(() => failed('closed'))
  }

  close(): void {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    this.#socket.close()
  }

  deliver(): number {
    const arrivals = this.#arrivals
    this.#arrivals = []
    for (const { octets, from } of arrivals) {
      if (this.#closed) break
      this.#events.receive(octets, from.address, from.port)
    }
    return arrivals.length
  }

  flush(): void {
    const departures = this.#departures
    this.#departures = []
    const now = this.#turns.now()
    for (const departure of departures) this.#sendNow(departure, now)
  }

  #sendNow({ message, address, port, failed }: Departure, now: number): void {
    const octets = typeof message === 'string' ? this.#buffer.octetsOf(message) : message
    if (failed === undefined || (this.#trusted.get(address) ?? 0) > now) this.#socket.send(octets, port, address)
    else
      this.#socket.send(octets, port, address, (error) => {
        this.#trust(address, error === null ? now + TRUST_MS : 0)
        if (error) failed(failureOf(error))
      })
    // Mostly the system has copied the octets by now. What it could not take yet waits in them.
    if (this.#socket.getSendQueueCount() > 0) this.#buffer.leave()
  }

  #trust(address: string, until: number): void {
    if (this.#trusted.size >= MOST_TRUSTED) this.#trusted.clear()
    this.#trusted.set(address, until)
  }
}

/** Addresses are literals by now: Node's own look-up would cost a turn of the event loop and a tenth of the send. */
function alreadyResolved(
  address: string,
  _options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
): void {
  done(null, address, isIpv6(address) ? 6 : 4)
}

function bound(socket: Socket, { address, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', reject)
      resolve()
    })
  })
}

function enlarge(socket: Socket): number {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
  } catch {
    // Less is granted; the figure below says how much.
  }
  return socket.getRecvBufferSize()
}

/** The system's error in our words. */
export function failureOf(error: Error & { code?: string }): TransportFailure {
  if (error.code === 'EMSGSIZE') return 'too large'
  if (error.code === 'ECONNREFUSED') return 'refused'
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') return 'closed'
  return error.code === 'ERR_STREAM_WRITE_AFTER_END' ? 'closed' : 'unreachable'
}
