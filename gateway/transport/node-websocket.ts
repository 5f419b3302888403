import { isUtf8 } from 'node:buffer'
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { HANDSHAKE_MS, listening, MAX_SOCKETS } from './node-stream.ts'
import type { Address, Stream, StreamEvents, StreamServer } from './types.ts'

export interface WebSocketOptions {
  clock: Clock
  /** Octets of one message. */
  maxMessageBytes: number
  /** Web pages of these origins alone may connect, `https://phone.example.com`; undefined: of any. Programs that are no browsers have none. */
  origins: readonly string[] | undefined
}

/** So that no proxy on the way takes the connection for idle, and a peer that is gone is found out. Milliseconds. */
const PING_MS = 30_000
const SUBPROTOCOL = 'sip'

/** The WebSocket listeners of one process (RFC 7118). Only clients open connections: there is no way to a browser but its own. */
export class WebSocketStreams {
  readonly #options: WebSocketOptions
  readonly #servers = new Set<Server | SecureServer>()
  readonly #sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  })
  /** Those that have not answered the last ping yet. */
  readonly #unheard = new Set<WebSocket>()
  readonly #failed: () => void
  #timer: Timer | undefined

  /** @param failed called for each TLS handshake that did not come about */
  constructor(options: WebSocketOptions, failed: () => void) {
    this.#options = options
    this.#failed = failed
    this.#sockets.options.maxPayload = options.maxMessageBytes
  }

  /**
   * @param secure certificate and key, over TLS
   * Rejects with the system's error when it cannot listen.
   */
  async listen(
    local: Address,
    accept: (stream: Stream) => StreamEvents,
    secure: SecureContextOptions | undefined,
  ): Promise<StreamServer> {
    const server = secure ? createSecureServer({ ...secure, handshakeTimeout: HANDSHAKE_MS }) : createServer()
    server.maxConnections = MAX_SOCKETS
    server.headersTimeout = HANDSHAKE_MS
    server.on('tlsClientError', () => this.#failed())
    server.on('request', (_request, response) => {
      response.writeHead(426, { 'connection': 'close', 'upgrade': 'websocket', 'content-type': 'text/plain' })
      response.end('SIP over WebSocket (RFC 7118): subprotocol sip\n')
    })
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head, accept))
    await listening(server, local)
    server.on('error', () => {})
    this.#servers.add(server)
    this.#timer ??= this.#options.clock.after(PING_MS, this.#ping)
    const { address, port } = server.address() as { address: string; port: number }
    return { local: { address, port }, close: () => this.#close(server) }
  }

  /** New connections of the secure listeners get this certificate. */
  renew(secure: SecureContextOptions): void {
    for (const server of this.#servers) if ('setSecureContext' in server) server.setSecureContext(secure)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, accept: (stream: Stream) => StreamEvents): void {
    socket.on('error', () => {})
    const status = this.#refusal(request)
    const { remoteAddress: address, remotePort: port, localAddress = '', localPort = 0 } = request.socket
    if (status !== undefined) {
      return void socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      )
    }
    // A peer that went away before it was accepted has no address.
    if (address === undefined || port === undefined) return void socket.destroy()
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const local = { address: localAddress, port: localPort }
      const stream = new WebSocketStream(webSocket, { address, port }, local)
      stream.attach(accept(stream))
    })
  }

  /** The subprotocol has to be offered (RFC 7118 4.1), and a web page to be one that may. */
  #refusal({ headers }: IncomingMessage): 400 | 403 | undefined {
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim().toLowerCase())
    if (!offered.includes(SUBPROTOCOL)) return 400
    const { origins } = this.#options
    return origins && headers.origin !== undefined && !origins.includes(headers.origin.toLowerCase()) ? 403 : undefined
  }

  readonly #ping = (): void => {
    this.#timer = this.#options.clock.after(PING_MS, this.#ping)
    for (const socket of this.#unheard) socket.terminate()
    this.#unheard.clear()
    for (const socket of this.#sockets.clients) {
      this.#unheard.add(socket)
      socket.once('pong', () => this.#unheard.delete(socket))
      socket.ping()
    }
  }

  #close(server: Server | SecureServer): void {
    this.#servers.delete(server)
    server.close()
    if (this.#servers.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

class WebSocketStream implements Stream {
  readonly remote: Address
  readonly local: Address
  readonly #socket: WebSocket

  constructor(socket: WebSocket, remote: Address, local: Address) {
    this.#socket = socket
    this.remote = remote
    this.local = local
    // What a peer does wrong closes the connection, which is told.
    socket.on('error', () => {})
  }

  attach(events: StreamEvents): void {
    this.#socket.on('message', (message: Buffer) => events.receive(message))
    this.#socket.once('close', () => events.closed('closed'))
  }

  get queued(): number {
    return this.#socket.bufferedAmount
  }

  /** A text message is UTF-8 or ends the connection (RFC 6455 8.1): what is not goes as octets. */
  write(octets: Uint8Array): void {
    this.#socket.send(octets, { binary: !isUtf8(octets) })
  }

  end(): void {
    this.#socket.close(1000)
  }

  destroy(): void {
    this.#socket.terminate()
  }
}
