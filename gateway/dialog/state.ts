import * as z from 'zod/mini'
import { flowOf, Place, placeOf } from '../proxy/state.ts'
import type { TransportLayer } from '../transport/types.ts'
import { Dialog, type DialogOwner, type Party } from './dialog.ts'

/** A confirmed dialog as plain JSON, so that another process can go on with it. The INVITE that it began with is kept beside it. */

const PartyState = z.object({
  tag: z.string(),
  cseq: z.number(),
  /** Absent: as its INVITE or 2xx says. */
  target: z.optional(z.string()),
  /** See `Party.flow`: a connection goes with its process. */
  flow: z.optional(z.union([z.literal('unknown'), Place])),
})
type PartyState = z.infer<typeof PartyState>

export const DialogState = z.object({
  caller: PartyState,
  callee: PartyState,
  /** See `Dialog.aor`. */
  aor: z.string(),
  /** Milliseconds since the epoch. */
  answeredAt: z.number(),
  /** The 2xx, see `Dialog.answerText`. */
  answer: z.string(),
  held: z.optional(z.literal(true)),
  /** See `Dialog.sessionMs`. */
  sessionMs: z.optional(z.number()),
  /** Where its media is relayed, see MediaSession. */
  media: z.optional(z.string()),
})
export type DialogState = z.infer<typeof DialogState>

/** What each end may have sent since the record was written: requests of our own are numbered beyond that (RFC 3261 12.2.1.1). */
const UNSEEN_REQUESTS = 1000
/** RFC 3261 8.1.1.5. */
const LAST_CSEQ = 2 ** 31 - 1

export function dialogState(dialog: Dialog): DialogState {
  const { caller, callee, aor, answeredAt, answerText: answer, held, sessionMs, media } = dialog
  return {
    caller: partyState(caller),
    callee: partyState(callee),
    aor,
    answeredAt,
    answer,
    ...(held && { held }),
    ...(sessionMs === undefined ? {} : { sessionMs }),
    ...(media && { media: media.param }),
  }
}

function partyState({ tag, cseq, target, flow }: Party): PartyState {
  return {
    tag,
    cseq,
    ...(target === '' ? {} : { target }),
    ...(flow === undefined ? {} : { flow: flow !== 'unknown' && flow.transport === 'udp' ? placeOf(flow) : 'unknown' }),
  }
}

/** The dialog that `dialogState` wrote down. @param invite text of the INVITE */
export function dialogOf(
  { caller, callee, aor, answeredAt, answer, held, sessionMs }: DialogState,
  {
    callId,
    invite,
    owner,
    transport,
  }: { callId: string; invite: string; owner: DialogOwner; transport: TransportLayer },
): Dialog {
  const dialog = new Dialog({
    callId,
    caller: partyOf(caller, transport),
    callee: partyOf(callee, transport),
    aor,
    answeredAt,
    inviteText: invite,
    answerText: answer,
    owner,
  })
  dialog.held = held === true
  dialog.sessionMs = sessionMs
  return dialog
}

function partyOf({ tag, cseq, target = '', flow }: PartyState, transport: TransportLayer): Party {
  const beyond = Math.min(cseq + UNSEEN_REQUESTS, LAST_CSEQ - 1)
  return { tag, cseq: beyond, target, flow: flow === 'unknown' ? flow : flow && flowOf(flow, transport) }
}
