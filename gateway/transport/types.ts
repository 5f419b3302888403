/** The transports of this gateway. Nobody is connected to over `ws` and `wss`: who is there has connected by itself (RFC 7118). */
export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'
export type StreamTransportName = Exclude<TransportName, 'udp'>

export interface Address {
  /** IP literal, IPv6 without brackets. */
  address: string
  port: number
}

/** One socket the gateway listens on. */
export interface Listener extends Address {
  transport: TransportName
  /** Host (IPv6 in brackets, or a name) put into Via, Record-Route and Path. */
  advertisedHost: string
  advertisedPort: number
  /** Of several gateways: which one this is, written into Via and Record-Route beside the address that they may share. */
  gateway?: string
}

/**
 * Where a message came from, and so where an answer to it goes: the 5-tuple of RFC 5626's flow.
 * For all but UDP `connection` names the connection while it lives.
 */
export interface Flow {
  transport: TransportName
  remoteAddress: string
  remotePort: number
  listener: Listener
  /** Identifies the connection of a stream; 0 for UDP. */
  connection: number
  /** A request that another gateway was sent: its source is what that gateway says, and it looks for no further owner. */
  isHandedOver?: true
}

/** Where to send: a flow that exists, or an address to reach from the listener of that transport and family. */
export type Destination =
  | Flow
  | {
      transport: TransportName
      remoteAddress: string
      remotePort: number
      listener?: Listener
      connection?: undefined
      /** Over TLS: what the peer's certificate has to name (RFC 5922 7.2), a domain or an IP literal; default the address. */
      serverName?: string | undefined
    }

export type TransportFailure = 'refused' | 'unreachable' | 'closed' | 'queue full' | 'too large' | 'no listener'

/**
 * Called at most once and never while `send` runs, when a message did not go out (refused, no route, closed flow, full queue) or
 * went over a connection that was reset before its peer was heard again. Never called on success.
 */
export type OnTransportFailure = (failure: TransportFailure) => void

/** Receives each framed message as latin1 text: one character per octet. */
export type ReceiveMessage = (text: string, flow: Flow) => void

/** What a stream could not frame: `text` is the header block that was read, to be answered with `status` before the close. */
export type ReceiveBroken = (text: string, flow: Flow, status: 400 | 513, reason: string) => void

export interface TransportLayer {
  start(receive: ReceiveMessage, broken: ReceiveBroken): Promise<void>
  /**
   * Sends latin1 text. A `Flow` with a live connection uses that connection; a `Flow` whose connection is gone fails as
   * `closed` (the caller decides whether to fall back on an address).
   */
  send(text: string, destination: Destination, failed?: OnTransportFailure): void
  /** Whether a stream flow still has its connection; true for UDP. */
  isAlive(flow: Flow): boolean
  /** The listener from which `destination` would be sent, `undefined` when there is none of that transport and family. */
  listenerFor(destination: Destination): Listener | undefined
  readonly listeners: readonly Listener[]
  stop(): Promise<void>
}

/** The operating system's sockets, or a test's in-memory network. Buffers given to `receive` are only valid during the call. */
export interface Network {
  udp(local: Address, events: UdpEvents): Promise<UdpSocket>
  /**
   * Streams are accepted once they carry messages. Over `ws` and `wss` each write is one message, and so is each chunk that is received.
   * @param transport default `tcp`
   */
  listen(
    local: Address,
    accept: (stream: Stream) => StreamEvents,
    transport?: StreamTransportName,
  ): Promise<StreamServer>
  /**
   * Returns at once; `opened` or `closed` follows. Writes before `opened` are queued by the stream.
   * @param serverName over TLS, see Destination; absent: without TLS
   */
  connect(remote: Address, localAddress: string, events: StreamEvents, serverName?: string): Stream
}
export interface UdpEvents {
  /** Must not throw: other datagrams may wait behind this one. */
  receive(octets: Uint8Array, remoteAddress: string, remotePort: number): void
}
export interface UdpSocket {
  readonly local: Address
  /** Octets, which must not change any more, or the latin1 text of them. */
  send(
    message: string | Uint8Array,
    remoteAddress: string,
    remotePort: number,
    failed?: (failure: TransportFailure) => void,
  ): void
  close(): void
}
export interface StreamServer {
  readonly local: Address
  close(): void
}
export interface StreamEvents {
  opened(): void
  receive(octets: Uint8Array): void
  /** The last event of a stream. */
  closed(failure?: TransportFailure): void
}
export interface Stream {
  readonly remote: Address
  /** Of a connection that is still being opened the address only, if that; port 0. */
  readonly local: Address
  /** Octets accepted but not yet taken by the peer. */
  readonly queued: number
  write(octets: Uint8Array): void
  /** Sends what is queued, then closes. */
  end(): void
  destroy(): void
}
