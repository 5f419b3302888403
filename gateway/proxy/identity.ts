import { FLOW_MARK, type FlowTokens } from '../cluster/flow-token.ts'
import { ALONE, GATEWAY_PARAM, type Peers } from '../cluster/peers.ts'
import type { SipUri } from '../sip/uri.ts'
import { isEncrypted } from '../transport/addresses.ts'
import type { Destination, Listener } from '../transport/types.ts'

/**
 * What counts as this router itself. "Mine" is host and port: on a machine where everything shares one address, a phone's
 * Contact would otherwise look like the router.
 */
export interface Identity {
  /** Host and port (5060 when absent) are those of a listener, as bound or as advertised. */
  isSelf(host: string, port: number | undefined): boolean
  /** A Record-Route value as this router writes it, octet by octet: what most requests of a dialog bring back as their Route. */
  isOwnRecordRoute(value: string): boolean
  /**
   * Whether what carries this `gw` parameter was written by another gateway: for a Via any other, for a Route one that is alive, since
   * the routes of one that has gone are for whoever answers in its place.
   */
  isOthers(gateway: string | undefined, where: 'via' | 'route'): boolean
  /** Whether it names a flow that is gone with its gateway, or a gateway that was found to be gone, see `without`: nothing goes by there. */
  isGone(uri: SipUri): boolean
  /** The same when nobody is there any more, which another gateway's lease says still: what it has written names one that is gone. */
  without(unreachable: Destination): Identity
  /** The URI's host is one of the router's domains and its port is absent or one of the router's. */
  isLocalDomain(host: string, port: number | undefined): boolean
}

const DEFAULT_PORT = 5060

/** This gateway among others. */
export interface Membership {
  id: string
  /** Where the others reach it, beyond its listeners. */
  sockets: readonly { host: string; port: number }[]
  peers: Peers
  /** Reads the flows that the gateways name to each other. */
  tokens: FlowTokens
}

/** @param domains host names or addresses without port; IPv6 without brackets */
export function createIdentity(
  listeners: readonly Listener[],
  domains: readonly string[],
  membership?: Membership,
): Identity {
  const { id, sockets = [], peers = ALONE, tokens } = membership ?? {}
  const selves = new Set<string>()
  const ports = new Set<number>([DEFAULT_PORT])
  for (const listener of listeners) {
    selves.add(hostPort(listener.address, listener.port))
    selves.add(hostPort(listener.advertisedHost, listener.advertisedPort))
    ports.add(listener.port).add(listener.advertisedPort)
  }
  for (const { host, port } of sockets) selves.add(hostPort(host, port))
  const recordRoutes = new Set(
    listeners.flatMap((listener) => [recordRouteOf(listener), secureRecordRouteOf(listener)]),
  )
  const names = new Set(domains.map(plainHost))
  const among = (peers: Peers): Identity => ({
    isSelf: (host, port) => selves.has(hostPort(host, port ?? DEFAULT_PORT)),
    isOwnRecordRoute: (value) => recordRoutes.has(value),
    isOthers: (gateway, where) =>
      gateway !== undefined && gateway !== id && (where === 'via' ? id !== undefined : peers.has(gateway)),
    isGone: ({ user, host, port, params }) =>
      user.startsWith(FLOW_MARK)
        ? !peers.isSocket(host, port ?? DEFAULT_PORT) && tokens?.read(user) !== undefined
        : peers.isUnreachable(params.get(GATEWAY_PARAM)),
    isLocalDomain: (host, port) => names.has(host) && (port === undefined || ports.has(port)),
    without: (unreachable) => among(peers.without(unreachable)),
  })
  return among(peers)
}

/** What a listener puts into Record-Route. A WebSocket is `ws` there, encrypted or not (RFC 7118 5.2). */
export function recordRouteOf({ transport, advertisedHost, advertisedPort, gateway }: Listener): string {
  const named = transport === 'udp' ? '' : `;transport=${transport === 'wss' ? 'ws' : transport}`
  return `<sip:${advertisedHost}:${advertisedPort}${named};lr${ownerOf(gateway)}>`
}

/** The same in a call to a `sips` URI, all of which is encrypted (RFC 3261 16.6 step 4). */
export function secureRecordRouteOf(listener: Listener): string {
  const { transport, advertisedHost, advertisedPort, gateway } = listener
  if (!isEncrypted(transport)) return recordRouteOf(listener)
  const named = transport === 'wss' ? ';transport=ws' : ''
  return `<sips:${advertisedHost}:${advertisedPort}${named};lr${ownerOf(gateway)}>`
}

function ownerOf(gateway: string | undefined): string {
  return gateway === undefined ? '' : `;${GATEWAY_PARAM}=${gateway}`
}

/** The parameter of a Record-Route of ours that names the media relayed for the dialog. */
export const MEDIA_PARAM = 'media'

/** A Record-Route value of a listener, for a dialog whose media is relayed. */
export function withMedia(recordRoute: string, param: string | undefined): string {
  return param === undefined ? recordRoute : `${recordRoute.slice(0, -1)};${MEDIA_PARAM}=${param}>`
}

/** The `host:port` a URI names, by which it is compared with listeners. */
export function uriIsSelf(identity: Identity, uri: SipUri): boolean {
  return uri.host !== '' && identity.isSelf(uri.host, uri.port)
}

function hostPort(host: string, port: number): string {
  return `${plainHost(host)} ${port}`
}

function plainHost(host: string): string {
  return (host.startsWith('[') ? host.slice(1, -1) : host).toLowerCase()
}
