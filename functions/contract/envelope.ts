import * as z from 'zod/mini'
import { durationMs } from './duration.ts'
import { Attributes, EventDetail } from './events.ts'

/** Invocations: what the gateway POSTs to a function, a CloudEvent 1.0 in structured mode. */

export const CONTRACT = 1

export const InvocationType = z.enum([
  'sip.request',
  'wait.resumed',
  'wait.timed_out',
  'subscription.matched',
  'branch.failed',
  'transaction.cancelled',
])
export type InvocationType = z.infer<typeof InvocationType>

/** A registered contact as shown to functions: no push token is ever in it. */
export const Contact = z.object({
  uri: z.string(),
  q: z.number(),
  /** Seconds that are left. */
  expires: z.number(),
  instance: z.optional(z.string()),
  userAgent: z.optional(z.string()),
  /** Whether the device can be woken by a push. */
  push: z.boolean(),
})
export type Contact = z.infer<typeof Contact>

export const BranchState = z.enum(['calling', 'ringing', 'answered', 'failed', 'cancelled'])
export const Branch = z.object({
  id: z.string(),
  uri: z.string(),
  state: BranchState,
  fork: z.optional(z.string()),
  /** Last status received; 0 before any. */
  status: z.number(),
})
export type Branch = z.infer<typeof Branch>

/** Digest credentials of the request (RFC 8760), with the gateway's word on the nonce: ours, not outlived, not replayed. */
export const Credentials = z.object({
  scheme: z.string(),
  proxy: z.boolean(),
  nonceState: z.enum(['valid', 'stale', 'foreign']),
  params: z.record(z.string(), z.string()),
})
export type Credentials = z.infer<typeof Credentials>

export const EventData = z.object({
  id: z.string(),
  type: z.string(),
  time: z.string(),
  attributes: Attributes,
  /** What is no attribute, and cannot be filtered by. */
  detail: z.optional(EventDetail),
})
export type EventData = z.infer<typeof EventData>

/** What the billing system says to an `authorize`. */
export const Authorization = z.object({
  authorized: z.boolean(),
  /** Seconds the call may last; absent: no end is known. */
  maxDuration: z.optional(z.number()),
  /** Of a refusal: the status to answer with. 402: no credit, 403: not allowed, 503: nobody can say. */
  code: z.optional(z.number()),
  reason: z.optional(z.string()),
})
export type Authorization = z.infer<typeof Authorization>

/** Why a wait ended. `authorization` for an `authorize`, `contacts` for a `lookup`, `fork` for the outcome of a fork. */
export const WaitOutcome = z.object({
  name: z.string(),
  timedOut: z.boolean(),
  event: z.optional(EventData),
  fork: z.optional(z.object({ id: z.string(), answered: z.boolean(), status: z.number() })),
  /** It ended before its time: of the devices that were pushed none can come, since their tokens are dead. */
  noDevice: z.optional(z.literal(true)),
  contacts: z.optional(z.array(Contact)),
  authorization: z.optional(Authorization),
})
export type WaitOutcome = z.infer<typeof WaitOutcome>

export const InvocationData = z.object({
  contract: z.literal(CONTRACT),
  /** The routing key, as in the URL, which is not signed: where both are there, this one counts. */
  path: z.optional(z.string()),
  /** 1, or 2 for the retry; the envelope's `id` is the same on both. */
  attempt: z.number(),
  /** ISO time after which the gateway does not wait for the answer. */
  deadline: z.string(),
  /** `seq` counts the invocations of a transaction; `rev` its changes of state. */
  transaction: z.object({
    id: z.string(),
    rev: z.number(),
    seq: z.number(),
    state: z.enum(['proceeding', 'answered', 'ended']),
    branches: z.array(Branch),
  }),
  /** `id` is the SIP Call-ID: the value of the attribute `callId` of events. */
  call: z.object({ id: z.string(), callId: z.string(), fromTag: z.string(), toTag: z.string() }),
  request: z.object({
    method: z.string(),
    /** The Request-URI as received: the authority; the path is only a routing key. */
    uri: z.string(),
    /** The address-of-record of the Request-URI; for a REGISTER that of To (RFC 3261 10.3). */
    aor: z.string(),
    /** Whether the Request-URI is in a domain of this router; absent: not known. */
    isLocal: z.optional(z.boolean()),
    from: z.string(),
    to: z.string(),
    contact: z.string(),
    cseq: z.number(),
    maxForwards: z.number(),
    /** Every header in order, with repeats. */
    headers: z.array(z.tuple([z.string(), z.string()])),
    /** The body as text; octets that are not UTF-8 come as base64 in `bodyBase64` and `body` is empty. */
    body: z.string(),
    bodyBase64: z.optional(z.string()),
  }),
  received: z.object({
    address: z.string(),
    port: z.number(),
    transport: z.enum(['udp', 'tcp', 'tls', 'ws', 'wss']),
    local: z.string(),
    nat: z.boolean(),
  }),
  auth: z.optional(Credentials),
  /** The location of the Request-URI's AOR, read before the invocation. */
  contacts: z.array(Contact),
  event: z.optional(EventData),
  wait: z.optional(WaitOutcome),
  branch: z.optional(Branch),
  context: z.optional(z.unknown()),
})
export type InvocationData = z.infer<typeof InvocationData>

export const Invocation = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: InvocationType,
  subject: z.optional(z.string()),
  time: z.string(),
  datacontenttype: z.literal('application/json'),
  traceparent: z.optional(z.string()),
  data: InvocationData,
})
export type Invocation = z.infer<typeof Invocation>

export const MIN_BUDGET_MS = 100
/** Below the 32 s after which the sender of a request other than INVITE gives up (RFC 3261 17.1.2.2). */
export const MAX_BUDGET_MS = 30_000

/** How long the gateway waits for a function's answer, its retry included; the gateway's own settings may allow less. */
export const RouteBudget = z.union([z.number(), z.string()]).check(
  z.refine((value) => {
    const ms = durationMs(value)
    return ms !== undefined && ms >= MIN_BUDGET_MS && ms <= MAX_BUDGET_MS
  }, 'expected milliseconds or a string such as "4s", from 100ms to 30s'),
)
export type RouteBudget = z.infer<typeof RouteBudget>

/** `GET /.well-known/rouse`: what the function serves. */
export const Manifest = z.object({
  contract: z.literal(CONTRACT),
  /** Routes in the order they match. `method` is a SIP method or `*`; `path` a Hono path below it. */
  routes: z.array(z.object({ method: z.string(), path: z.string(), budget: z.optional(RouteBudget) })),
  handlers: z.array(z.string()),
  /** Of named handlers that need another one than their method has. */
  handlerBudgets: z.optional(z.record(z.string(), RouteBudget)),
  /** Informative invocations the function wants. */
  wants: z.optional(z.array(z.literal('transaction.cancelled'))),
})
export type Manifest = z.infer<typeof Manifest>
