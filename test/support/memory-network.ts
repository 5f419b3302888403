import { canonicalAddress, endOf, isIpv6, isWildcard } from '../../gateway/transport/addresses.ts'
import { octetsOf } from '../../gateway/transport/octets.ts'
import type {
  Address,
  Network,
  Stream,
  StreamEvents,
  StreamServer,
  TransportFailure,
  UdpEvents,
  UdpSocket,
} from '../../gateway/transport/types.ts'

/** Says whether a datagram is lost. */
export type DropDatagram = (from: Address, to: Address, octets: Uint8Array) => boolean

type Accept = (stream: MemoryStream) => StreamEvents

const FIRST_EPHEMERAL_PORT = 49_152

/**
 * Any number of hosts in one process: an address exists as soon as something is bound to it. Everything is delivered as a
 * microtask, in order, so no time passes and a test's clock alone decides what happens when.
 */
export class MemoryNetwork implements Network {
  readonly #sockets = new Map<string, MemoryUdpSocket>()
  readonly #servers = new Map<string, Accept>()
  readonly #silent = new Set<string>()
  readonly #refusing = new Set<string>()
  readonly #balanced = new Map<string, () => string>()
  #drop: DropDatagram = () => false
  #nextPort = FIRST_EPHEMERAL_PORT

  async udp(local: Address, events: UdpEvents): Promise<UdpSocket> {
    const own = { address: canonicalAddress(local.address), port: local.port || this.#nextPort++ }
    const key = endOf(own.address, own.port)
    if (this.#sockets.has(key)) throw new Error(`bind EADDRINUSE ${own.address}:${own.port}`)
    const send: SendDatagram = (to, octets, failed) => this.#sendDatagram(own, to, octets, failed)
    const socket = new MemoryUdpSocket(own, events, send, () => this.#sockets.delete(key))
    this.#sockets.set(key, socket)
    return socket
  }

  async listen(local: Address, accept: Accept): Promise<StreamServer> {
    const own = { address: canonicalAddress(local.address), port: local.port || this.#nextPort++ }
    const key = endOf(own.address, own.port)
    if (this.#servers.has(key)) throw new Error(`listen EADDRINUSE ${own.address}:${own.port}`)
    this.#servers.set(key, accept)
    return { local: own, close: () => void this.#servers.delete(key) }
  }

  connect(remote: Address, localAddress: string, events: StreamEvents): MemoryStream {
    const own = { address: localAddress || loopbackOf(remote.address), port: this.#nextPort++ }
    const near = new MemoryStream(own, remote)
    near.events = events
    queueMicrotask(() => this.#complete(near))
    return near
  }

  /** A black hole: datagrams and connection attempts to it get no answer at all. */
  silent(address: string, port: number): void {
    this.#silent.add(endOf(address, port))
  }

  /** A host that is up and refuses: ICMP to datagrams, RST to connections, whatever is bound there. */
  refuses(address: string, port: number): void {
    this.#refusing.add(endOf(address, port))
  }

  /** An address that several hosts have: what is sent there goes to whichever `choose` names. */
  balances(address: string, choose: () => string): void {
    this.#balanced.set(address, choose)
  }

  /** Undoes `silent` and `refuses`. */
  restore(address: string, port: number): void {
    this.#silent.delete(endOf(address, port))
    this.#refusing.delete(endOf(address, port))
  }

  /** Sees every datagram before it is delivered; true loses it. The last predicate given counts. */
  onDatagram(drop: DropDatagram): void {
    this.#drop = drop
  }

  #sendDatagram(from: Address, to: Address, octets: Uint8Array, failed?: (failure: TransportFailure) => void): void {
    const source = isWildcard(from.address) ? { address: loopbackOf(to.address), port: from.port } : from
    const copy = Buffer.from(octets)
    if (this.#drop(source, to, copy)) return
    queueMicrotask(() => {
      if (this.#silent.has(endOf(to.address, to.port))) return
      const receiver = this.#refusing.has(endOf(to.address, to.port)) ? undefined : this.#bound(this.#sockets, to)
      if (receiver) receiver.events.receive(copy, source.address, source.port)
      else failed?.('refused')
    })
  }

  #complete(near: MemoryStream): void {
    if (near.isClosed || this.#silent.has(endOf(near.remote.address, near.remote.port))) return
    const refused = this.#refusing.has(endOf(near.remote.address, near.remote.port))
    const accept = refused ? undefined : this.#bound(this.#servers, near.remote)
    if (!accept) return near.close('refused')
    const far = new MemoryStream(near.remote, near.local)
    far.events = accept(far)
    near.join(far)
    near.events.opened()
  }

  #bound<Bound>(table: Map<string, Bound>, { address: to, port }: Address): Bound | undefined {
    const address = this.#balanced.get(to)?.() ?? to
    return table.get(endOf(address, port)) ?? table.get(endOf(isIpv6(address) ? '::' : '0.0.0.0', port))
  }
}

type SendDatagram = (to: Address, octets: Uint8Array, failed?: (failure: TransportFailure) => void) => void

class MemoryUdpSocket implements UdpSocket {
  readonly local: Address
  readonly events: UdpEvents
  readonly #send: SendDatagram
  readonly #unbind: () => void

  constructor(local: Address, events: UdpEvents, send: SendDatagram, unbind: () => void) {
    this.local = local
    this.events = events
    this.#send = send
    this.#unbind = unbind
  }

  send(
    message: string | Uint8Array,
    address: string,
    port: number,
    failed?: (failure: TransportFailure) => void,
  ): void {
    const octets = typeof message === 'string' ? octetsOf(message) : message
    this.#send({ address: canonicalAddress(address), port }, octets, failed)
  }

  close(): void {
    this.#unbind()
  }
}

/** One end of a connection. */
export class MemoryStream implements Stream {
  readonly local: Address
  readonly remote: Address
  events!: StreamEvents
  #peer: MemoryStream | undefined
  #queue: Buffer[] = []
  #queued = 0
  #paused = false
  #ended = false
  #closed = false
  #flushing = false

  constructor(local: Address, remote: Address) {
    this.local = local
    this.remote = remote
  }

  get queued(): number {
    return this.#queued
  }

  get isClosed(): boolean {
    return this.#closed
  }

  write(octets: Uint8Array): void {
    if (this.#ended || this.#closed) return
    this.#queue.push(Buffer.from(octets))
    this.#queued += octets.length
    this.#flushSoon()
  }

  end(): void {
    this.#ended = true
    this.#flushSoon()
  }

  destroy(): void {
    const peer = this.#peer
    this.close()
    peer?.close()
  }

  /** This end stops reading: what its peer writes stays queued there. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    const peer = this.#peer
    if (peer) peer.#flushSoon()
  }

  /** The connection is reset: both ends see it fail. */
  cut(): void {
    const peer = this.#peer
    this.close('closed')
    peer?.close('closed')
  }

  /** Ends this side with its last event; what is queued is lost. */
  close(failure?: TransportFailure): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue = []
    this.#queued = 0
    queueMicrotask(() => this.events.closed(failure))
  }

  join(peer: MemoryStream): void {
    this.#peer = peer
    peer.#peer = this
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#flushing || !this.#peer) return
    this.#flushing = true
    queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    const peer = this.#peer
    while (peer && !peer.#paused && !peer.#closed && this.#queue.length > 0) {
      const octets = this.#queue.shift()!
      this.#queued -= octets.length
      peer.events.receive(octets)
    }
    if (this.#ended && this.#queue.length === 0) this.destroy()
  }
}

function loopbackOf(address: string): string {
  return isIpv6(address) ? '::1' : '127.0.0.1'
}
