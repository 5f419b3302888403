import type { Attributes, EventDetail, RouseEvent } from '../../functions/contract/events.ts'
import type { DialogEnd } from '../dialog/dialog.ts'
import type { Branch } from '../proxy/branch.ts'
import { ownText } from '../sip/own-text.ts'
import { withoutPush } from '../sip/push-params.ts'
import type { Call } from './call.ts'
import { isoTime } from './iso-time.ts'
import type { WakeRecord } from './wakes.ts'

/** One invocation as the record of its call tells it. */
export interface InvocationNote extends EventDetail {
  /** Routing key. */
  path: string
  type: string
  /** `answer`, `none` (not mine), `aborted`, the code of a problem, or `under way` when the call was over first. */
  result: string
  /** Milliseconds until that. */
  ms: number
  /** How often a function was asked: 0 when nobody had to be. */
  attempts: number
}

/** What a call leaves behind, once it is over. Times are milliseconds since the epoch, undefined where it did not come to that. */
export interface CdrFacts {
  /** Of the transaction: all that is told of one call is told by one id, whoever tells it. */
  id: string
  gateway: string
  startedAt: number
  ringingAt: number | undefined
  answeredAt: number | undefined
  endedAt: number
  /** The caller has cancelled before there was an answer. */
  isCancelled: boolean
  /** `callId`, `from`, `to`, `code` and `reason`, as in the event `call.ended`, `call.failed` or `call.cancelled` that comes before. */
  attributes: Attributes
  endedBy: DialogEnd
  branches: readonly Branch[]
  wakes: readonly WakeRecord[]
  /** The first ones, and how many there were. */
  invocations: readonly InvocationNote[]
  invocationCount: number
  annotations: ReadonlyMap<string, string> | undefined
  /** Another process has begun it, and has seen what is not here. */
  isTakenUp: boolean
}

/** Of branches, pushes and invocations this many are told, the first ones. */
export const MOST_TOLD = 16
/** Characters of a URI, and of all annotations. */
const LONGEST_URI = 256
const LONGEST_ANNOTATIONS = 4096

/** The event `cdr.created`: exactly one of each INVITE, at its end. */
function cdrEvent(facts: CdrFacts): RouseEvent {
  const { id, startedAt, ringingAt, answeredAt, endedAt, attributes, endedBy, gateway } = facts
  const event: Attributes = { ...attributes, result: resultOf(facts), endedBy, gateway }
  event.startedAt = isoTime(startedAt)
  if (ringingAt !== undefined) event.ringingAt = isoTime(ringingAt)
  if (answeredAt !== undefined) event.answeredAt = isoTime(answeredAt)
  event.endedAt = isoTime(endedAt)
  event.duration = answeredAt === undefined ? 0 : wholeSeconds(endedAt - answeredAt)
  event.setup = (answeredAt ?? endedAt) - startedAt
  return { id: `cdr-${id}`, type: 'cdr.created', time: endedAt, attributes: event, detail: detailOf(facts) }
}

/** The same, of a call that is over. */
export function cdrOf(call: Call, told: Pick<CdrFacts, 'attributes' | 'endedBy' | 'endedAt'>): RouseEvent {
  const { id, startedAt, ringingAt, answeredAt, annotations, isTakenUp, context, invocations, woken } = call
  return cdrEvent({
    ...{ id, startedAt, ringingAt, answeredAt, annotations, isTakenUp, ...told },
    gateway: call.parts.gatewayId,
    isCancelled: context.cancelled,
    branches: context.branches,
    wakes: woken?.records ?? [],
    invocations: invocations.notes,
    invocationCount: invocations.count,
  })
}

/** Seconds of talk: as `call.ended` says it. */
export function wholeSeconds(ms: number): number {
  return Math.round(ms / 1000)
}

function resultOf({ answeredAt, isCancelled }: CdrFacts): 'answered' | 'cancelled' | 'failed' {
  if (answeredAt !== undefined) return 'answered'
  return isCancelled ? 'cancelled' : 'failed'
}

/** At most some kilobytes, whatever the call has come to. */
function detailOf({ branches, wakes, invocations, invocationCount, annotations, isTakenUp }: CdrFacts): EventDetail {
  const detail: EventDetail = { branches: branches.slice(0, MOST_TOLD).map(branchRecord) }
  if (wakes.length > 0) detail.pushes = wakes.slice(0, MOST_TOLD).map(pushRecord)
  if (invocations.length > 0) detail.invocations = invocations.map((note) => ({ ...note }))
  const noted = annotations ? noteRecord(annotations) : undefined
  if (noted) detail.annotations = noted
  if (isTakenUp) detail.takenUp = true
  const leftOut = {
    ...beyond('branches', branches.length),
    ...beyond('pushes', wakes.length),
    ...beyond('invocations', invocationCount, invocations.length),
    ...(noted && beyond('annotations', annotations!.size, Object.keys(noted).length)),
  }
  if (Object.keys(leftOut).length > 0) detail.leftOut = leftOut
  return detail
}

function branchRecord({ target, state, status, startedAt, rangMs, endedMs }: Branch): EventDetail {
  return {
    uri: ownText(withoutPush(target.uri).slice(0, LONGEST_URI)),
    state: state === 'cancelling' ? 'cancelled' : state,
    code: status,
    startedAt: isoTime(startedAt),
    ...(rangMs < 0 ? {} : { rangAt: isoTime(startedAt + rangMs) }),
    ...(endedMs < 0 ? {} : { endedAt: isoTime(startedAt + endedMs) }),
  }
}

/** Neither the device nor its token. */
function pushRecord({ provider, state, at, isAwake }: WakeRecord): EventDetail {
  return { ...(provider === undefined ? {} : { provider }), outcome: state, at: isoTime(at), woken: isAwake }
}

function noteRecord(annotations: ReadonlyMap<string, string>): Record<string, string> | undefined {
  if (annotations.size === 0) return undefined
  let left = LONGEST_ANNOTATIONS
  const fits = ([name, value]: [string, string]) => {
    left -= name.length + value.length
    return left >= 0
  }
  return Object.fromEntries([...annotations].filter(fits))
}

function beyond(kind: string, count: number, told = MOST_TOLD): Record<string, number> {
  return count > told ? { [kind]: count - told } : {}
}
