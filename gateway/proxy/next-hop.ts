import type { Binding } from '../../functions/store/store.ts'
import type { NamedFlow } from '../cluster/flow-token.ts'
import type { Peers } from '../cluster/peers.ts'
import { parseUri } from '../sip/uri.ts'
import { transportOf as transportAsked } from '../transport/locate.ts'
import type { Destination, Flow, Listener, TransportLayer } from '../transport/types.ts'
import { isStrict, type RouteDecision, routeUri } from './route.ts'
import type { Target } from './target.ts'

/** Where a branch goes and how its request is edited on the way (RFC 3261 16.6 steps 2, 6 and 7). */
export interface NextHop {
  /** Becomes the Request-URI. */
  uri: string
  /** The flow, or the gateway, to send to; undefined: locate `locateUri`. */
  to: Destination | undefined
  locateUri: string
  dropRoutes: number
  addRoutes: string[] | undefined
  /** A strict next hop: the Request-URI moves to the end of the routes. */
  appendRoute: string | undefined
}

/**
 * @param target       where to fork to
 * @param routes       what the request's own Route header fields said
 * @param followRoutes the request goes where it was addressed, so that its remaining routes count; a function that names another target
 *                     overrules them
 */
export function nextHopOf(
  target: Target,
  routes: RouteDecision,
  followRoutes: boolean,
  { transport, peers }: { transport: TransportLayer; peers: Peers },
): NextHop {
  const binding = target.binding
  const path = binding && pathTo(binding, peers)
  if (path) return alongRoutes(target.uri, path[0]!, { dropRoutes: routes.count, addRoutes: path })
  if (target.route !== undefined)
    return alongRoutes(target.uri, target.route, { dropRoutes: routes.drop, addRoutes: [target.route] })
  if (followRoutes && routes.next !== undefined) {
    const hop = alongRoutes(target.uri, routes.next, { dropRoutes: routes.drop, addRoutes: undefined })
    if (routes.peer !== undefined) hop.to = peers.destination(routes.peer, transportOf(hop.locateUri))
    return hop
  }
  return {
    uri: target.uri,
    to: target.flow ?? (binding && bindingFlow(binding, transport)),
    locateUri: target.uri,
    dropRoutes: followRoutes ? routes.drop : routes.count,
    addRoutes: undefined,
    appendRoute: undefined,
  }
}

/** The Path of its REGISTER (RFC 3327), or the one by which the gateway that has the phone's flow is reached. */
export function pathTo({ path, received }: Binding, peers: Peers): string[] | undefined {
  if (path.length > 0) return path
  const route = peers.routeTo(received)
  return route === undefined ? undefined : [route]
}

/** Gateways talk with each other over plain streams where a peer asks for any stream. */
function transportOf(uriText: string): 'udp' | 'tcp' {
  const uri = parseUri(uriText)
  const asked = uri && transportAsked(uri)
  return asked === 'tcp' || asked === 'tls' ? 'tcp' : 'udp'
}

function alongRoutes(
  uri: string,
  next: string,
  edits: { dropRoutes: number; addRoutes: string[] | undefined },
): NextHop {
  const locateUri = routeUri(next)
  if (!isStrict(next)) return { uri, to: undefined, locateUri, ...edits, appendRoute: undefined }
  const rest = edits.addRoutes
    ? { dropRoutes: edits.dropRoutes, addRoutes: edits.addRoutes.slice(1) }
    : { dropRoutes: edits.dropRoutes + 1, addRoutes: undefined }
  return { uri: locateUri, to: undefined, locateUri, ...rest, appendRoute: `<${uri}>` }
}

/**
 * The flow a binding was registered over, when the contact is reached by it (see isReachedByFlow). When its connection is gone, a
 * contact at the address it came from is tried there; for any other the dead flow is returned, and sending to it fails at once.
 */
function bindingFlow(binding: Binding, transport: TransportLayer): Flow | undefined {
  const received = binding.received
  const flow = received.nat ? flowNamed(received, transport) : undefined
  if (!flow) return undefined
  if (received.transport === 'udp' || transport.isAlive(flow)) return flow
  return parseUri(binding.contact)?.host === received.address ? undefined : flow
}

/** A flow by what is known of it elsewhere; undefined when its listener is none of ours. */
export function flowNamed(named: NamedFlow, transport: TransportLayer): Flow | undefined {
  const listener = transport.listeners.find((candidate) => listenerName(candidate) === named.listener)
  return (
    listener && {
      transport: named.transport,
      remoteAddress: named.address,
      remotePort: named.port,
      listener,
      connection: named.connection,
    }
  )
}

/** How a binding names the listener it came by. */
export function listenerName(listener: Listener): string {
  return `${listener.transport}:${listener.address}:${listener.port}`
}
