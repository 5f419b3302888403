import type { IdSource } from '../../functions/contract/clock.ts'
import { firstDestination, type Locator, viaPrefix } from '../proxy/proxy.ts'
import { routeUri } from '../proxy/route.ts'
import { buildRequest } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import { deaf } from '../transaction/deaf.ts'
import type { ClientUser, TransactionLayer } from '../transaction/types.ts'
import type { Destination, Flow, TransportLayer } from '../transport/types.ts'
import { allows, contactUri, type Dialog, type DialogSide, type Party, sideOf } from './dialog.ts'
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
  const headers = reasonHeader(reason)
  for (const party of [dialog.caller, dialog.callee])
    void sendTo(dialog, party, { method: 'BYE', cseq: ++dialog.other(party).cseq, headers }, parts)
}

/** Of no request that an end has sent: where it is compared, the one that has it is out of order, and changes nothing (RFC 3261 12.2.2). */
const NO_CSEQ = 0

/**
 * Asks one end whether it still knows the dialog, in the name of the other: by an INFO without a body, which says nothing else and is 481
 * where it is gone (RFC 2976 2.2), or by OPTIONS where INFO is not allowed.
 * @returns the status that it answers with; 408 when it is silent, 503 when there is no way to it
 */
export function probe(dialog: Dialog, party: Party, parts: HangupParts): Promise<number> {
  const method = allows(dialog, party, 'INFO') ? 'INFO' : 'OPTIONS'
  return new Promise((resolve) => {
    const user: ClientUser = {
      onResponse: ({ status }) => status >= 200 && resolve(status),
      onTimeout: () => resolve(408),
      onTransportFailure: () => resolve(503),
    }
    void sendTo(dialog, party, { method, cseq: NO_CSEQ }, parts, user).then((isSent) => isSent || resolve(503))
  })
}

/** A request of our own, to where an end is now. @returns whether there was a way to send it by */
async function sendTo(
  dialog: Dialog,
  party: Party,
  request: Pick<InDialog, 'method' | 'cseq' | 'headers'>,
  parts: HangupParts,
  user = deaf,
): Promise<boolean> {
  const { reach } = parts
  const known = sideOf(dialog, party, parts.isOwnRoute)
  if (!known) return false
  const isLost = known.routes.length === 0 && reach.isLost(party)
  const side = isLost ? await reach.findSide(dialog, party, known) : known
  return sendInDialog({ ...request, callId: dialog.callId, side }, reach.flowTo(party), parts, user)
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
  const cseq = answer.cseq?.number ?? 1
  await sendInDialog({ method: 'ACK', callId: invite.callId, side: orphanSide(orphan, parts), cseq }, flow, parts)
}

/** Takes a call that nobody wants any more off a phone that has just answered it: ACK, then BYE. */
export async function endOrphan(orphan: Orphan, parts: HangupParts): Promise<void> {
  const { invite, answer, flow } = orphan
  await ackOrphan(orphan, parts)
  const cseq = (answer.cseq?.number ?? 1) + 1
  const headers = reasonHeader('Call completed elsewhere')
  const side = orphanSide(orphan, parts)
  await sendInDialog({ method: 'BYE', callId: invite.callId, side, cseq, headers }, flow, parts)
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

interface InDialog {
  method: string
  callId: string
  side: DialogSide
  cseq: number
  headers?: [string, string][]
}

/** @returns whether there was a way to send it by */
async function sendInDialog(
  { side, ...request }: InDialog,
  flow: Flow | undefined,
  parts: HangupParts,
  user = deaf,
): Promise<boolean> {
  const destination = await destinationOf(side, flow, parts)
  const listener = destination && parts.transport.listenerFor(destination)
  if (!destination || !listener || side.target === '') return false
  const { method } = request
  const branch = `z9hG4bK${parts.ids.next('branch')}`
  const { target: uri, from, to, routes } = side
  const text = buildRequest({ ...request, uri, via: viaPrefix(listener) + branch, from, to, routes })
  if (method === 'ACK') parts.transport.send(text, destination)
  else parts.transactions.request({ text, method, branch, destination, context: undefined }, user)
  return true
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
