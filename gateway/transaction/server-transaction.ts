import { readMessage, type SipMessage } from '../sip/message.ts'
import type { Via } from '../sip/via.ts'
import type { Destination, Flow } from '../transport/types.ts'
import { fallbackDestination, responseDestination } from './response-address.ts'
import {
  inviteServer,
  nonInviteServer,
  type ServerEffect,
  type ServerInput,
  type ServerState,
} from './server-tables.ts'
import { type Shared, Transaction } from './transaction.ts'
import type { ServerTransaction } from './types.ts'

/** What server transactions need of their layer. */
export interface ServerHost extends Shared {
  newServerId(): string
  onRequest(transaction: LiveServerTransaction): void
  onAck(ack: SipMessage, transaction: LiveServerTransaction): void
  onServerEnd(transaction: LiveServerTransaction): void
  /** Nobody has to do with it any more: keeps only what a repeat of its request needs. */
  keepRemnant(transaction: LiveServerTransaction): void
  removeServer(transaction: LiveServerTransaction): void
  /** Its final response did not go out after all. */
  dropRemnant(transaction: LiveServerTransaction): void
}

/** Stands in for the request of a transaction that only waits for its end. */
const FORGOTTEN = messageOf('FORGOTTEN sip:invalid SIP/2.0\r\nContent-Length: 0\r\n\r\n')

function messageOf(text: string): SipMessage {
  const read = readMessage(text)
  return (read as { message: SipMessage }).message
}

export class LiveServerTransaction
  extends Transaction<ServerState, ServerInput, ServerEffect, ServerHost>
  implements ServerTransaction
{
  /** What the layer finds it by. */
  readonly key: string
  /** The key has the method in it: another transaction has the plain one. */
  hasMethodKey = false
  readonly method: string
  request: SipMessage
  readonly flow: Flow
  context: unknown = undefined
  isFinal = false
  /** The response that a repeated request is answered with. */
  lastResponse: string | undefined = undefined
  #via: Via | undefined
  #id: string | undefined = undefined
  #destination: Destination | undefined = undefined
  #fallback: Destination | undefined = undefined
  /** What `#fallback` becomes when the response that was sent last turns out to be lost after `forget`. */
  #elsewhere: Destination | undefined = undefined
  readonly #failed = () => this.#fallBack()

  constructor(host: ServerHost, key: string, request: SipMessage, via: Via, flow: Flow) {
    super(host, request.method === 'INVITE' ? inviteServer : nonInviteServer, 'initial', flow.transport)
    this.key = key
    this.method = request.method
    this.request = request
    this.flow = flow
    this.#via = via
  }

  /** Made when first asked for: most transactions are never named. */
  get id(): string {
    this.#id ??= this.host.newServerId()
    return this.#id
  }

  forget(): Destination | undefined {
    if (!this.isFinal) return undefined
    if (this.#via !== undefined) this.#elsewhere = fallbackDestination(this.#via, this.flow)
    this.#via = undefined
    this.request = FORGOTTEN
    this.context = undefined
    // Over a stream nothing is repeated, and a response that was lost with its connection is still to be sent another way.
    const isRepeatable =
      this.durations.retransmit !== undefined && this.state === 'completed' && this.method !== 'INVITE'
    if (this.state === 'accepted' || isRepeatable) this.host.keepRemnant(this)
    return this.destination
  }

  /** Goes on where another process has left off. */
  takeUp(lastResponse: string | undefined, leftMs: number): void {
    this.input('taken up')
    this.lastResponse = lastResponse
    this.endIn(leftMs)
  }

  /** Ends without a word to anybody: its layer answers repeats from now on. */
  leave(): void {
    this.stopAll()
    this.state = 'terminated'
  }

  abandon(): void {
    if (this.state === 'terminated') return
    this.leave()
    this.host.removeServer(this)
  }

  get destination(): Destination | undefined {
    return this.#fallback ?? this.#destination
  }

  respond(text: string, status: number): boolean {
    const row = this.input(responseInput(status), undefined, text)
    if (row?.do === undefined) return false
    if (status >= 200) this.isFinal = true
    return true
  }

  protected get tableName(): string {
    return this.method === 'INVITE' ? 'inviteServer' : 'nonInviteServer'
  }

  protected perform(effect: ServerEffect, message: SipMessage | undefined, text: string | undefined): void {
    const { durations } = this
    switch (effect) {
      case 'request to user':
        return this.host.onRequest(this)
      case 'ack to user':
        return this.host.onAck(message!, this)
      case 'send':
        this.lastResponse = text
        return this.#send(text!)
      case 'pass':
        return this.#send(text!)
      case 'resend':
        if (this.lastResponse !== undefined) this.#send(this.lastResponse)
        return
      case 'start G':
        return this.startRepeating('timer G', durations.cap)
      case 'start H':
        return this.startEnding('timer H', durations.patience)
      case 'start I':
        return this.startEnding('timer I', durations.clear)
      case 'start J':
        return this.startEnding('timer J', durations.linger)
      case 'start L':
        // A repeated INVITE is absorbed from now on; only a connection that breaks would ask for the 2xx again.
        if (durations.retransmit !== undefined) this.lastResponse = undefined
        return this.startEnding('timer L', durations.patience)
      case 'start limit':
        return this.startEnding('timer limit', durations.patience)
      case 'stop G':
        return this.stopRepeating()
      case 'stop H':
      case 'stop limit':
        return this.stopEnding()
      case 'end':
        this.stopAll()
        return this.host.onServerEnd(this)
      default:
        effect satisfies never
    }
  }

  #send(text: string): void {
    if (this.#fallback !== undefined) return this.#sendFallback(text, this.#fallback)
    if (this.#via !== undefined) this.#destination ??= responseDestination(this.#via, this.flow)
    if (this.#destination !== undefined) this.host.transport.send(text, this.#destination, this.#failed)
  }

  /** The connection is gone, or the datagram was refused: RFC 3261 18.2.2, RFC 3263 5. */
  #fallBack(): void {
    if (this.state === 'terminated') return this.host.dropRemnant(this)
    if (this.#fallback !== undefined) return
    this.#fallback = this.#via === undefined ? this.#elsewhere : fallbackDestination(this.#via, this.flow)
    if (this.#fallback === undefined) this.failSoon()
    else if (this.lastResponse !== undefined) this.#sendFallback(this.lastResponse, this.#fallback)
  }

  #sendFallback(text: string, fallback: Destination): void {
    this.host.transport.send(text, fallback, () => this.failSoon())
  }
}

function responseInput(status: number): ServerInput {
  if (status < 200) return 'tu 1xx'
  return status < 300 ? 'tu 2xx' : 'tu 3xx-6xx'
}
