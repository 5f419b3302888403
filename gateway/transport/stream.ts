import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { canonicalAddress, endOf, isWebSocket, isWildcard } from './addresses.ts'
import { Connection, type ConnectionOwner } from './connection.ts'
import { fail } from './failure.ts'
import type { CountTransport, TransportOptions } from './options.ts'
import type { Tap } from './tap.ts'
import type {
  Flow,
  Listener,
  Network,
  OnTransportFailure,
  ReceiveBroken,
  ReceiveMessage,
  Stream,
  StreamEvents,
  StreamServer,
  StreamTransportName,
} from './types.ts'

/** Connections are put in order of use again at most once in so many milliseconds. */
const ORDER_MS = 1000

const silent = (): void => {}

/** An address to reach, see Destination. */
interface To {
  remoteAddress: string
  remotePort: number
  serverName?: string | undefined
}

/** The listeners of all but UDP and every connection, accepted or opened: an accepted one is used to reach its own remote address and port. */
export class StreamTransport implements ConnectionOwner {
  readonly clock: Clock
  readonly options: TransportOptions
  readonly count: CountTransport
  readonly tap: Tap | undefined
  receive: ReceiveMessage = silent
  broken: ReceiveBroken = silent
  readonly #network: Network
  readonly #servers: StreamServer[] = []
  /** By number, in order of last use: the first is the one unused for longest. */
  readonly #connections = new Map<number, Connection>()
  /** By remote end, and by remote end and listener, see keysOf: the latest of each. */
  readonly #byRemote = new Map<string, Connection>()
  /** Ended by us, not yet closed by their peers, oldest first. */
  readonly #ending = new Set<Connection>()
  #lastNumber = 0
  #idleTimer: Timer | undefined
  #whenEmpty: (() => void) | undefined

  constructor(network: Network, clock: Clock, options: TransportOptions, count: CountTransport, tap?: Tap) {
    this.#network = network
    this.clock = clock
    this.options = options
    this.count = count
    this.tap = tap
  }

  /** Connections that carry messages. */
  get size(): number {
    return this.#connections.size
  }

