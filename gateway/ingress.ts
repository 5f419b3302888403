import type { HandOver } from './cluster/hand-over.ts'
import { buildResponse, receivedOf } from './sip/build.ts'
import { readMessage, type SipMessage } from './sip/message.ts'
import { responseDestination } from './transaction/response-address.ts'
import type { TransactionLayer } from './transaction/types.ts'
import type { Flow, TransportLayer } from './transport/types.ts'

/**
 * Where octets become messages: what can be read goes to its transaction, a broken request that can be answered gets its 400 without
 * any state (silence would make its sender repeat it), everything else is dropped and counted.
 */
export class Ingress {
  readonly #transport: TransportLayer
  readonly #transactions: TransactionLayer
  readonly #handOver: HandOver | undefined
  readonly #count: (series: string) => void
  readonly #onMessage: ((text: string, flow: Flow) => void) | undefined
  readonly #onBug: (error: unknown) => void

  constructor(parts: {
    transport: TransportLayer
    transactions: TransactionLayer
    /** Of several gateways. */
    handOver?: HandOver | undefined
    count(series: string): void
    onMessage?: ((text: string, flow: Flow) => void) | undefined
    /** Something threw while a message was handled: told once, and the next message is read. */
    onBug(error: unknown): void
  }) {
    this.#transport = parts.transport
    this.#transactions = parts.transactions
    this.#handOver = parts.handOver
    this.#count = parts.count
    this.#onMessage = parts.onMessage
    this.#onBug = parts.onBug
  }

  readonly receive = (text: string, flow: Flow): void => {
    try {
      this.#receive(text, flow)
    } catch (error) {
      this.#onBug(error)
    }
  }

  #receive(text: string, flow: Flow): void {
    const read = readMessage(text)
    if (!read.ok) {
      this.#count(read.answer ? 'broken requests' : 'unreadable datagrams')
      if (read.answer) this.#answer(read.message, flow, read.answer.status, read.answer.reason)
      return
    }
    this.#onMessage?.(text, flow)
    if (read.message.isRequest) this.#receiveRequest(read.message, flow)
    else if (!this.#transactions.receiveResponse(read.message, flow) && !this.#handOver?.response(read.message, flow))
      this.#count('unmatched responses')
  }

  /** Without a Via that can be read there is no transaction, and only the request's source to answer to. */
  #receiveRequest(request: SipMessage, flow: Flow): void {
    if (request.via !== undefined)
      return this.#transactions.receiveRequest(request, this.#handOver?.sourceOf(request, flow) ?? flow)
    this.#count('broken requests')
    if (request.header('Via') !== undefined) this.#answer(request, flow, 400, 'Broken Via')
  }

  /** What a stream could not frame; the transport closes the connection after the answer. */
  readonly broken = (text: string, flow: Flow, status: 400 | 513, reason: string): void => {
    this.#count('broken streams')
    const read = readMessage(text)
    const message = read.ok ? read.message : read.answer ? read.message : undefined
    if (message?.isRequest && message.method !== 'ACK') this.#answer(message, flow, status, reason)
  }

  #answer(request: SipMessage, flow: Flow, status: number, reason: string): void {
    if (request.method === 'ACK') return
    const { via } = request
    const received = receivedOf(request, flow.remoteAddress, flow.remotePort)
    const destination = via === undefined ? flow : responseDestination(via, flow)
    this.#transport.send(buildResponse(request, status, reason, { toTag: 'broken', received }), destination)
  }
}
