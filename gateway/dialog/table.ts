import type { SipMessage } from '../sip/message.ts'
import { SteadyMap } from '../transaction/steady-map.ts'
import type { TimerHandle, TimerQueue } from '../transaction/timer-queue.ts'
import type { Flow } from '../transport/types.ts'
import { Dialog, type DialogOwner, type Party } from './dialog.ts'
import { sessionLifetime } from './session-timer.ts'

export interface DialogOptions {
  /** A dialog without session timer that nobody ends is forgotten after this long. Milliseconds, default 12 hours. */
  maxDialogMs: number
}

/** Dialogs of one Call-ID that are tracked: a fork has a few, an attack has thousands. Others still pass by their routes. */
const MAX_OF_ONE_CALL = 32

/** A dialog and which of its ends sent the message in hand. */
export interface Found {
  dialog: Dialog
  sender: Party
}

/** The confirmed dialogs that pass through this gateway, by Call-ID and tags (RFC 3261 12). */
export class DialogTable {
  readonly #byCallId = new SteadyMap<Dialog>()
  readonly #timers: TimerQueue
  readonly #options: DialogOptions
  #size = 0

  constructor(timers: TimerQueue, options: DialogOptions) {
    this.#timers = timers
    this.#options = options
  }

  get size(): number {
    return this.#size
  }

  /**
   * Adds the dialog that a 2xx to an INVITE makes.
   * @returns that which is there already when the 2xx is repeated; `isFollowed` false: there are too many, and it is not in the table
   */
  add(
    invite: SipMessage,
    answer: SipMessage,
    ends: { caller: Flow | undefined; callee: Flow | undefined; aor: string },
    owner: DialogOwner,
    now: number,
  ): { dialog: Dialog; isNew: boolean; isFollowed: boolean } {
    const known = this.find(answer)
    if (known) return { dialog: known.dialog, isNew: false, isFollowed: true }
    const dialog = new Dialog({
      callId: invite.callId,
      caller: { tag: invite.fromTag, cseq: invite.cseq?.number ?? 0, flow: ends.caller, target: '' },
      callee: { tag: answer.toTag, cseq: 0, flow: ends.callee, target: '' },
      aor: ends.aor,
      answeredAt: now,
      inviteText: invite.text,
      answerText: answer.text,
      owner,
    })
    const first = this.#byCallId.get(invite.callId)
    if (first && lengthOf(first) >= MAX_OF_ONE_CALL) return { dialog, isNew: true, isFollowed: false }
    dialog.sessionMs = sessionLifetime(answer)
    this.#insert(dialog, now)
    return { dialog, isNew: true, isFollowed: true }
  }

  /** Goes on with a dialog that another process has followed: its session lasts as if it had just been refreshed. @returns the one that is there already, or this */
  takeUp(dialog: Dialog, now: number): Dialog {
    const { callId, caller, callee } = dialog
    const known = this.#find(callId, caller.tag, callee.tag)
    if (!known) this.#insert(dialog, now)
    return known ?? dialog
  }

  #insert(dialog: Dialog, now: number): void {
    dialog.next = this.#byCallId.get(dialog.callId)
    this.#byCallId.set(dialog.callId, dialog)
    this.#watch(dialog, now)
    this.#size++
  }

  /** It goes on from this 2xx to an INVITE or UPDATE, unless it is over. */
  refreshed(dialog: Dialog, answer: SipMessage, now: number): void {
    if (dialog.timer === undefined) return
    dialog.sessionMs = sessionLifetime(answer)
    this.#watch(dialog, now)
  }

  #watch(dialog: Dialog, now: number): void {
    const leftMs = dialog.sessionMs ?? dialog.answeredAt + this.#options.maxDialogMs - now
    this.#timers.stop(dialog.timer as TimerHandle | undefined)
    dialog.timer = this.#timers.start(Math.max(0, leftMs), dialog, 'dialog')
  }

  /** The dialog of a message: its tags in either order. */
  find(message: SipMessage): Found | undefined {
    const { callId, fromTag, toTag, isRequest } = message
    const forth = this.#find(callId, fromTag, toTag)
    if (forth) return { dialog: forth, sender: isRequest ? forth.caller : forth.callee }
    const back = this.#find(callId, toTag, fromTag)
    return back && { dialog: back, sender: isRequest ? back.callee : back.caller }
  }

  #find(callId: string, callerTag: string, calleeTag: string): Dialog | undefined {
    let dialog = this.#byCallId.get(callId)
    while (dialog && (dialog.caller.tag !== callerTag || dialog.callee.tag !== calleeTag)) dialog = dialog.next
    return dialog
  }

  /** It is over. False when it was gone already. */
  remove(dialog: Dialog): boolean {
    const { media } = dialog
    if (!this.letGo(dialog)) return false
    media?.end()
    return true
  }

  /** It is for somebody else to go on with, and its media too. False when it was gone already. */
  letGo(dialog: Dialog): boolean {
    let previous: Dialog | undefined
    for (let each = this.#byCallId.get(dialog.callId); each; previous = each, each = each.next) {
      if (each !== dialog) continue
      if (previous) previous.next = dialog.next
      else if (dialog.next) this.#byCallId.set(dialog.callId, dialog.next)
      else this.#byCallId.delete(dialog.callId)
      this.#timers.stop(dialog.timer as TimerHandle | undefined)
      dialog.timer = undefined
      dialog.forget()
      this.#size--
      return true
    }
    return false
  }
}

function lengthOf(first: Dialog): number {
  let length = 0
  for (let dialog: Dialog | undefined = first; dialog; dialog = dialog.next) length++
  return length
}
