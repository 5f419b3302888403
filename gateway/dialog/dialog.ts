import type { MediaSession } from '../media/types.ts'
import { readMessage, type SipMessage } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import type { Flow } from '../transport/types.ts'

/** One end of a dialog, as seen from this proxy in the middle. */
export interface Party {
  tag: string
  /** Highest CSeq of the requests this party has sent in the dialog; 0 before any. */
  cseq: number
  /**
   * The flow to reach it by when its Contact cannot be; undefined: by its remote target. `unknown`: there may have been one, in another
   * process, so that it is looked up before anything is sent to it, see Reach.
   */
  flow: Flow | 'unknown' | undefined
  /** Remote target as last refreshed (RFC 3261 12.2.1.2); '' until asked for, see `remoteTarget`. */
  target: string
}

/**
 * A confirmed INVITE dialog that passed through this proxy. The two messages that made it are kept as text: what is only needed to end
 * a call from the middle is read when that happens.
 */
export class Dialog {
  readonly callId: string
  readonly caller: Party
  readonly callee: Party
  /** Whose registered device the callee is: the address-of-record of the binding that was called; '' when it was none. */
  readonly aor: string
  /** Milliseconds since the epoch of the first 2xx. */
  readonly answeredAt: number
  /** The INVITE as the caller sent it. */
  inviteText: string
  /** The 2xx as it came from the callee's side: our own Record-Route values are in it. */
  answerText: string
  /** Who is told of what happens in the dialog. */
  owner: DialogOwner
  held = false
  /** Its ends have agreed on how often it is refreshed: when it is not in this time, it is over (RFC 4028). Milliseconds. */
  sessionMs: number | undefined
  /** Its media is relayed until it is over. */
  media: MediaSession | undefined
  /** The next dialog of the same Call-ID, when an INVITE was answered more than once. */
  next: Dialog | undefined
  timer: unknown
  #followers: DialogOwner[] | undefined

  constructor(parts: {
    callId: string
    caller: Party
    callee: Party
    aor: string
    answeredAt: number
    inviteText: string
    answerText: string
    owner: DialogOwner
  }) {
    this.callId = parts.callId
    this.caller = parts.caller
    this.callee = parts.callee
    this.aor = parts.aor
    this.answeredAt = parts.answeredAt
    this.inviteText = parts.inviteText
    this.answerText = parts.answerText
    this.owner = parts.owner
  }

  /** The other end than `party`. */
  other(party: Party): Party {
    return party === this.caller ? this.callee : this.caller
  }

  /** An INVITE that has passed here before, and come back, has led to the same dialog. */
  follow(owner: DialogOwner): void {
    this.#followers ??= []
    this.#followers.push(owner)
  }

  /** It goes on without one of those whose dialog it is. @returns false when nobody is left whose dialog it is */
  leave(owner: DialogOwner): boolean {
    if (owner !== this.owner) {
      this.#followers = this.#followers?.filter((each) => each !== owner)
      return true
    }
    const next = this.#followers?.shift()
    if (next) this.owner = next
    return next !== undefined
  }

  /** Tells everybody whose dialog it is that it is over. @param at when, milliseconds since the epoch; default now */
  ended(status: number, reason: string, by: DialogEnd, at?: number): void {
    this.owner.onDialogEnded(this, status, reason, by, at)
    for (const follower of this.#followers ?? []) follower.onDialogEnded(this, status, reason, by, at)
  }

  /** It is over: lets go of what is large, since transactions may point here a while longer. */
  forget(): void {
    this.inviteText = ''
    this.answerText = ''
  }

  onTimer(): void {
    this.timer = undefined
    this.owner.onDialogLost(this)
  }
}

/** Who has ended a call. */
export type DialogEnd = 'caller' | 'callee' | 'router'

export interface DialogOwner {
  onDialogEvent(dialog: Dialog, type: 'call.held' | 'call.transferred', reason: string): void
  /** A re-INVITE or UPDATE was answered: its session goes on, its ends may be elsewhere. */
  onDialogRefreshed(dialog: Dialog): void
  /** A digit pressed by one end (SIP INFO). */
  onDigit(dialog: Dialog, digit: string, durationMs: number): void
  /** BYE has passed, or the far end no longer knows the dialog. @param at see `Dialog.ended` */
  onDialogEnded(dialog: Dialog, status: number, reason: string, by: DialogEnd, at?: number): void
  /** Nobody has refreshed its session in time, or nobody said BYE in all the time a dialog may live here. */
  onDialogLost(dialog: Dialog): void
}

/** What is needed to send a request of our own to one end of a dialog. */
export interface DialogSide {
  /** Request-URI. */
  target: string
  /** Route values, topmost first (RFC 3261 12.2.1.1), only those beyond this proxy. */
  routes: string[]
  /** From and To header values as that end knows them. */
  from: string
  to: string
}

/** Whether that end takes requests of this method, as far as it has said so (RFC 3261 20.5). */
export function allows(dialog: Dialog, party: Party, method: string): boolean {
  const allowed = messageOf(dialog, party)?.values('Allow') ?? []
  return allowed.length === 0 || allowed.includes(method)
}

/**
 * The route set, remote target and addresses for a request from this proxy to `party`.
 * @param isOwnRoute whether a Record-Route value is one of ours
 */
export function sideOf(dialog: Dialog, party: Party, isOwnRoute: (route: string) => boolean): DialogSide | undefined {
  const invite = read(dialog.inviteText)
  const answer = read(dialog.answerText)
  if (!invite || !answer) return undefined
  const caller = invite.header('From') ?? ''
  const callee = answer.header('To') ?? ''
  const recorded = answer.values('Record-Route')
  const own = recorded.map(isOwnRoute)
  const toCallee = party === dialog.callee
  return {
    target: remoteTarget(dialog, party),
    // Values above ours were added between us and the callee, those below between the caller and us.
    routes: toCallee
      ? recorded.slice(0, Math.max(0, own.indexOf(true))).reverse()
      : recorded.slice(own.lastIndexOf(true) + 1),
    from: toCallee ? caller : callee,
    to: toCallee ? callee : caller,
  }
}

/** The Contact of an end: what requests to it carry as Request-URI. */
export function remoteTarget(dialog: Dialog, party: Party): string {
  if (party.target === '') {
    const message = messageOf(dialog, party)
    party.target = (message && contactUri(message)) || (message?.uri ?? '')
  }
  return party.target
}

/** The message by which an end came into the dialog; undefined once that is forgotten. */
export function messageOf(dialog: Dialog, party: Party): SipMessage | undefined {
  return read(party === dialog.caller ? dialog.inviteText : dialog.answerText)
}

/** URI of the only Contact of a message; '' when there is none. */
export function contactUri(message: SipMessage): string {
  const contact = message.header('Contact')
  return contact === undefined ? '' : (parseNameAddr(contact)?.uri ?? '')
}

function read(text: string): SipMessage | undefined {
  const result = readMessage(text)
  return result.ok ? result.message : undefined
}
