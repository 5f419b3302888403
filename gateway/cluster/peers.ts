import { formatHost } from '../../functions/contract/uri/sip-uri.ts'
import type { GatewayLease, GatewaySocket, ReceivedFlow } from '../../functions/store/store.ts'
import { endOf } from '../transport/addresses.ts'
import type { Destination, TransportName } from '../transport/types.ts'
import type { FlowTokens } from './flow-token.ts'

/** The parameter of Via and Record-Route that says which gateway has written it. */
export const GATEWAY_PARAM = 'gw'

/** What the rooms need to know of the other gateways. */
export interface Peers {
  /** Whether the gateway of that name is another one, and alive. */
  has(gateway: string | undefined): boolean
  /** Where to send to that gateway, by this transport when it has it. */
  destination(gateway: string, transport: TransportName): Destination | undefined
  /** Whether what comes from there comes from another gateway. */
  isSocket(address: string, port: number): boolean
  /** Whether another gateway is at that address, whatever port it sends from. */
  isHost(address: string): boolean
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
  mates: [],
  routeTo: () => undefined,
  routeToGateway: () => undefined,
}

/** The other gateways as their leases were seen last. */
export class LivePeers implements Peers {
  mates: readonly string[] = []
  readonly #pool: string
  readonly #transports: ReadonlySet<TransportName>
  readonly #tokens: FlowTokens
  #byGateway = new Map<string, GatewayLease>()
  #sockets = new Set<string>()
  #hosts = new Set<string>()

  /** @param own this gateway's listeners */
  constructor(pool: string, own: readonly { transport: TransportName }[], tokens: FlowTokens) {
    this.#pool = pool
    this.#transports = new Set(own.map(({ transport }) => transport))
    this.#tokens = tokens
  }

  update(leases: readonly GatewayLease[]): void {
    this.#byGateway = new Map(leases.map((lease) => [lease.gateway, lease]))
    this.#sockets = new Set(leases.flatMap(({ sockets }) => sockets.map(({ host, port }) => endOf(host, port))))
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
    return gateway !== undefined && this.#byGateway.has(gateway)
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
