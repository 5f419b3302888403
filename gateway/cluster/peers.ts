import { formatHost } from '../../functions/contract/uri/sip-uri.ts'
import type { GatewayLease, GatewaySocket, ReceivedFlow } from '../../functions/store/store.ts'
import { endOf } from '../transport/addresses.ts'
import type { Destination, TransportName } from '../transport/types.ts'
import type { FlowTokens } from './flow-token.ts'

/** The parameter of Via and Record-Route that says which gateway has written it. */
export const GATEWAY_PARAM = 'gw'

/** What the rooms need to know of the other gateways. */
export interface Peers {
  /** Whether the gateway of that name is another one, alive, and not about to leave. */
  has(gateway: string | undefined): boolean
  /** Where to send to that gateway, by this transport when it has it. */
  destination(gateway: string, transport: TransportName): Destination | undefined
  /** Whether what comes from there comes from another gateway. */
  isSocket(address: string, port: number): boolean
  /** Whether another gateway is at that address, whatever port it sends from. */
  isHost(address: string): boolean
  /** Whether another gateway was there when its lease was seen last, lapsed or not. */
  isPlace(address: string, port: number): boolean
  /** The same gateways, but for those that were to be reached there: nobody is there, whatever their leases say. */
  without(unreachable: Destination): Peers
  /** Whether nobody is where the gateway of that name was to be reached, see `without`. */
  isUnreachable(gateway: string | undefined): boolean
  /** Those that requests may reach instead of this one: of its pool, behind the same address. */
  readonly mates: readonly string[]
  /** The Route value that leads to a phone by the flow that another gateway has; undefined when this one may try itself. */
  routeTo(flow: ReceivedFlow): string | undefined
  /** The Route value that leads to that gateway itself; undefined when it is not alive. */
  routeToGateway(gateway: string): string | undefined
}

/** What the rooms need to know of answered calls that are at another gateway than their routes say. */
export interface Holders {
  /** The gateway that has the dialogs of a Call-ID; undefined when none is known, or it is gone. */
  holderOf(callId: string): string | undefined
}

/** This gateway is the only one. */
export const ALONE: Peers = {
  has: () => false,
  destination: () => undefined,
  isSocket: () => false,
  isHost: () => false,
  isPlace: () => false,
  without: () => ALONE,
  isUnreachable: () => false,
  mates: [],
  routeTo: () => undefined,
  routeToGateway: () => undefined,
}

/** Leases that have lapsed are kept for the dialogs that go by their gateways, the latest of them. */
const MAX_LAPSED = 100

/** The other gateways as their leases were seen last. */
export class LivePeers implements Peers {
  mates: readonly string[] = []
  readonly #pool: string
  readonly #own: readonly { transport: TransportName }[]
  readonly #transports: ReadonlySet<TransportName>
  readonly #tokens: FlowTokens
  #byGateway = new Map<string, GatewayLease>()
  /** In the order in which they have lapsed. */
  readonly #lapsed = new Map<string, GatewayLease>()
  readonly #unreachable = new Set<string>()
  #sockets = new Set<string>()
  /** Of all of these leases. */
  #places = new Set<string>()
  #hosts = new Set<string>()

  /** @param own this gateway's listeners */
  constructor(pool: string, own: readonly { transport: TransportName }[], tokens: FlowTokens) {
    this.#pool = pool
    this.#own = own
    this.#transports = new Set(own.map(({ transport }) => transport))
    this.#tokens = tokens
  }

