import type { IdSource } from '../../functions/contract/clock.ts'
import { firstDestination, type Locator, viaPrefix } from '../proxy/proxy.ts'
import { routeUri } from '../proxy/route.ts'
import { buildRequest } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import { deaf } from '../transaction/deaf.ts'
import type { TransactionLayer } from '../transaction/types.ts'
import type { Destination, Flow, TransportLayer } from '../transport/types.ts'
import { contactUri, type Dialog, type DialogSide, type Party, sideOf } from './dialog.ts'
import type { Reach } from './reach.ts'

export interface HangupParts {
  transactions: TransactionLayer
  transport: TransportLayer
  locator: Locator
  ids: IdSource
  reach: Reach
  isOwnRoute(route: string): boolean
}

/**
 * Ends a call from the middle: BYE to both ends, each as if from the other, with that end's route set and the next CSeq of the
 * end in whose name it speaks (RFC 3261 12.2.1.1, 15.1.1).
 * @param reason text for a Reason header (RFC 3326), latin1 without CR or LF
 */
export function hangUp(dialog: Dialog, reason: string | undefined, parts: HangupParts): void {
  for (const party of [dialog.caller, dialog.callee]) {
    const side = sideOf(dialog, party, parts.isOwnRoute)
    if (side) void sayBye(dialog, party, side, reason, parts)
  }
}

async function sayBye(
  dialog: Dialog,
  party: Party,
  known: DialogSide,
  reason: string | undefined,
  parts: HangupParts,
): Promise<void> {
  const { reach } = parts
  const cseq = ++dialog.other(party).cseq
  const isLost = known.routes.length === 0 && reach.isLost(party)
  const side = isLost ? await reach.findSide(dialog, party, known) : known
  await sendInDialog('BYE', dialog.callId, side, cseq, reach.flowTo(party), reasonHeader(reason), parts)
}

/** A destination that is a flow: it was chosen because the address alone would not do. */
export function flowTo(destination: Destination): Flow | undefined {
  return destination.connection === undefined ? undefined : (destination as Flow)
}

/** A 2xx that nobody takes any more, and the way back to who sent it. */
export interface Orphan {
  /** The INVITE as the caller sent it. */
  invite: SipMessage
  answer: SipMessage
  flow: Flow | undefined
}

/** ACK for a 2xx that cannot be passed on: its sender repeats it until there is one. */
export async function ackOrphan(orphan: Orphan, parts: HangupParts): Promise<void> {
  const { invite, answer, flow } = orphan
  await sendInDialog('ACK', invite.callId, orphanSide(orphan, parts), answer.cseq?.number ?? 1, flow, [], parts)
}

/** Takes a call that nobody wants any more off a phone that has just answered it: ACK, then BYE. */
export async function endOrphan(orphan: Orphan, parts: HangupParts): Promise<void> {
  const { invite, answer, flow } = orphan
  await ackOrphan(orphan, parts)
  const cseq = (answer.cseq?.number ?? 1) + 1
  const headers = reasonHeader('Call completed elsewhere')
  await sendInDialog('BYE', invite.callId, orphanSide(orphan, parts), cseq, flow, headers, parts)
}

function orphanSide({ invite, answer }: Orphan, parts: HangupParts): DialogSide {
  const recorded = answer.values('Record-Route')
  const own = recorded.findIndex(parts.isOwnRoute)
  return {
    target: contactUri(answer),
    routes: recorded.slice(0, Math.max(0, own)).reverse(),
    from: invite.header('From') ?? '',
    to: answer.header('To') ?? '',
  }
}

async function sendInDialog(
  method: 'ACK' | 'BYE',
  callId: string,
  side: DialogSide,
  cseq: number,
  flow: Flow | undefined,
  headers: [string, string][],
  parts: HangupParts,
): Promise<void> {
  const destination = await destinationOf(side, flow, parts)
  const listener = destination && parts.transport.listenerFor(destination)
  if (!destination || !listener || side.target === '') return
  const branch = `z9hG4bK${parts.ids.next('branch')}`
  const text = buildRequest({
    method,
    uri: side.target,
    via: viaPrefix(listener) + branch,
    from: side.from,
    to: side.to,
    callId,
    cseq,
    routes: side.routes,
    headers,
  })
  if (method === 'ACK') parts.transport.send(text, destination)
  else parts.transactions.request({ text, method, branch, destination, context: undefined }, deaf)
}

async function destinationOf(
  side: DialogSide,
  flow: Flow | undefined,
  parts: HangupParts,
): Promise<Destination | undefined> {
  if (side.routes.length === 0 && flow && parts.transport.isAlive(flow)) return flow
  return firstDestination(side.routes.length > 0 ? routeUri(side.routes[0]!) : side.target, parts.locator)
}

function reasonHeader(reason: string | undefined): [string, string][] {
  return reason === undefined ? [] : [['Reason', reasonValue(reason)]]
}

/** The value of a Reason header that has only a text (RFC 3326); latin1, line ends become blanks. */
export function reasonValue(text: string): string {
  return `SIP;text="${text.replace(/[\r\n\0]/g, ' ').replace(/[\\"]/g, '\\$&')}"`
}
