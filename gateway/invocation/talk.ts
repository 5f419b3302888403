import type { ActionOf } from '../../functions/contract/actions.ts'
import { contactUri, type Dialog, type DialogEnd, type DialogOwner } from '../dialog/dialog.ts'
import { ackOrphan, endOrphan, flowTo, hangUp } from '../dialog/hangup.ts'
import type { Branch } from '../proxy/branch.ts'
import { isReachedByFlow } from '../registrar/nat.ts'
import type { SipMessage } from '../sip/message.ts'
import { parseUri } from '../sip/uri.ts'
import type { Flow } from '../transport/types.ts'
import type { Call } from './call.ts'
import { hangUpThere } from './hang-up-there.ts'
import { latin1 } from './request-data.ts'

/** The dialogs that a call has led to, from the first 2xx to the last BYE. */
export class Talk implements DialogOwner {
  readonly dialogs: Dialog[] = []
  /** When it was answered first, milliseconds since the epoch; undefined before. */
  answeredAt: number | undefined
  readonly #call: Call
  /** To tags of phones that answered when the caller was gone: each gets one BYE. */
  #orphans: Set<string> | undefined

  constructor(call: Call) {
    this.#call = call
  }

  /** A 2xx: the first one of the call, one more of its fork, or one that is repeated. */
  answered(branch: Branch, response: SipMessage): void {
    const { parts, id, request, telling, charged } = this.#call
    const now = parts.clock.now()
    const flows = { caller: this.#callerFlow(), callee: flowTo(branch.transaction!.destination) }
    const ends = { ...flows, aor: branch.target.binding?.aor ?? '' }
    const { dialog, isNew } = parts.dialogs.add(request, response, ends, this, now)
    if (!isNew) {
      if (this.dialogs.includes(dialog) || dialog.callee.tag !== response.toTag) return
      dialog.follow(this)
    }
    this.dialogs.push(dialog)
    dialog.media = branch.media?.session?.taken()
    if (this.answeredAt !== undefined) return
    this.answeredAt = now
    charged?.begin(now)
    telling.note(`${branch.target.uri} has answered (${response.status})`)
    telling.publishCall('call.answered', response.status, response.reason)
    parts.talks?.begin(id, request.callId, () => telling.recordOfAnswer(now))
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
      this.#remove(dialog, 200, reason ?? '')
    }
  }

  #remove(dialog: Dialog, status: number, reason: string): void {
    if (this.#call.parts.dialogs.remove(dialog)) dialog.ended(status, reason, 'router')
  }

  onDigit(_dialog: Dialog, digit: string, durationMs: number): void {
    const { telling, request } = this.#call
    telling.note(`digit ${digit}`)
    telling.publish('dtmf', { callId: request.callId, digit, duration: durationMs, source: 'info' })
  }

  onDialogEvent(_dialog: Dialog, type: 'call.held' | 'call.transferred', reason: string): void {
    this.#call.telling.publishCall(type, 200, reason)
  }

  onDialogEnded(dialog: Dialog, status: number, reason: string, by: DialogEnd): void {
    const at = this.dialogs.indexOf(dialog)
    if (at < 0) return
    this.dialogs.splice(at, 1)
    if (this.dialogs.length > 0) return
    this.#call.telling.ended(status, reason, by)
    this.#call.finishIfDone()
  }

  /** Who may still be there is told: nobody talks on who is on no bill. */
  onDialogLost(dialog: Dialog): void {
    const reason = dialog.hasSessionTimer ? 'the session was not refreshed' : 'nobody ended it'
    if (dialog.hasSessionTimer) hangUp(dialog, reason, this.#call.parts.hangup)
    this.#remove(dialog, 408, reason)
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
