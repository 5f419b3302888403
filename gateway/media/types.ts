import type { SipMessage } from '../sip/message.ts'

/** How the media of a fork is relayed; what `media` of the contract's `Fork` says. */
export interface MediaPolicy {
  /** What becomes of a branch while no rtpengine can be reached: it fails as 503 (default), or its media goes directly. */
  ifAway?: 'fail' | 'pass'
  /** What the callee's side is offered of ICE (RFC 8445); absent: what the caller offers, and the rtpengine as one more candidate. */
  ice?: 'remove' | 'force'
  /** RTP profile that the callee's side is offered; absent: the caller's. */
  transport?: string
}

/** Media of one branch, and of the dialogs it leads to, as an rtpengine has it: one call there. */
export interface MediaSession {
  /** Names it in a URI parameter of our Record-Route, and in the record of a suspended call. */
  readonly param: string
  /** One more dialog has it: a far end that forks may answer more than once. */
  taken(): this
  /** A dialog of it is over, or nothing has come of it: after the last one the rtpengine lets go of it. Once more does no harm. */
  end(): void
}

/** What becomes of the media of one request and its responses. */
export interface MediaLeg {
  /** Undefined when the media goes directly after all. */
  readonly session: MediaSession | undefined
  /**
   * Has the session description of the request rewritten. Never rejects.
   * @returns the request as the far end is to get it, or the status to fail with
   */
  open(request: SipMessage): Promise<SipMessage | number>
  /**
   * Passes a response on, in the order of their coming: at once when it has no session description and none is waited for.
   * @param pass undefined: this response cannot be passed on, since its session description cannot be rewritten
   */
  receive(response: SipMessage, pass: (fit: SipMessage | undefined) => void): void
  /** Nothing has come of it. A session that a dialog has goes on. */
  failed(): void
}

/** The rtpengines, as proxy and dialogs see them. */
export interface Media {
  /** @param branch unique, and the same when the same is done again after a restart */
  leg(branch: string, request: SipMessage, policy: MediaPolicy): MediaLeg
  /** The leg of a branch whose request was sent before a restart; undefined when its session cannot be read. */
  takeUp(param: string, request: SipMessage, policy: MediaPolicy): MediaLeg | undefined
  /** The session that the routes of a request name; undefined when that is none. */
  session(param: string, callId: string): MediaSession | undefined
  /** The leg of a request within a dialog. */
  dialogLeg(session: MediaSession): MediaLeg
  /**
   * Has the answer in an ACK rewritten (the 2xx had the offer). Never rejects.
   * @returns undefined when there is nothing to rewrite
   */
  acknowledge(session: MediaSession, ack: SipMessage): Promise<SipMessage> | undefined
}
