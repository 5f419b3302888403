import * as z from 'zod/mini'
import type { ActionOf } from '../../functions/contract/actions.ts'
import { contactUri, type Dialog, type DialogEnd, type DialogOwner, type Party } from '../dialog/dialog.ts'
import { ackOrphan, endOrphan, flowTo, hangUp } from '../dialog/hangup.ts'
import { DialogState, dialogOf, dialogState } from '../dialog/state.ts'
import type { MediaSession } from '../media/types.ts'
import type { Branch } from '../proxy/branch.ts'
import { isReachedByFlow } from '../registrar/nat.ts'
import type { SipMessage } from '../sip/message.ts'
import { parseUri } from '../sip/uri.ts'
import type { Flow } from '../transport/types.ts'
import type { Call } from './call.ts'
import { Doubt, type Doubted } from './doubt.ts'
import { hangUpThere } from './hang-up-there.ts'
import { latin1 } from './request-data.ts'
import type { TakenUp } from './take-up.ts'

/** An answered call as another process needs it, beside its request. Times are milliseconds since the epoch. */
export const TalkState = z.object({
  answeredAt: z.number(),
  /** When it was certainly talked on last; absent: when the record was written. */
  certainUntil: z.optional(z.number()),
  dialogs: z.array(DialogState).check(z.minLength(1)),
})
export type TalkState = z.infer<typeof TalkState>

/** The dialogs that a call has led to, from the first 2xx to the last BYE. */
export class Talk implements DialogOwner, Doubted {
  readonly dialogs: Dialog[] = []
  /** When it was answered first, milliseconds since the epoch; undefined before. */
  answeredAt: number | undefined
  readonly #call: Call
  /** Whether it goes on, after another process has followed it; undefined: it does. */
  #doubt: Doubt | undefined
  /** To tags of phones that answered when the caller was gone: each gets one BYE. */
  #orphans: Set<string> | undefined

  constructor(call: Call) {
    this.#call = call
  }

