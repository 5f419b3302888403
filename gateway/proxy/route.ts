import { FLOW_MARK } from '../cluster/flow-token.ts'
import { GATEWAY_PARAM } from '../cluster/peers.ts'
import { ROUTE } from '../sip/header-names.ts'
import type { SipMessage } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import { parseUri } from '../sip/uri.ts'
import { type Identity, MEDIA_PARAM, uriIsSelf } from './identity.ts'

/** What the Route header fields of a request say (RFC 3261 16.4). */
export interface RouteDecision {
  /** The Request-URI to go on with: a strict router upstream may have put ours there. */
  uri: string
  /** How many of the topmost Route values are ours and to be taken away. */
  drop: number
  /** The last Route value became the Request-URI. */
  dropLast: boolean
  /** The next Route value after ours, as written. */
  next: string | undefined
  /** How many Route values there are. */
  count: number
  /** The gateway that `next` names, when it is another one that is alive. */
  peer?: string
  /** Of ours, the one that names a flow by its user part (RFC 5626 5.3), when no other hop comes after it. */
  edge?: string
  /** Of ours, the media that is relayed for the dialog, see `withMedia`. */
  media?: string
}

/** @see RFC 3261 16.4, RFC 5658 (several of our own values in a row when the transport changes) */
export function readRoutes(request: SipMessage, identity: Identity): RouteDecision {
  const routes = request.has(ROUTE) ? request.values('Route') : []
  if (routes.length === 0) return { uri: request.uri, drop: 0, dropLast: false, next: undefined, count: 0 }
  const dropLast = isOwnRecordRoute(request.uri, identity)
  const uri = dropLast ? routeUri(routes[routes.length - 1]!) : request.uri
  const count = dropLast ? routes.length - 1 : routes.length
  let drop = 0
  let edge: string | undefined
  let media = dropLast ? mediaOf(request.uri) : undefined
  for (; drop < count; drop++) {
    const user = ownUser(routes[drop]!, identity)
    if (user === undefined) break
    if (user.startsWith(FLOW_MARK)) edge = routes[drop]
    // A flow before the gateway that was to come next, and is gone, is the one by which the request has come.
    else if (edge !== undefined && identity.isOthers(gatewayOf(routes[drop]!), 'via')) edge = undefined
    media ??= mediaOf(routes[drop]!)
  }
  const read: RouteDecision = { uri, drop, dropLast, next: undefined, count: routes.length }
  if (media !== undefined) read.media = media
  if (drop === count) {
    if (edge !== undefined) read.edge = edge
    return read
  }
  read.next = routes[drop]!
  const peer = gatewayOf(read.next)
  if (identity.isOthers(peer, 'route')) read.peer = peer!
  return read
}

/** The gateway that a Route value names. */
function gatewayOf(route: string): string | undefined {
  return route.includes(GATEWAY) ? parseUri(routeUri(route))?.params.get(GATEWAY_PARAM) : undefined
}

/** The media that a Route value of ours names. */
function mediaOf(route: string): string | undefined {
  return route.includes(MEDIA) ? parseUri(routeUri(route))?.params.get(MEDIA_PARAM) : undefined
}

const MEDIA = `;${MEDIA_PARAM}=`
const GATEWAY = `;${GATEWAY_PARAM}=`

/** A strict router puts our Record-Route value, with its `lr` and without a user, into the Request-URI. */
function isOwnRecordRoute(uriText: string, identity: Identity): boolean {
  if (!uriText.includes(';lr')) return false
  const uri = parseUri(uriText)
  return uri !== undefined && uri.user === '' && uri.params.has('lr') && uriIsSelf(identity, uri)
}

/** Whether a Route or Record-Route value names this router. */
export function isOwnRoute(route: string, identity: Identity): boolean {
  return ownUser(route, identity) !== undefined
}

/**
 * The user part of a Route value that names this router, mostly '', also for a gateway or a flow that is gone; undefined when it names
 * another one.
 */
function ownUser(route: string, identity: Identity): string | undefined {
  if (identity.isOwnRecordRoute(route)) return ''
  const uri = parseUri(routeUri(route))
  if (uri === undefined) return undefined
  if (!uriIsSelf(identity, uri)) return identity.isGone(uri) ? '' : undefined
  return identity.isOthers(uri.params.get(GATEWAY_PARAM), 'route') ? undefined : uri.user
}

/** The URI of a Route or Path value. */
export function routeUri(route: string): string {
  if (route.startsWith('<')) {
    const end = route.indexOf('>')
    if (end > 0) return route.slice(1, end)
  }
  return parseNameAddr(route)?.uri ?? route
}

/** RFC 3261 16.6 step 6: a next hop without `lr` is a strict router. */
export function isStrict(route: string): boolean {
  return parseUri(routeUri(route))?.params.has('lr') !== true
}
