import type { Binding } from '../../functions/store/store.ts'
import { parseUri } from '../sip/uri.ts'
import type { Flow, Listener, TransportLayer } from '../transport/types.ts'
import { isStrict, type RouteDecision, routeUri } from './route.ts'
import type { Target } from './target.ts'

/** Where a branch goes and how its request is edited on the way (RFC 3261 16.6 steps 2, 6 and 7). */
export interface NextHop {
  /** Becomes the Request-URI. */
  uri: string
  /** The flow to use; undefined: locate `locateUri`. */
  flow: Flow | undefined
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
  transport: TransportLayer,
): NextHop {
  const binding = target.binding
  const path = binding?.path
  if (path && path.length > 0) return alongRoutes(target.uri, path[0]!, { dropRoutes: routes.count, addRoutes: path })
  if (followRoutes && routes.next !== undefined)
    return alongRoutes(target.uri, routes.next, { dropRoutes: routes.drop, addRoutes: undefined })
  return {
    uri: target.uri,
    flow: target.flow ?? (binding && bindingFlow(binding, transport)),
    locateUri: target.uri,
    dropRoutes: followRoutes ? routes.drop : routes.count,
    addRoutes: undefined,
    appendRoute: undefined,
  }
}

function alongRoutes(
  uri: string,
  next: string,
  edits: { dropRoutes: number; addRoutes: string[] | undefined },
): NextHop {
  const locateUri = routeUri(next)
  if (!isStrict(next)) return { uri, flow: undefined, locateUri, ...edits, appendRoute: undefined }
  const rest = edits.addRoutes
    ? { dropRoutes: edits.dropRoutes, addRoutes: edits.addRoutes.slice(1) }
    : { dropRoutes: edits.dropRoutes + 1, addRoutes: undefined }
  return { uri: locateUri, flow: undefined, locateUri, ...rest, appendRoute: `<${uri}>` }
}

/**
 * The flow a binding was registered over, when the contact is reached by it (see isReachedByFlow). When its connection is gone, a
 * contact at the address it came from is tried there; for any other the dead flow is returned, and sending to it fails at once.
 */
function bindingFlow(binding: Binding, transport: TransportLayer): Flow | undefined {
  const received = binding.received
  const listener = transport.listeners.find((candidate) => listenerName(candidate) === received.listener)
  if (!listener) return undefined
  const flow: Flow = {
    transport: received.transport,
    remoteAddress: received.address,
    remotePort: received.port,
    listener,
    connection: received.connection,
  }
  if (!received.nat) return undefined
  if (received.transport === 'udp' || transport.isAlive(flow)) return flow
  return parseUri(binding.contact)?.host === received.address ? undefined : flow
}

/** How a binding names the listener it came by. */
export function listenerName(listener: Listener): string {
  return `${listener.transport}:${listener.address}:${listener.port}`
}