  /** Opens the listener's server; resolves to the port it got. */
  async open(listener: Listener): Promise<number> {
    const server = await this.#network.listen(
      listener,
      (stream) => this.#accept(stream, listener),
      listener.transport as StreamTransportName,
    )
    this.#servers.push(server)
    return server.local.port
  }

  /** The connection of a flow while it lives. A number alone is not trusted: a flow may be older than this process. */
  find(flow: Flow): Connection | undefined {
    const connection = this.#connections.get(flow.connection)
    if (!connection?.isUsable) return undefined
    const { remoteAddress, remotePort } = connection.flow
    return remoteAddress === flow.remoteAddress && remotePort === flow.remotePort ? connection : undefined
  }

  /**
   * Sends to an address over the connection there is, or a new one, from this listener.
   * @param isBound only a connection of this very listener will do
   */
  reach(
    listener: Listener,
    isBound: boolean,
    { remoteAddress: address, remotePort: port, serverName }: To,
    text: string,
    failed?: OnTransportFailure,
  ): void {
    const remoteAddress = canonicalAddress(address)
    const end = endWith(listener, remoteAddress, port, serverName ?? remoteAddress)
    const known = this.#byRemote.get(isBound ? endAt(end, listener) : end)
    if (!known?.isUsable && isWebSocket(listener.transport)) return fail(failed, 'unreachable')
    const connection = known?.isUsable ? known : this.#connect(listener, remoteAddress, port, serverName)
    this.count('tcp.sent')
    connection.send(text, failed)
  }

  sendOver(flow: Flow, text: string, failed?: OnTransportFailure): void {
    const connection = this.find(flow)
    if (!connection) return fail(failed, 'closed')
    this.count('tcp.sent')
    connection.send(text, failed)
  }

  used(connection: Connection): void {
    const now = this.clock.now()
    if (now - connection.usedAt < ORDER_MS || !connection.isUsable) return
    connection.usedAt = now
    this.#connections.delete(connection.flow.connection)
    this.#connections.set(connection.flow.connection, connection)
  }

  ended(connection: Connection): void {
    const { flow } = connection
    this.#connections.delete(flow.connection)
    for (const key of keysOf(connection)) if (this.#byRemote.get(key) === connection) this.#byRemote.delete(key)
    this.#ending.add(connection)
    if (this.#connections.size === 0) this.#stopIdleTimer()
  }

  closed(connection: Connection): void {
    this.#ending.delete(connection)
    this.count('tcp.closed')
    if (this.#connections.size + this.#ending.size === 0) this.#whenEmpty?.()
  }

  /** Closes servers and connections; resolves when what was queued has gone out, or `flushMs` have passed. */
  async close(flushMs: number): Promise<void> {
    for (const server of this.#servers.splice(0)) server.close()
    for (const connection of [...this.#connections.values()]) {
      if (connection.queued > 0) connection.end()
      else connection.destroy()
    }
    if (this.#ending.size === 0) return
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve
      const timer = this.clock.after(flushMs, () => {
        for (const connection of [...this.#ending]) connection.destroy()
      })
      this.#whenEmpty = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  #accept(stream: Stream, listener: Listener): StreamEvents {
    this.count('tcp.accepted')
    return this.#add(stream.remote.address, stream.remote.port, listener, undefined, 'open', () => stream)
  }

  #connect(listener: Listener, address: string, port: number, serverName: string | undefined): Connection {
    this.count('tcp.connected')
    const from = isWildcard(listener.address) ? '' : listener.address
    const secureName = listener.transport === 'tls' ? (serverName ?? address) : undefined
    return this.#add(address, port, listener, serverName, 'connecting', (events) =>
      this.#network.connect({ address, port }, from, events, secureName),
    )
  }

  #add(
    remoteAddress: string,
    remotePort: number,
    listener: Listener,
    serverName: string | undefined,
    state: 'connecting' | 'open',
    open: (events: StreamEvents) => Stream,
  ): Connection {
    this.#makeRoom()
    const number = ++this.#lastNumber
    const flow: Flow = { transport: listener.transport, remoteAddress, remotePort, listener, connection: number }
    const connection = new Connection(this, flow, serverName ?? remoteAddress, state, open)
    this.#connections.set(number, connection)
    for (const key of keysOf(connection)) this.#byRemote.set(key, connection)
    this.#idleTimer ??= this.clock.after(this.options.idleMs, this.#closeIdle)
    return connection
  }

  #makeRoom(): void {
    if (this.#connections.size + this.#ending.size < this.options.maxConnections) return
    const [oldest] = this.#ending.size > 0 ? this.#ending : this.#connections.values()
    this.count('tcp.evicted')
    oldest?.destroy('closed')
  }

  readonly #closeIdle = (): void => {
    this.#idleTimer = undefined
    const now = this.clock.now()
    for (const connection of this.#connections.values()) {
      const left = connection.usedAt + this.options.idleMs - now
      if (left > 0) {
        this.#idleTimer = this.clock.after(left, this.#closeIdle)
        return
      }
      this.count('tcp.idle')
      connection.destroy('closed')
    }
  }

  #stopIdleTimer(): void {
    this.#idleTimer?.cancel()
    this.#idleTimer = undefined
  }
}

function keysOf({ flow: { remoteAddress, remotePort, listener }, serverName }: Connection): string[] {
  const end = endWith(listener, remoteAddress, remotePort, serverName)
  return [end, endAt(end, listener)]
}

/** An encrypted connection serves the name that was asked of its peer, and no other (RFC 5922 7.3). */
function endWith({ transport }: Listener, address: string, port: number, serverName: string): string {
  const end = endOf(address, port)
  return transport === 'tls' ? `tls|${end}|${serverName}` : end
}

function endAt(end: string, listener: Listener): string {
  return `${end}|${endOf(listener.address, listener.port)}`
}