  /** A 2xx: the first one of the call, one more of its fork, or one that is repeated. */
  answered(branch: Branch, response: SipMessage): void {
    const { parts, request, telling, charged } = this.#call
    const now = parts.clock.now()
    const flows = { caller: this.#callerFlow(), callee: flowTo(branch.transaction!.destination) }
    const ends = { ...flows, aor: branch.target.binding?.aor ?? '' }
    const { dialog, isNew, isFollowed } = parts.dialogs.add(request, response, ends, this, now)
    if (!isFollowed) return this.#refuseToBill(dialog)
    if (!isNew) {
      if (this.dialogs.includes(dialog)) return
      dialog.follow(this)
    }
    this.dialogs.push(dialog)
    dialog.media = branch.media?.session?.taken()
    if (parts.callsOutlive) this.#call.suspension.keep()
    this.#call.changed()
    if (this.answeredAt !== undefined) return
    this.answeredAt = now
    charged?.begin(now)
    telling.note(`${branch.target.uri} has answered (${response.status})`)
    telling.publishCall('call.answered', response.status, response.reason)
  }

  /** One too many of its Call-ID to be followed: where somebody pays, nobody would see its end. */
  #refuseToBill(dialog: Dialog): void {
    if (this.#call.charged?.facts) hangUp(dialog, 'too many calls of one Call-ID', this.#call.parts.hangup)
  }

  /** Undefined while nobody talks. */
  get state(): TalkState | undefined {
    if (this.dialogs.length === 0) return undefined
    const certainUntil = this.#doubt?.since
    return {
      answeredAt: this.answeredAt!,
      ...(certainUntil === undefined ? {} : { certainUntil }),
      dialogs: this.dialogs.map(dialogState),
    }
  }

  /** Goes on with what another process has followed. */
  takeUp(
    { answeredAt, certainUntil, dialogs }: TalkState,
    { followedUntil, hasLeft, order }: Omit<TakenUp, 'rev'>,
  ): void {
    const { parts, request, gateway } = this.#call
    this.answeredAt = answeredAt
    const { transport } = parts.hangup
    const facts = { callId: request.callId, invite: request.text, owner: this, transport }
    for (const state of dialogs) {
      const restored = dialogOf(state, facts)
      const dialog = parts.dialogs.takeUp(restored, parts.clock.now())
      if (dialog === restored) dialog.media = this.#mediaOf(state)
      else dialog.follow(this)
      this.dialogs.push(dialog)
    }
    parts.count('answered calls taken up')
    const since = certainUntil ?? Math.max(answeredAt, followedUntil)
    const isSettled = hasLeft || gateway === parts.gatewayId
    this.#doubt = new Doubt(this, parts, { since, isSettled, order })
    if (isSettled) this.#bill()
  }

  /** Dialogs of one branch have their media in common. */
  #mediaOf({ media }: DialogState): MediaSession | undefined {
    if (media === undefined) return undefined
    const known = this.dialogs.find((dialog) => dialog.media?.param === media)?.media
    return (known ?? this.#call.parts.media?.session(media, this.#call.request.callId))?.taken()
  }

  /** Whoever has followed it may still be there, and does what is to be done. */
  get isOthers(): boolean {
    return this.#doubt?.isSettled === false
  }

  settled(): void {
    this.#bill()
    this.#call.changed()
    void this.#call.parts.elsewhere.tell(this.#call)
  }

  certain(): void {
    this.#call.note('it is still talked on')
    this.#doubt = undefined
    this.#call.changed()
  }

  endLeft(dialog: Dialog, party: Party, at: number): void {
    const end = party === dialog.caller ? 'caller' : 'callee'
    const endedAt = Math.max(at, this.answeredAt!)
    if (this.#call.parts.dialogs.remove(dialog)) dialog.ended(200, '', end, endedAt)
  }

  /** Its BYE was not seen: that it is over is told to the other end, which may not know. */
  endGone(dialog: Dialog, party: Party): void {
    const end = party === dialog.caller ? 'caller' : 'callee'
    this.#giveUp(dialog, 481, `the ${end} has gone`, end)
  }

  unheard(): void {
    for (const dialog of [...this.dialogs]) this.#giveUp(dialog, 408, 'nobody answers', 'router')
  }

  /** Nobody goes on with it; its ends may. */
  lost(): void {
    for (const dialog of [...this.dialogs]) {
      this.#leave(dialog)
      this.onDialogEnded(dialog, 408, 'the gateway was lost', 'router', this.#doubt?.since)
    }
  }

  /** It may be the dialog of another call, too, which goes on with it here: its INVITE has passed two gateways. */
  #leave(dialog: Dialog): void {
    if (!dialog.leave(this)) this.#call.parts.dialogs.letGo(dialog)
  }

  #giveUp(dialog: Dialog, status: number, reason: string, by: DialogEnd): void {
    const { hangup, dialogs, count } = this.#call.parts
    hangUp(dialog, reason, hangup)
    if (!dialogs.remove(dialog)) return
    if (this.#doubt) count('answered calls ended unseen')
    dialog.ended(status, reason, by, this.#doubt?.since)
  }

  /** From when on it was not billed is asked for with what comes next. */
  #bill(): void {
    this.#call.charged?.resume(this.answeredAt!, this.#doubt!.since)
  }

  /** Somebody else goes on with it. */
  letGo(): void {
    for (const dialog of this.dialogs.splice(0)) this.#leave(dialog)
    this.stop()
  }

  /** The process is to end. */
  stop(): void {
    this.#doubt?.stop()
    this.#call.charged?.leave()
  }

  /** A 2xx that the caller does not wait for any more. */
  orphaned(branch: Branch, response: SipMessage): void {
    const { parts, request } = this.#call
    if (request.method !== 'INVITE' || !branch.transaction) return
    const orphan = { invite: request, answer: response, flow: flowTo(branch.transaction.destination) }
    if (this.#orphans?.has(response.toTag)) return void ackOrphan(orphan, parts.hangup)
    parts.count('orphaned answers')
    this.#orphans ??= new Set()
    this.#orphans.add(response.toTag)
    void endOrphan(orphan, parts.hangup)
  }

  /** The call was answered, and its dialog is one too many of its Call-ID to be followed. */
  untracked(): void {
    const { parts, telling } = this.#call
    this.answeredAt = parts.clock.now()
    telling.lostSight('not followed from here')
  }

  /** BYE to both ends, from here or from where its media is. */
  hangUp(action: ActionOf<'hangup'>): void {
    if (action.via === undefined) this.#hangUpHere(action)
    else if (this.dialogs.length > 0)
      hangUpThere(this.#call, action, () => this.#hangUpHere(action)).catch(this.#call.parts.onBug)
  }

  #hangUpHere({ reason }: ActionOf<'hangup'>): void {
    for (const dialog of [...this.dialogs]) {
      hangUp(dialog, reason === undefined ? undefined : latin1(reason), this.#call.parts.hangup)
      if (this.#call.parts.dialogs.remove(dialog)) dialog.ended(200, reason ?? '', 'router')
    }
  }

  onDigit(_dialog: Dialog, digit: string, durationMs: number): void {
    this.#doubt?.heard()
    const { telling, request } = this.#call
    telling.note(`digit ${digit}`)
    telling.publish('dtmf', { callId: request.callId, digit, duration: durationMs, source: 'info' })
  }

  onDialogEvent(_dialog: Dialog, type: 'call.held' | 'call.transferred', reason: string): void {
    this.#call.telling.publishCall(type, 200, reason)
  }

  onDialogRefreshed(): void {
    this.#doubt?.heard()
    this.#call.changed()
  }

  onDialogEnded(dialog: Dialog, status: number, reason: string, by: DialogEnd, at?: number): void {
    const index = this.dialogs.indexOf(dialog)
    if (index < 0) return
    this.dialogs.splice(index, 1)
    this.#call.changed()
    if (this.dialogs.length > 0) return
    // Whoever may still be there has not seen its end.
    if (this.isOthers) this.#bill()
    this.#doubt?.stop()
    this.#call.telling.ended(status, reason, by, at)
    this.#call.finishIfDone()
  }

  /** Who may still be there is told: nobody talks on who is on no bill. */
  onDialogLost(dialog: Dialog): void {
    if (dialog.sessionMs === undefined) {
      if (this.#call.parts.dialogs.remove(dialog)) dialog.ended(408, 'nobody ended it', 'router', this.#doubt?.since)
    } else this.#giveUp(dialog, 408, 'the session was not refreshed', 'router')
  }

  /** The flow back to the caller, when its Contact cannot be reached as written and no proxy stands between. */
  #callerFlow(): Flow | undefined {
    const { request, flow } = this.#call
    const contact = parseUri(contactUri(request))
    const { via } = request
    const cameByProxy = request.values('Via').length > 1
    return contact && via && isReachedByFlow(contact, via, flow, cameByProxy) ? flow : undefined
  }
}
