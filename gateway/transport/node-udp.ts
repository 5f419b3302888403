import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIpv6 } from './addresses.ts'
import { SendBuffer } from './send-buffer.ts'
import type { Address, TransportFailure, UdpEvents, UdpSocket } from './types.ts'

/** Asked for so that a stall of some 100 ms loses nothing at thousands of messages a second; the system may grant less. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024

/** Longer messages, which are rare, get memory of their own. */
const SEND_BUFFER_BYTES = 16 * 1024

export interface NodeUdpSocket extends UdpSocket {
  /** Octets of receive buffer the system granted. */
  readonly receiveBufferBytes: number
}

/** Binds one UDP socket; rejects with the system's error when it cannot. */
export async function openUdp(local: Address, events: UdpEvents): Promise<NodeUdpSocket> {
  const type = isIpv6(local.address) ? 'udp6' : 'udp4'
  const socket = createSocket({ type, ipv6Only: type === 'udp6', lookup: alreadyResolved })
  await bound(socket, local)
  // What a send could not do is told to its sender; an error of the socket itself ends nothing.
  socket.on('error', () => {})
  return new DatagramSocket(socket, events)
}

interface Datagram {
  message: string | Uint8Array
  address: string
  port: number
  failed: ((failure: TransportFailure) => void) | undefined
}

/**
 * Takes the datagrams of one turn of the event loop together, then sends together what they have caused: a system call between two
 * messages would put the system's code into the processor's caches in place of ours, and each message would start cold. That is a fifth
 * of what a call costs, and costs no time: both still happen within the turn.
 */
class DatagramSocket implements NodeUdpSocket {
  readonly local: Address
  readonly receiveBufferBytes: number
  readonly #socket: Socket
  readonly #events: UdpEvents
  readonly #buffer = new SendBuffer(SEND_BUFFER_BYTES)
  #arrived: { octets: Buffer; from: RemoteInfo }[] = []
  #leaving: Datagram[] = []
  #isFlushDue = false
  #closed = false

  constructor(socket: Socket, events: UdpEvents) {
    const { address, port } = socket.address()
    this.local = { address, port }
    this.receiveBufferBytes = enlarge(socket)
    this.#socket = socket
    this.#events = events
    socket.on('message', (octets, from) => {
      if (this.#arrived.length === 0) this.#deliverSoon()
      this.#arrived.push({ octets, from })
    })
  }

  send(
    message: string | Uint8Array,
    address: string,
    port: number,
    failed?: (failure: TransportFailure) => void,
  ): void {
    if (this.#closed) {
      if (failed) queueMicrotask(() => failed('closed'))
      return
    }
    this.#leaving.push({ message, address, port, failed })
    this.#flushSoon()
  }

  close(): void {
    if (this.#closed) return
    this.#flush()
    this.#closed = true
    this.#socket.close()
  }

  /** Both run in this turn, the second when whatever the first has begun without waiting for anything outside is through. */
  #deliverSoon(): void {
    setImmediate(() => this.#deliver())
    this.#flushSoon()
  }

  #deliver(): void {
    const arrived = this.#arrived
    this.#arrived = []
    for (const { octets, from } of arrived) {
      if (this.#closed) return
      this.#events.receive(octets, from.address, from.port)
    }
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushDue = false
    if (this.#closed) return
    const leaving = this.#leaving
    this.#leaving = []
    for (const datagram of leaving) this.#sendNow(datagram)
  }

  #sendNow({ message, address, port, failed }: Datagram): void {
    const octets = typeof message === 'string' ? this.#buffer.octetsOf(message) : message
    if (failed) this.#socket.send(octets, port, address, (error) => error && failed(failureOf(error)))
    else this.#socket.send(octets, port, address)
    // Mostly the system has copied the octets by now. What it could not take yet waits in them.
    if (this.#socket.getSendQueueCount() > 0) this.#buffer.leave()
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
