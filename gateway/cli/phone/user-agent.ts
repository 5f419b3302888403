import type { Clock, IdSource } from '../../../functions/contract/clock.ts'
import { formatHost } from '../../../functions/contract/uri/sip-uri.ts'
import { buildRequest, buildResponse, type NewRequest, type ResponseOptions, receivedOf } from '../../sip/build.ts'
import { readMessage, type SipMessage } from '../../sip/message.ts'
import { createTransactionLayer, type ServingTransactionLayer } from '../../transaction/layer.ts'
import { createTimerQueue } from '../../transaction/timer-queue.ts'
import type { ClientTransaction, ClientUser, ServerTransaction, ServerUser } from '../../transaction/types.ts'
import { createTransportLayer } from '../../transport/layer.ts'
import type { Address, Destination, Listener, Network, TransportLayer, TransportName } from '../../transport/types.ts'
import { authorization } from './authorization.ts'

export interface UserAgentOptions {
  /** Own IP address, without brackets. */
  address: string
  transport: TransportName
  /** The router: whatever is sent goes there. */
  server: Address
  /** For routers that ask for a password. */
  credentials?: { user: string; password: string } | undefined
  network: Network
  clock: Clock
  ids: IdSource
  onMessage(direction: 'sent' | 'received', message: SipMessage): void
}

/** What a phone hears of the requests that come to it. */
export interface IncomingRequests {
  onRequest(request: SipMessage, transaction: ServerTransaction): void
  onAck(ack: SipMessage): void
  onCancel(invite: ServerTransaction): void
}

/** A request of a phone; its Via is the user agent's matter. */
export type PhoneRequest = Omit<NewRequest, 'via'>

export interface Asked {
  /** Absent: nobody answered within 32 s, or nothing could be sent. */
  readonly final: Promise<SipMessage | undefined>
  /** For an INVITE that rings. */
  cancel(): void
}

interface Pending {
  request: PhoneRequest
  isRepeatable: boolean
  onProvisional: (response: SipMessage) => void
  onAgain: (response: SipMessage) => void
  settle: (final: SipMessage | undefined) => void
  transaction?: ClientTransaction
  isSettled: boolean
}

/** The sockets and transactions of a phone (RFC 3261 8 and 17), on the router's own layers. Answers challenges when it knows a password. */
export class UserAgent implements ServerUser, ClientUser {
  readonly #options: UserAgentOptions
  readonly #incoming: IncomingRequests
  readonly #transport: TransportLayer
  readonly #transactions: ServingTransactionLayer
  #nonceCount = 0

