import type { SipMessage } from '../sip/message.ts'
import type { Destination, Flow } from '../transport/types.ts'

/** Timers of RFC 3261 17.1.1.1, in milliseconds. */
export interface TransactionTimers {
  /** Round-trip estimate; default 500. */
  t1: number
  /** Cap of the retransmission interval; default 4000. */
  t2: number
  /** How long the network may keep a message; default 5000. */
  t4: number
}

/** The request side of a transaction user: what the layer tells a proxy or user agent server. */
export interface ServerUser {
  /** A new request, never a retransmission, an ACK or a CANCEL. What belongs to it may be kept in `transaction.context`. */
  onRequest(request: SipMessage, transaction: ServerTransaction): void
  /** ACK that matches no INVITE transaction: the ACK of a 2xx, to be forwarded statelessly. */
  onAck(request: SipMessage, flow: Flow): void
  /** A CANCEL that matches nothing here. @returns whether somebody else may have its INVITE: then it is refused only when nobody has answered it in twice T4 */
  onStrayCancel?(cancel: SipMessage, flow: Flow): boolean
  /** CANCEL of a live INVITE server transaction; the layer has already answered the CANCEL itself with 200. */
  onCancel(cancel: SipMessage, invite: ServerTransaction): void
  /** The server transaction is over (also after a transport failure): drop what belongs to it. Called exactly once. */
  onServerEnd(transaction: ServerTransaction): void
}

export interface ServerTransaction {
  readonly id: string
  readonly method: string
  readonly request: SipMessage
  readonly flow: Flow
  /** Whatever the user keeps with it. */
  context: unknown
  /** A final response was sent. */
  readonly isFinal: boolean
  /** What a repeat of the request is answered with: the last response, undefined before any. */
  readonly lastResponse: string | undefined
  /**
   * Sends a response: whole text of the message and its status. Provisional after final, or a second non-2xx final, is
   * ignored and returns false. 2xx to INVITE may be repeated (Accepted, RFC 6026) and go out even after another final response
   * (RFC 3261 16.7 step 5).
   */
  respond(text: string, status: number): boolean
  /**
   * The user has no more to do with it: after the final response, what is left is absorbing repeats. Neither `request` nor `context` is
   * there any more, and `onServerEnd` is not called.
   * @returns where its responses go, for `ClientTransaction.forget`; undefined when it is not over yet
   */
  forget(): Destination | undefined
  /** Ends at once and without a word: somebody else goes on with it. `onServerEnd` is not called. */
  abandon(): void
}

/** The response side of a transaction user: one object per client transaction or one for many, told apart by `context`. */
export interface ClientUser {
  /** 1xx (never a retransmission of a final the layer absorbs), the first non-2xx final, every 2xx of an INVITE. */
  onResponse(response: SipMessage, transaction: ClientTransaction): void
  /** Timer B or F: nothing final came. Treat as 408 (RFC 3261 16.8 and 17.1.1.2). */
  onTimeout(transaction: ClientTransaction): void
  /** Nothing could be sent: treat as 503 (RFC 3261 16.9). */
  onTransportFailure(transaction: ClientTransaction): void
}

export interface ClientTransaction {
  readonly branch: string
  readonly method: string
  readonly destination: Destination
  readonly context: unknown
  /** The request as sent. */
  readonly requestText: string
  readonly state: string
  /** Reason header value of its CANCEL, once it was cancelled with one. */
  readonly cancelReason: string | undefined
  /**
   * INVITE: sends CANCEL, at once when a provisional has come, else as soon as one does (RFC 3261 9.1); the layer runs the CANCEL's own
   * transaction; when no final follows within 64*T1 `onTimeout` is called. `reason` is the value of a Reason header (RFC 3326).
   */
  cancel(reason?: string): void
  /**
   * The user has no more to do with it, once a final response has come: repeats of that go no further, but those of a 2xx to an
   * INVITE are passed on to `back`. Does nothing before.
   */
  forget(back: Destination): void
  /** Ends at once and without a word: somebody else goes on with it. */
  abandon(): void
}

export interface OutgoingRequest {
  /** Whole text whose top Via holds `branch`. */
  text: string
  method: string
  branch: string
  destination: Destination
  context: unknown
}

/** Where a transaction stood that another process began. */
export interface Progress {
  /** A provisional response had come, or had been sent. */
  isProceeding: boolean
  /** Milliseconds that are left of the time it had from its beginning, 64*T1; see `TransactionLayer.patienceMs`. */
  leftMs: number
}

export interface TransactionLayer {
  /** Input from the transport after reading; `received`/`rport` are already in the text of requests when they are forwarded, not here. */
  receiveRequest(request: SipMessage, flow: Flow): void
  /** False when it matches no client transaction: dropped and counted (RFC 3261 18.1.2 and 16.7 with RFC 6026). */
  receiveResponse(response: SipMessage, flow: Flow): boolean
  /** Starts a client transaction. `user` is called later, never during this call. */
  request(outgoing: OutgoingRequest, user: ClientUser): ClientTransaction
  /** Milliseconds a transaction has until somebody answers: 64*T1 (timers B and F). */
  readonly patienceMs: number
  /**
   * Goes on with a request that was received before a restart and has no final response yet. `lastResponse` answers its repeats. Nobody
   * is told of it by `onRequest`.
   * @returns undefined when the request has a transaction already, or no Via
   */
  takeUpServer(
    request: SipMessage,
    flow: Flow,
    lastResponse: string | undefined,
    progress: Progress,
  ): ServerTransaction | undefined
  /** Goes on with a request that was sent before a restart: to the far end, whatever is sent of it is a repeat. */
  takeUpClient(outgoing: OutgoingRequest, user: ClientUser, progress: Progress): ClientTransaction
  /** Live server and client transactions and pending timers: zero when idle. */
  readonly counts: { server: number; client: number; timers: number }
  /** Surprises: inputs no table has a row for, unmatched responses and the like, by name. */
  readonly surprises: Map<string, number>
}
