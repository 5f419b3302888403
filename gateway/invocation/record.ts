import * as z from 'zod/mini'
import type { Action, Subscribe } from '../../functions/contract/actions.ts'
import type { Filter, RouseEvent } from '../../functions/contract/events.ts'
import type { Delivery, SuspendedTransaction } from '../../functions/store/store.ts'
import { ChargeFacts } from '../cgrates/charging.ts'
import { ContextState, contextState, Place, placeOf } from '../proxy/state.ts'
import type { Call, CallFacts } from './call.ts'
import { type Interests, MAX_LIFE_MS, type Wait } from './interests.ts'
import type { Job } from './invocations.ts'
import { TalkState } from './talk.ts'
import { WakeRecord } from './wakes.ts'

/**
 * A suspended call as JSON: all that another process needs to go on with it. Times are milliseconds since the epoch. The request is as
 * it came, and so holds what its sender put into it; of bindings, no push parameter is in it.
 */

const VERSION = 1

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
const isFacts = (value: unknown): boolean =>
  isObject(value) && isObject(value.routes) && typeof value.routes.uri === 'string' && typeof value.digest === 'string'
const names = z.array(z.string())

const WaitRecord = z.object({
  name: z.string(),
  /** Handler to resume with; undefined: the route the request was given to. */
  resume: z.optional(z.string()),
  /** Ids of the forks it awaits. */
  forks: names,
  /** Events it awaits, and the filter of each. */
  events: names,
  filters: z.array(z.custom<Filter>(isObject)),
  /** Its subscriptions in the store. */
  subscriptions: names,
  claimKey: z.string(),
  deadline: z.number(),
})
export type WaitRecord = z.infer<typeof WaitRecord>

const SubscriptionRecord = z.object({
  id: z.string(),
  action: z.custom<Subscribe>(isObject),
  expiresAt: z.number(),
  until: z.enum(['answered', 'ended']),
  fired: z.number(),
  seen: names,
})
export type SubscriptionRecord = z.infer<typeof SubscriptionRecord>

const WorkRecord = z.object({
  actions: z.array(z.custom<Action>(isObject)),
  event: z.optional(z.custom<RouseEvent>(isObject)),
  missed: z.array(z.custom<Delivery>(isObject)),
  begunAt: z.number(),
})
export type WorkRecord = z.infer<typeof WorkRecord>

/** Enough to tell the caller that his call is lost. */
const Beginning = z.object({ request: z.string(), flow: Place, lastResponse: z.optional(z.string()) })
export type Beginning = z.infer<typeof Beginning>

const CallRecord = z.extend(Beginning, {
  v: z.literal(VERSION),
  facts: z.custom<CallFacts>(isFacts),
  startedAt: z.number(),
  /** Position of the last look-up of the callee in the history of events. */
  at: z.string(),
  /** The function's own. */
  context: z.optional(z.unknown()),
  /** How many invocations were answered. */
  answered: z.number(),
  /** Invocations that were asked and not answered, and those that are due. */
  jobs: z.array(z.custom<Job>(isObject)),
  /** Answers that were not performed to their end. */
  works: z.array(WorkRecord),
  hasRung: z.boolean(),
  /** When; absent where an older gateway has written it. */
  ringingAt: z.optional(z.number()),
  wakes: z.optional(z.array(WakeRecord)),
  annotations: z.optional(z.record(z.string(), z.string())),
  charge: z.optional(ChargeFacts),
  /** When the halt is over. */
  haltUntil: z.optional(z.number()),
  /** How many waits were armed. */
  armed: z.number(),
  waits: z.array(WaitRecord),
  subscriptions: z.array(SubscriptionRecord),
  proxy: ContextState,
  /** Once it is answered, while it is talked on. */
  talk: z.optional(TalkState),
  /** See `Call.formerly`. */
  formerly: z.optional(names),
})
export type CallRecord = z.infer<typeof CallRecord>

/**
 * @returns `beginning` when the record cannot be read whole, but who has called, and was not answered, can; `why` says what is wrong with it
 */
export function readRecord(
  state: string,
): { ok: true; record: CallRecord } | { ok: false; why: string; beginning: Beginning | undefined } {
  const value = parsed(state)
  const read = CallRecord.safeParse(value)
  if (read.success) {
    const { forks, branches } = read.data.proxy
    if (branches.every(({ fork }) => forks[fork] !== undefined)) return { ok: true, record: read.data }
  }
  const issue = read.error?.issues[0]
  return {
    ok: false,
    why: issue ? `${issue.path.join('.') || 'the record'}: ${issue.message}` : 'proxy.branches: a fork is missing',
    beginning: isObject(value) && value.talk === undefined ? Beginning.safeParse(value).data : undefined,
  }
}

/** What a record holds, which may be anything; undefined when it is no JSON. */
export function parsed(state: string): unknown {
  try {
    return JSON.parse(state)
  } catch {
    return undefined
  }
}

/** What the suspension of a call adds to its record. */
export interface SuspensionRecord {
  readonly interests: Interests
  readonly armed: number
  /** Waits that are over, until their claim is decided. */
  readonly resumptions: readonly Job[]
  readonly works: readonly WorkRecord[]
}

/**
 * The record of a call as the store takes it. A store that is elsewhere reads `state` when it writes it; the one in this process keeps the
 * object, and with it no second copy of the request.
 */
export class SuspendedCall implements SuspendedTransaction {
  readonly id: string
  readonly gateway: string
  readonly rev: number
  readonly callId: string
  readonly expiresAt: number
  readonly #call: Call
  readonly #suspension: SuspensionRecord

  constructor(call: Call, suspension: SuspensionRecord, rev: number) {
    this.id = call.id
    this.gateway = call.gateway
    this.rev = rev
    this.callId = call.request.callId
    this.expiresAt = call.parts.clock.now() + MAX_LIFE_MS
    this.#call = call
    this.#suspension = suspension
  }

  get state(): string {
    return JSON.stringify(recordOf(this.#call, this.#suspension))
  }
}

function recordOf(call: Call, { interests, armed, resumptions, works }: SuspensionRecord): CallRecord {
  const { request, flow, context, functionContext, invocations, annotations, haltUntil } = call
  const { aor, path, isLocal, startedAt, location, hasRung, ringingAt, woken } = call
  const { routes, digest, received } = context
  return {
    v: VERSION,
    request: request.text,
    flow: placeOf(flow),
    lastResponse: context.server.lastResponse,
    facts: { routes, digest, received, aor, path, isLocal },
    startedAt,
    at: location.at,
    context: functionContext,
    answered: invocations.answered,
    jobs: [...invocations.pending, ...resumptions],
    works: [...works],
    hasRung,
    ringingAt,
    wakes: woken?.records,
    annotations: annotations && Object.fromEntries(annotations),
    charge: call.charged?.facts,
    haltUntil,
    armed,
    waits: [...interests.waits.values()].map(waitRecord),
    subscriptions: [...interests.subscriptions.values()],
    proxy: contextState(context),
    talk: call.talk,
    formerly: call.formerly.length > 0 ? [...call.formerly] : undefined,
  }
}

function waitRecord({ name, resume, forks, events, filters, subscriptions, claimKey, deadline }: Wait): WaitRecord {
  return { name, resume, forks, events, filters, subscriptions, claimKey, deadline }
}
