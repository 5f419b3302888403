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

  /** Adds the dialog that a 2xx to an INVITE makes; one that is there already when the 2xx is repeated, or when there are too many. */
  add(
    invite: SipMessage,
    answer: SipMessage,
    ends: { caller: Flow | undefined; callee: Flow | undefined; aor: string },
    owner: DialogOwner,
    now: number,
  ): { dialog: Dialog; isNew: boolean } {
    const known = this.find(answer)
    if (known) return { dialog: known.dialog, isNew: false }
    const first = this.#byCallId.get(invite.callId)
    if (first && lengthOf(first) >= MAX_OF_ONE_CALL) return { dialog: first, isNew: false }
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
    dialog.next = first
    this.#byCallId.set(invite.callId, dialog)
    this.#watch(dialog, answer, now)
    this.#size++
    return { dialog, isNew: true }
  }

  /** It goes on from this 2xx to an INVITE or UPDATE, unless it is over. */
  refreshed(dialog: Dialog, answer: SipMessage, now: number): void {
    if (dialog.timer !== undefined) this.#watch(dialog, answer, now)
  }

  #watch(dialog: Dialog, answer: SipMessage, now: number): void {
    const lifetime = sessionLifetime(answer)
    const leftMs = lifetime ?? dialog.answeredAt + this.#options.maxDialogMs - now
    dialog.hasSessionTimer = lifetime !== undefined
    this.#timers.stop(dialog.timer as TimerHandle | undefined)
    dialog.timer = this.#timers.start(Math.max(0, leftMs), dialog, 'dialog')
  }

  /** The dialog of a message: its tags in either order. */
  find(message: SipMessage): Found | undefined {
    for (let dialog = this.#byCallId.get(message.callId); dialog; dialog = dialog.next) {
      const { caller, callee } = dialog
      if (message.fromTag === caller.tag && message.toTag === callee.tag)
        return { dialog, sender: message.isRequest ? caller : callee }
      if (message.fromTag === callee.tag && message.toTag === caller.tag)
        return { dialog, sender: message.isRequest ? callee : caller }
    }
    return undefined
  }

  /** False when it was gone already. */
  remove(dialog: Dialog): boolean {
    let previous: Dialog | undefined
    for (let each = this.#byCallId.get(dialog.callId); each; previous = each, each = each.next) {
      if (each !== dialog) continue
      if (previous) previous.next = dialog.next
      else if (dialog.next) this.#byCallId.set(dialog.callId, dialog.next)
      else this.#byCallId.delete(dialog.callId)
      this.#timers.stop(dialog.timer as TimerHandle | undefined)
      dialog.timer = undefined
      dialog.forget()
      dialog.media?.end()
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