  update(leases: readonly GatewayLease[]): void {
    const before = this.#byGateway
    this.#byGateway = new Map(leases.map((lease) => [lease.gateway, lease]))
    for (const [gateway, lease] of before) if (!this.#byGateway.has(gateway)) this.#lapsed.set(gateway, lease)
    for (const gateway of this.#byGateway.keys()) this.#lapsed.delete(gateway)
    if (this.#lapsed.size > MAX_LAPSED) this.#lapsed.delete(this.#lapsed.keys().next().value!)
    this.#sockets = new Set(leases.flatMap(endsOf))
    this.#places = new Set([...this.#sockets, ...[...this.#lapsed.values()].flatMap(lapsedEndsOf)])
    this.#hosts = new Set(leases.flatMap(({ sockets }) => sockets.map(({ host }) => host)))
    // One that has adopted another is reached once.
    const mates = leases.filter(({ pool, gateway, holder }) => pool === this.#pool && gateway === holder)
    this.mates = mates.map(({ gateway }) => gateway)
  }

  /** How many are alive. */
  get size(): number {
    return this.#byGateway.size
  }

  has(gateway: string | undefined): boolean {
    const lease = gateway === undefined ? undefined : this.#byGateway.get(gateway)
    return lease !== undefined && !lease.isLeaving
  }

  destination(gateway: string, transport: TransportName): Destination | undefined {
    const socket = this.#socket(gateway, transport)
    return socket && { transport: socket.transport, remoteAddress: socket.host, remotePort: socket.port }
  }

  isSocket(address: string, port: number): boolean {
    return this.#sockets.size > 0 && this.#sockets.has(endOf(address, port))
  }

  isHost(address: string): boolean {
    return this.#hosts.has(address)
  }

  isPlace(address: string, port: number): boolean {
    return this.#places.size > 0 && this.#places.has(endOf(address, port))
  }

  isUnreachable(gateway: string | undefined): boolean {
    return gateway !== undefined && this.#unreachable.has(gateway)
  }

  without({ remoteAddress, remotePort }: Destination): Peers {
    const left = new LivePeers(this.#pool, this.#own, this.#tokens)
    for (const gateway of this.#unreachable) left.#unreachable.add(gateway)
    for (const [gateway, lease] of this.#lapsed) left.#lapsed.set(gateway, lease)
    const place = endOf(remoteAddress, remotePort)
    const leases = [...this.#byGateway.values()]
    for (const lease of leases) if (endsOf(lease).includes(place)) left.#unreachable.add(lease.gateway)
    for (const lease of this.#lapsed.values())
      if (lapsedEndsOf(lease).includes(place)) left.#unreachable.add(lease.gateway)
    left.update(leases.filter(({ gateway }) => !left.#unreachable.has(gateway)))
    return left
  }

  routeTo(flow: ReceivedFlow): string | undefined {
    return flow.nat ? this.#route(flow.gateway, () => `${this.#tokens.write(flow)}@`) : undefined
  }

  routeToGateway(gateway: string): string | undefined {
    return this.#route(gateway, () => '')
  }

  #route(gateway: string, user: () => string): string | undefined {
    // A large INVITE must not be lost between two gateways.
    const socket = this.#socket(gateway, 'tcp')
    if (!socket) return undefined
    const { host, port, transport } = socket
    return `<sip:${user()}${formatHost(host)}:${port}${transport === 'tcp' ? ';transport=tcp' : ''};lr>`
  }

  #socket(gateway: string, transport: TransportName): GatewaySocket | undefined {
    // The certificates of a pool name its domain, and not each of its gateways; nobody is connected to over a WebSocket.
    const usable = this.#byGateway
      .get(gateway)
      ?.sockets.filter(
        ({ transport }) => (transport === 'udp' || transport === 'tcp') && this.#transports.has(transport),
      )
    return usable?.find((socket) => socket.transport === transport) ?? usable?.[0]
  }
}

/** Where the others reach a gateway. */
function endsOf({ sockets }: GatewayLease): string[] {
  return sockets.map(({ host, port }) => endOf(host, port))
}

/** Where what names a gateway whose lease has lapsed is sent: as to anybody, to what it advertises, too. */
function lapsedEndsOf(lease: GatewayLease): string[] {
  const advertised = lease.sockets.map(({ advertised }) => {
    const colon = advertised.lastIndexOf(':')
    return endOf(advertised.slice(0, colon).replace(/^\[|\]$/g, ''), Number(advertised.slice(colon + 1)))
  })
  return [...endsOf(lease), ...advertised]
}
