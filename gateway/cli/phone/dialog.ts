import { parseContacts } from '../../sip/contact.ts'
import type { SipMessage } from '../../sip/message.ts'
import type { PhoneRequest } from './user-agent.ts'

/** What a phone keeps of a dialog (RFC 3261 12): header values as they are written. */
export interface PhoneDialog {
  from: string
  to: string
  callId: string
  /** Of the last request that went out. */
  cseq: number
  /** Remote target. */
  target: string
  routes: string[]
}

/** The caller's side, by the 2xx (12.1.2). */
export function dialogOfAnswer(answer: SipMessage): PhoneDialog {
  return {
    from: answer.header('From') ?? '',
    to: answer.header('To') ?? '',
    callId: answer.callId,
    cseq: answer.cseq?.number ?? 0,
    target: contactOf(answer),
    routes: answer.values('Record-Route').reverse(),
  }
}

/** The callee's side, by the INVITE and the tag it was answered with (12.1.1). */
export function dialogOfInvite(invite: SipMessage, tag: string): PhoneDialog {
  return {
    from: `${invite.header('To') ?? ''};tag=${tag}`,
    to: invite.header('From') ?? '',
    callId: invite.callId,
    cseq: 0,
    target: contactOf(invite),
    routes: invite.values('Record-Route'),
  }
}

/** The next request within it. */
export function withinDialog(dialog: PhoneDialog, method: string, contact: string): PhoneRequest {
  const { from, to, callId, target, routes } = dialog
  // An ACK has the number of its INVITE (13.2.2.4).
  const cseq = method === 'ACK' ? dialog.cseq : ++dialog.cseq
  return { method, uri: target, from, to, callId, cseq, routes, contact }
}

function contactOf(message: SipMessage): string {
  const read = parseContacts(message)
  return (read.ok && read.contacts[0]?.nameAddr.uri) || message.from?.uri || ''
}