  private constructor(options: UserAgentOptions, incoming: IncomingRequests) {
    const { address, transport, network, clock, ids } = options
    this.#options = options
    this.#incoming = incoming
    const listener: Listener = { transport, address, port: 0, advertisedHost: formatHost(address), advertisedPort: 0 }
    this.#transport = createTransportLayer({
      ...{ network, clock, listeners: [listener] },
      tap: {
        received: (text) => this.#tell('received', text),
        sent: (text) => this.#tell('sent', text),
      },
    })
    this.#transactions = createTransactionLayer({
      transport: this.#transport,
      timers: createTimerQueue(clock),
      ids,
      times: { t1: 500, t2: 4000, t4: 5000 },
      server: this,
    })
  }

  /** On a port that is free. Rejects when the address is none of this machine's. */
  static async open(options: UserAgentOptions, incoming: IncomingRequests): Promise<UserAgent> {
    const agent = new UserAgent(options, incoming)
    await agent.#transport.start(agent.#receive, () => {})
    return agent
  }

  /** `127.0.0.1:40512` */
  get hostPort(): string {
    const { advertisedHost, advertisedPort } = this.#transport.listeners[0]!
    return `${advertisedHost}:${advertisedPort}`
  }

  /**
   * Sends a request. A challenge is answered once, when there is a password.
   * @param hears further responses: provisional ones, and the repeats of a 2xx to an INVITE
   */
  ask(
    request: PhoneRequest,
    hears: Partial<Pick<Pending, 'onProvisional' | 'onAgain'>> = {},
  ): Asked & { readonly cseq: number } {
    const { promise, resolve } = Promise.withResolvers<SipMessage | undefined>()
    const pending: Pending = {
      request: { ...request },
      isRepeatable: this.#options.credentials !== undefined,
      onProvisional: () => {},
      onAgain: () => {},
      ...hears,
      settle: resolve,
      isSettled: false,
    }
    this.#send(pending)
    return {
      final: promise,
      cancel: () => pending.transaction?.cancel(),
      get cseq() {
        return pending.request.cseq
      },
    }
  }

  /** An ACK for a 2xx belongs to no transaction (RFC 3261 13.2.2.4). */
  acknowledge(request: PhoneRequest): void {
    this.#transport.send(buildRequest({ ...request, via: this.#via(this.#newBranch()) }), this.#server)
  }

  respond(
    transaction: ServerTransaction,
    status: number,
    reason: string,
    options: Pick<ResponseOptions, 'toTag' | 'headers' | 'body' | 'contentType'> = {},
  ): void {
    const { request, flow } = transaction
    const received = receivedOf(request, flow.remoteAddress, flow.remotePort)
    const text = buildResponse(request, status, reason, { received, ...options })
    transaction.respond(text, status)
  }

  close(): Promise<void> {
    return this.#transport.stop()
  }

  onRequest(request: SipMessage, transaction: ServerTransaction): void {
    this.#incoming.onRequest(request, transaction)
  }

  onAck(ack: SipMessage): void {
    this.#incoming.onAck(ack)
  }

  onCancel(_cancel: SipMessage, invite: ServerTransaction): void {
    this.#incoming.onCancel(invite)
  }

  onServerEnd(): void {}

  onResponse(response: SipMessage, { context }: ClientTransaction): void {
    const pending = context as Pending
    if (response.status < 200) pending.onProvisional(response)
    else if (pending.isSettled) pending.onAgain(response)
    else if (!this.#authorized(pending, response)) this.#settle(pending, response)
  }

  onTimeout({ context }: ClientTransaction): void {
    this.#settle(context as Pending, undefined)
  }

  onTransportFailure({ context }: ClientTransaction): void {
    this.#settle(context as Pending, undefined)
  }

  #settle(pending: Pending, final: SipMessage | undefined): void {
    pending.isSettled = true
    pending.settle(final)
  }

  /** Asks again with credentials (RFC 3261 22.2). @returns whether it did */
  #authorized(pending: Pending, challenge: SipMessage): boolean {
    const { credentials, ids } = this.#options
    const { status } = challenge
    if ((status !== 401 && status !== 407) || !pending.isRepeatable || !credentials) return false
    const { method, uri } = pending.request
    const header = authorization(challenge, {
      ...credentials,
      method,
      uri,
      cnonce: ids.next('cnonce'),
      count: ++this.#nonceCount,
    })
    if (!header) return false
    pending.isRepeatable = false
    const { cseq, headers = [] } = pending.request
    pending.request = { ...pending.request, cseq: cseq + 1, headers: [...headers, header] }
    this.#send(pending)
    return true
  }

  #send(pending: Pending): void {
    const { method } = pending.request
    const branch = this.#newBranch()
    const text = buildRequest({ ...pending.request, via: this.#via(branch) })
    const outgoing = { text, method, branch, destination: this.#server, context: pending }
    pending.transaction = this.#transactions.request(outgoing, this)
  }

  readonly #receive = (text: string, flow: Parameters<ServingTransactionLayer['receiveRequest']>[1]): void => {
    const read = readMessage(text)
    if (!read.ok) return
    if (read.message.isRequest) this.#transactions.receiveRequest(read.message, flow)
    else this.#transactions.receiveResponse(read.message, flow)
  }

  get #server(): Destination {
    const { transport, server } = this.#options
    return { transport, remoteAddress: server.address, remotePort: server.port }
  }

  #newBranch(): string {
    return `z9hG4bK${this.#options.ids.next('branch')}`
  }

  #via(branch: string): string {
    return `SIP/2.0/${this.#options.transport.toUpperCase()} ${this.hostPort};branch=${branch};rport`
  }

  #tell(direction: 'sent' | 'received', text: string): void {
    const read = readMessage(text)
    if (read.ok) this.#options.onMessage(direction, read.message)
  }
}
