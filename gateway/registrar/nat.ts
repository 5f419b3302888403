import { isIPv4, isIPv6 } from 'node:net'
import type { SipUri } from '../sip/uri.ts'
import type { Via } from '../sip/via.ts'
import { isWebSocket } from '../transport/addresses.ts'
import { transportOf } from '../transport/locate.ts'
import type { Flow } from '../transport/types.ts'

/**
 * Whether requests to a contact must go back along the flow its REGISTER came by, because its own address does not lead there
 * (`received.nat`). First row that fits:
 *
 * | the contact                                                   | reached                                              |
 * |---------------------------------------------------------------|------------------------------------------------------|
 * | was registered through a proxy (Path)                         | own address, behind the Path                         |
 * | came over a WebSocket (RFC 7118 5: there is no other way)     | flow                                                 |
 * | host ends in `.invalid` (RFC 7118: no address at all)         | flow                                                 |
 * | host is the source's, and it names another transport          | own address                                          |
 * | host is the source's, over a stream                           | flow: its connection (RFC 5626, RFC 5923)            |
 * | host is the source's, port too                                | own address, which is the flow                       |
 * | host is the source's, Via is not the source, rport asked for  | flow: it listens where it sends from (RFC 3581)      |
 * | host is the source's, otherwise                               | own address: sends from one port, listens on another |
 * | host is Via's, not the source's                               | flow: what it takes for its address is translated    |
 * | host is private, the source is not                            | flow                                                 |
 * | anything else: it speaks for a third party                    | own address                                          |
 */
export function isReachedByFlow(uri: SipUri, via: Via, flow: Flow, hasPath: boolean): boolean {
  if (hasPath) return false
  if (isWebSocket(flow.transport)) return true
  if (uri.host === 'invalid' || uri.host.endsWith('.invalid')) return true
  if (isSameHost(uri.host, flow.remoteAddress)) return isFlowOfSameHost(uri, via, flow)
  if (isSameHost(uri.host, via.host)) return true
  return isPrivate(uri.host) && isAddress(flow.remoteAddress) && !isPrivate(flow.remoteAddress)
}

function isFlowOfSameHost(uri: SipUri, via: Via, flow: Flow): boolean {
  const transport = transportOf(uri)
  if (transport !== null && transport !== flow.transport) return false
  if (flow.transport !== 'udp') return true
  if ((uri.port ?? 5060) === flow.remotePort) return false
  const isViaSource = isSameHost(via.host, flow.remoteAddress) && (via.port ?? 5060) === flow.remotePort
  return !isViaSource && via.rport !== undefined
}

function isSameHost(a: string, b: string): boolean {
  if (a === b) return true
  return a.includes(':') && b.includes(':') && spelled(a) === spelled(b)
}

/** IPv6 in its one canonical spelling (RFC 5952). */
function spelled(host: string): string {
  return isIPv6(host) ? (URL.parse(`http://[${host}]`)?.hostname ?? host) : host
}

function isAddress(host: string): boolean {
  return isIPv4(host) || isIPv6(host)
}

/** Addresses that mean nothing outside their own network: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 2.5.6. */
function isPrivate(host: string): boolean {
  if (isIPv6(host)) return ['fc', 'fd', 'fe8', 'fe9', 'fea', 'feb'].some((start) => host.startsWith(start))
  if (!isIPv4(host)) return false
  const [first, second] = host.split('.', 2).map(Number) as [number, number]
  if (first === 10 || (first === 192 && second === 168) || (first === 169 && second === 254)) return true
  return (first === 172 && second >= 16 && second < 32) || (first === 100 && second >= 64 && second < 128)
}
