import { isIP } from 'node:net'
import type { Via } from '../sip/via.ts'
import type { Destination, Flow } from '../transport/types.ts'
import { sentByPort } from './matching.ts'

/**
 * Where the responses to a request go: streams answer on their connection; over UDP maddr comes first, then the source
 * address with the source port when rport was asked for, else with the port of the sent-by. Always from the socket
 * that the request came in on.
 * @see RFC 3261 18.2.2, RFC 3581 4
 */
export function responseDestination(via: Via, flow: Flow): Destination {
  if (flow.transport !== 'udp') return flow
  const maddr = via.maddr === undefined ? undefined : literalAddress(via.maddr)
  if (maddr !== undefined) return addressOf(flow, maddr, sentByPort(via))
  if (via.rport !== undefined || sentByPort(via) === flow.remotePort) return flow
  return addressOf(flow, flow.remoteAddress, sentByPort(via))
}

/**
 * Where a response goes when its connection is gone: a new connection to where the request came from, at the port of
 * the sent-by (RFC 3261 18.2.2). `undefined` for datagrams: there is nothing else to try.
 */
export function fallbackDestination(via: Via, flow: Flow): Destination | undefined {
  if (flow.transport === 'udp') return undefined
  const destination = addressOf(flow, flow.remoteAddress, sentByPort(via))
  return flow.transport === 'tls' ? { ...destination, serverName: via.host } : destination
}

function addressOf(flow: Flow, remoteAddress: string, remotePort: number) {
  return { transport: flow.transport, remoteAddress, remotePort, listener: flow.listener }
}

/** A name in maddr would need the DNS before an answer could go out: the source address serves as well. */
function literalAddress(maddr: string): string | undefined {
  return isIP(maddr) === 0 ? undefined : maddr
}
