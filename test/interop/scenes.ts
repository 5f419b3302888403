import {
  accepts,
  ack,
  ackFailure,
  answered,
  bye,
  cancel,
  mayReceive,
  pauses,
  receives,
  replies,
  type Step,
} from './sipp-steps.ts'

/** What callers and phones do again and again, as steps. */

/** Provisional responses a caller may hear while phones ring or wake. */
export const PROGRESS = mayReceive(100, 180, 181, 182, 183)
/** The caller is answered, talks for a moment and hangs up. */
export const TALKS: readonly Step[] = [answered(), ack(), pauses(200), bye(), receives(200)]
/** The caller gives up. */
export const GIVES_UP: readonly Step[] = [cancel(), receives(200), receives(487), ackFailure()]
/** The callee's phone rings. */
export const RINGS: readonly Step[] = [receives('INVITE'), replies(180, 'Ringing')]
/** The callee answers, and the caller hangs up. */
export const ANSWERS: readonly Step[] = [replies(200, 'OK'), receives('ACK'), receives('BYE'), accepts()]
/** The phone that rang is cancelled, for whatever reason. */
export const IS_CANCELLED: readonly Step[] = [receives('CANCEL'), ...ends487()]
/** The phone that rang is cancelled because another one has answered (RFC 3326). */
export const ANSWERED_ELSEWHERE: readonly Step[] = [
  receives('CANCEL', { header: ['Reason', 'SIP *; *cause=200'] }),
  ...ends487(),
]

function ends487(): Step[] {
  return [accepts(), replies(487, 'Request Terminated'), receives('ACK')]
}
