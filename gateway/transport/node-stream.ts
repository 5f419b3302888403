import { createServer, connect as openSocket, type Server, type Socket } from 'node:net'
import { isIpv6 } from './addresses.ts'
import { failureOf } from './node-udp.ts'
import type { Address, Stream, StreamEvents, StreamServer, TransportFailure } from './types.ts'

/** Half-open streams are not kept: what is queued is flushed when the peer ends its side, then both sides are closed. */
export const STREAM_OPTIONS = { noDelay: true, allowHalfOpen: false } as const

/** Milliseconds a peer may take for what comes before the first message: a TLS or WebSocket handshake. */
export const HANDSHAKE_MS = 5000
/** Sockets of one listener that shakes hands, those that have not yet too; the others are kept by the table of connections. */
export const MAX_SOCKETS = 25_000

/** Connections the system completes before we take them. */
const BACKLOG = 1024

/** Listens for TCP connections; rejects with the system's error when it cannot. */
export async function listenTcp(local: Address, accept: (stream: Stream) => StreamEvents): Promise<StreamServer> {
  const server = createServer(STREAM_OPTIONS, (socket) => acceptSocket(socket, accept))
  await listening(server, local)
  server.on('error', () => {})
  const bound = server.address() as { address: string; port: number }
  return { local: { address: bound.address, port: bound.port }, close: () => void server.close() }
}

export function acceptSocket(socket: Socket, accept: (stream: Stream) => StreamEvents): void {
  // A peer that went away before it was accepted has no address.
  if (socket.remoteAddress === undefined) return void socket.destroy()
  const stream = new SocketStream(socket, { address: socket.remoteAddress, port: socket.remotePort ?? 0 })
  stream.attach(accept(stream))
}

/** Opens a TCP connection; `localAddress` may be '' for any. */
export function connectTcp(remote: Address, localAddress: string, events: StreamEvents): Stream {
  const { address: host, port } = remote
  const socket = openSocket({
    ...STREAM_OPTIONS,
    host,
    port,
    localAddress: localAddress || undefined,
    lookup: (_name, _options, done) => done(new Error(`${host} is not an IP address`), '', isIpv6(host) ? 6 : 4),
  })
  const stream = new SocketStream(socket, remote)
  socket.once('connect', () => events.opened())
  stream.attach(events)
  return stream
}

export class SocketStream implements Stream {
  readonly remote: Address
  readonly #socket: Socket
  #failure: TransportFailure | undefined

  constructor(socket: Socket, remote: Address) {
    this.remote = remote
    this.#socket = socket
    socket.on('error', (error) => {
      this.#failure = failureOf(error)
    })
  }

  attach(events: StreamEvents): void {
    this.#socket.on('data', (octets: Buffer) => events.receive(octets))
    this.#socket.once('close', () => events.closed(this.#failure))
  }

  get local(): Address {
    const { localAddress = '', localPort = 0 } = this.#socket
    return { address: localAddress, port: localPort }
  }

  get queued(): number {
    return this.#socket.writableLength
  }

  write(octets: Uint8Array): void {
    if (this.#socket.writableCorked === 0) corkForThisTurn(this.#socket)
    this.#socket.write(octets)
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** Sockets written to in this turn of the event loop: all that is written to one goes out as one segment. */
let corked: Socket[] = []

function corkForThisTurn(socket: Socket): void {
  socket.cork()
  if (corked.push(socket) === 1) setImmediate(uncork)
}

function uncork(): void {
  const sockets = corked
  corked = []
  for (const socket of sockets) socket.uncork()
}

export function listening(server: Server, { address, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const options = { host: address, port, exclusive: true, ipv6Only: isIpv6(address), backlog: BACKLOG }
    server.listen(options, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
