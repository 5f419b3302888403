import type { SipMessage } from '../sip/message.ts'
import { receivedOf, withReceived } from '../sip/received.ts'
import { sentByPort } from '../transaction/matching.ts'
import type { Flow, TransportLayer } from '../transport/types.ts'
import { GATEWAY_PARAM, type Holders, type Peers } from './peers.ts'

/**
 * Messages that reached another gateway than the one they are for, as they do behind one address (a UDP load balancer, anycast). They go on
 * as they came; the source of a request goes along in its topmost Via, as every proxy writes it (RFC 3261 18.2.1, RFC 3581).
 */
export class HandOver {
  readonly #transport: TransportLayer
  readonly #peers: Peers
  readonly #elsewhere: Holders
  readonly #count: (series: string) => void

  constructor(parts: {
    transport: TransportLayer
    peers: Peers
    elsewhere: Holders
    count(series: string): void
  }) {
    this.#transport = parts.transport
    this.#peers = parts.peers
    this.#elsewhere = parts.elsewhere
    this.#count = parts.count
  }

  /**
   * Gives a response to the gateway that its topmost Via names, or that has its call meanwhile.
   * @returns false when that is none of the others
   */
  response({ text, via, callId }: SipMessage, flow: Flow): boolean {
    if (this.#send(text, via?.params.get(GATEWAY_PARAM), flow)) return true
    const isHandedOver = this.#peers.isSocket(flow.remoteAddress, flow.remotePort)
    return !isHandedOver && this.#send(text, this.#elsewhere.holderOf(callId), flow)
  }

  /** Gives a request that belongs to no transaction here to every gateway that may have it. @returns false when there is none */
  toAll(request: SipMessage, flow: Flow): boolean {
    if (flow.isHandedOver || this.#peers.mates.length === 0) return false
    const text = textFrom(request, flow)
    for (const mate of this.#peers.mates) this.#send(text, mate, flow)
    return true
  }

  /** Gives a new request to one other gateway that stays, always the same one. @returns false when there is none, or it could not answer the sender */
  toOne(request: SipMessage, flow: Flow): boolean {
    const mates = this.#peers.mates.filter((mate) => this.#peers.has(mate))
    if (flow.isHandedOver || flow.transport !== 'udp' || mates.length === 0) return false
    return this.#send(textFrom(request, flow), mates[numberOf(request.callId) % mates.length], flow)
  }

  /** Where a request came from: what another gateway says of one that it has handed over. */
  sourceOf(request: SipMessage, flow: Flow): Flow {
    if (!this.#peers.isSocket(flow.remoteAddress, flow.remotePort)) return flow
    const { via } = request
    if (via?.received === undefined || via.params.has(GATEWAY_PARAM)) return flow
    const remotePort = typeof via.rport === 'number' ? via.rport : sentByPort(via)
    return { ...flow, remoteAddress: via.received, remotePort, isHandedOver: true }
  }

  #send(text: string, gateway: string | undefined, { transport }: Flow): boolean {
    if (gateway === undefined) return false
    const destination = this.#peers.destination(gateway, transport)
    if (!destination) return false
    this.#count('messages handed over')
    this.#transport.send(text, destination)
    return true
  }
}

function textFrom(request: SipMessage, flow: Flow): string {
  return withReceived(request, receivedOf(request, flow.remoteAddress, flow.remotePort) ?? sourceOf(flow))
}

function sourceOf({ remoteAddress, remotePort }: Flow): { address: string; port: number } {
  return { address: remoteAddress, port: remotePort }
}

function numberOf(text: string): number {
  let sum = 0
  for (let index = 0; index < text.length; index++) sum = (sum * 31 + text.charCodeAt(index)) >>> 0
  return sum
}
