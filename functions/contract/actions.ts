import * as z from 'zod/mini'
import { Duration } from './duration.ts'
import { Attributes, EventPattern, EventType, Filter } from './events.ts'

/**
 * What a function may ask of the gateway (contract 1). Performed in order; what is subscribed or waited for is armed before
 * anything else of the same answer is performed, so an event cannot slip in between.
 */

/** Headers that no function sets: names in lower case, long and compact. */
export const PROTECTED: ReadonlySet<string> = new Set([
  'via',
  'v',
  'from',
  'f',
  'to',
  't',
  'call-id',
  'i',
  'cseq',
  'contact',
  'm',
  'route',
  'record-route',
  'max-forwards',
  'content-length',
  'l',
])

export const HeaderName = z.string().check(
  z.regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'expected a header name'),
  z.maxLength(128),
  z.refine((name) => !PROTECTED.has(name.toLowerCase()), 'belongs to the gateway'),
)
export const HeaderValue = z
  .string()
  .check(z.maxLength(8192), z.regex(/^[^\r\n\0]*$/, 'a header value may not hold CR, LF or NUL'))
/** Names a wait, a subscription, a fork or a handler. */
export const Token = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_.:-]{1,128}$/, 'expected a name of letters, digits and _ . : -'))
/** One line of free text. */
export const Line = z.string().check(z.maxLength(256), z.regex(/^[^\r\n\0]*$/, 'may not hold CR, LF or NUL'))

/** What a billing system knows something by. */
export const AccountText = z
  .string()
  .check(z.minLength(1), z.maxLength(128), z.regex(/^[^\u0000-\u001f\u007f]+$/, 'may not hold control characters'))

/** A SIP URI; no white space, CR, LF or angle brackets. */
export const Uri = z
  .string()
  .check(z.regex(/^(sips?|tel):[^\s<>"\0]+$/i, 'expected a sip:, sips: or tel: URI'), z.maxLength(2048))

/** Edits of the request that goes out on a branch: `remove`, then `set` (replaces every line of that name), then `add`. */
export const HeaderEdits = z.object({
  remove: z.optional(z.array(HeaderName)),
  set: z.optional(z.record(HeaderName, HeaderValue)),
  add: z.optional(z.array(z.tuple([HeaderName, HeaderValue]))),
})
export type HeaderEdits = z.infer<typeof HeaderEdits>

/**
 * Where to fork to. `uri` is a contact of `contacts[]`, any SIP URI, or an AOR of this router's domains, which stands for its
 * registered contacts. `aor` says whose contact `uri` is when it is not the callee's, so that Path and flow are found.
 */
export const TargetObject = z.object({
  uri: Uri,
  q: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
  aor: z.optional(Uri),
})
export const Target = z.union([Uri, TargetObject])
export type Target = z.infer<typeof Target>

export const StatusList = z.array(z.int().check(z.minimum(300), z.maximum(699))).check(z.maxLength(64))

/** RTP profiles that media can be offered in. */
export const MEDIA_TRANSPORTS = [
  'RTP/AVP',
  'RTP/AVPF',
  'RTP/SAVP',
  'RTP/SAVPF',
  'UDP/TLS/RTP/SAVP',
  'UDP/TLS/RTP/SAVPF',
] as const

/** Media by way of an rtpengine of the gateway: `rtpengine`, or that with options. */
export const Media = z.union([
  z.literal('rtpengine'),
  z.object({
    engine: z.literal('rtpengine'),
    /** What becomes of a branch while no rtpengine can be reached: it fails as 503 (default), or its media goes directly. */
    ifAway: z.optional(z.enum(['fail', 'pass'])),
    /** Takes ICE out of what the callee is offered, or puts it in; absent: as the caller offers it. */
    ice: z.optional(z.enum(['remove', 'force'])),
    /** RTP profile that the callee is offered; absent: the caller's. */
    transport: z.optional(z.enum(MEDIA_TRANSPORTS)),
  }),
])
export type Media = z.infer<typeof Media>

export const Fork = z.object({
  action: z.literal('fork'),
  targets: z.array(Target).check(z.maxLength(64)),
  /** Default `by-q`: falling q, equal q in parallel. */
  mode: z.optional(z.enum(['parallel', 'sequential', 'by-q'])),
  /** A branch (for `sequential` and `by-q`: each group) that has not answered by then is cancelled. */
  ringFor: z.optional(Duration),
  /** A branch without any response by then is given up as 408. */
  noReplyFor: z.optional(Duration),
  headers: z.optional(HeaderEdits),
  /** Status codes after which the next group is tried; absent: every failure but 6xx. */
  retryOn: z.optional(StatusList),
  /** Status codes of a branch that end the call at once, also while it waits or is halted. 6xx always do unless `[]` is given. */
  finalOn: z.optional(StatusList),
  /** Names this fork, so that a `wait` may await its outcome. */
  id: z.optional(Token),
  /** Handler invoked with `branch.failed` for each branch that fails. */
  onFailed: z.optional(Token),
  /** Relays the media of these branches; absent: it goes directly. Of an INVITE. */
  media: z.optional(Media),
})
export type Fork = z.infer<typeof Fork>

export const Reply = z.object({
  action: z.literal('reply'),
  status: z.int().check(z.minimum(101), z.maximum(699)),
  reason: z.optional(Line),
  headers: z.optional(HeaderEdits),
  contentType: z.optional(Line),
  body: z.optional(z.string().check(z.maxLength(65_536))),
})
export const Redirect = z.object({
  action: z.literal('redirect'),
  targets: z.array(Target).check(z.minLength(1), z.maxLength(64)),
  /** 300, 301, 302 or 305; default 302. */
  status: z.optional(z.union([z.literal(300), z.literal(301), z.literal(302), z.literal(305)])),
})
/** Asks for digest credentials (RFC 8760): 401, or 407 when `proxy`. The gateway issues and checks the nonce. */
export const Challenge = z.object({
  action: z.literal('challenge'),
  realm: Line.check(z.minLength(1), z.regex(/^[^"\\]+$/, 'may not hold a quote or a backslash')),
  algorithms: z.optional(z.array(z.enum(['SHA-256', 'MD5'])).check(z.minLength(1))),
  proxy: z.optional(z.boolean()),
  stale: z.optional(z.boolean()),
})
/** Lets the built-in registrar process this REGISTER and answer it. */
export const Save = z.object({
  action: z.literal('save'),
  aor: z.optional(Uri),
  minExpires: z.optional(Duration),
  maxExpires: z.optional(Duration),
  maxContacts: z.optional(z.int().check(z.minimum(1), z.maximum(100))),
})
/** Removes bindings: one contact, or every contact of the AOR. */
export const Remove = z.object({ action: z.literal('remove'), aor: Uri, contact: z.optional(Uri) })
/** Cancels branches: those of the fork named `fork`, that of `contact`, or all of them. */
export const Cancel = z.object({
  action: z.literal('cancel'),
  fork: z.optional(Token),
  contact: z.optional(Uri),
  reason: z.optional(Line),
})
/** Keeps the transaction open for late branches until then, also when every branch has failed. */
export const Halt = z.object({ action: z.literal('halt'), for: Duration })

export const Condition = z.union([
  z.object({ event: EventPattern, filter: z.optional(Filter) }),
  /** The outcome of the fork of that id. */
  z.object({ fork: Token }),
])
/** Arms a wait; the same route (or the handler `resume`) is invoked when a condition is met or the deadline has passed. */
export const Wait = z.object({
  action: z.literal('wait'),
  name: Token,
  any: z.array(Condition).check(z.minLength(1), z.maxLength(16)),
  timeout: Duration,
  resume: z.optional(Token),
})
export type Wait = z.infer<typeof Wait>
/** Reads the location of an AOR and resumes at once with its contacts; an inquiry, not a change. */
export const Lookup = z.object({ action: z.literal('lookup'), name: Token, aor: Uri })
export type Lookup = z.infer<typeof Lookup>

/**
 * Asks the billing system whether the call may be made, and resumes at once with its word. What is authorized is billed: from the answer
 * to the end of the call.
 */
export const Authorize = z.object({
  action: z.literal('authorize'),
  name: Token,
  /** Who pays. */
  account: AccountText,
  /** Who is rated; default the account. */
  subject: z.optional(AccountText),
  /** What is called; default the user part of the Request-URI. */
  destination: z.optional(AccountText),
  /** Default `call`. */
  category: z.optional(AccountText),
  /** Default the gateway's own. */
  tenant: z.optional(AccountText),
  /** Default `prepaid`. */
  requestType: z.optional(z.enum(['prepaid', 'postpaid', 'pseudoprepaid', 'rated'])),
  /** Further fields of what the billing system is told. */
  fields: z.optional(z.record(z.string().check(z.regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/)), Line)),
})
export type Authorize = z.infer<typeof Authorize>

/** Ends the subscription or the wait of that name; without a name, every subscription and wait of the transaction. */
export const Unsubscribe = z.object({ action: z.literal('unsubscribe'), name: z.optional(Token) })
export const Publish = z.object({ action: z.literal('publish'), type: EventType, attributes: z.optional(Attributes) })
/** Wakes the sleeping devices of an AOR: every binding with push parameters that is not ringing already. */
export const Push = z.object({
  action: z.literal('push'),
  aor: Uri,
  /** What the handler adds to the payload. */
  data: z.optional(z.record(z.string(), z.string())),
  /** A device that rings by then is not pushed. One that registered a moment ago always gets a second to ring first. */
  skipIfRingingWithin: z.optional(Duration),
  /** What the caller of an INVITE hears while nobody rings yet: a provisional status, or `false` for nothing; default 182. */
  progress: z.optional(z.union([z.literal(false), z.int().check(z.minimum(101), z.maximum(199))])),
  /** Says in `Push-Status` how far the pushes are, in a provisional response for each change. */
  reportStatus: z.optional(z.boolean()),
})
export const Hangup = z.object({
  action: z.literal('hangup'),
  reason: z.optional(Line),
  /** Final status for the caller when the call is still ringing; default 480. */
  status: z.optional(z.int().check(z.minimum(400), z.maximum(699))),
  /** Who ends an answered call instead of the gateway: FreeSWITCH, by `uuid_kill`; the gateway where that does not know it, or is away. */
  via: z.optional(z.literal('freeswitch')),
  /** Of `uuid_kill`; default `NORMAL_CLEARING`. */
  cause: z.optional(z.string().check(z.regex(/^[A-Z0-9_]{1,64}$/, 'expected a cause such as NORMAL_CLEARING'))),
})
export const Send = z.object({
  action: z.literal('send'),
  method: z.enum(['MESSAGE', 'NOTIFY', 'OPTIONS']),
  target: Target,
  from: z.optional(Uri),
  headers: z.optional(HeaderEdits),
  contentType: z.optional(Line),
  body: z.optional(z.string().check(z.maxLength(65_536))),
})
export const Annotate = z.object({
  action: z.literal('annotate'),
  values: z.record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(1024))),
})

/**
 * An inline reaction may hold `{ fromEvent: "contact" }` wherever a URI or a free text goes: the attribute of the event that
 * fired it. It may not hold wait, lookup, authorize, subscribe, save, challenge or redirect. See `validate.ts`.
 */
export const Reaction = z.array(z.record(z.string(), z.unknown())).check(z.minLength(1), z.maxLength(16))

export const Subscribe = z.object({
  action: z.literal('subscribe'),
  event: EventPattern,
  filter: z.optional(Filter),
  /** Names it for `unsubscribe`. */
  name: z.optional(Token),
  /** Exactly one of the two: handler to invoke with `subscription.matched`, or… */
  handler: z.optional(Token),
  /** …actions to perform without any invocation. */
  actions: z.optional(Reaction),
  for: z.optional(Duration),
  /** How long it lives at most: until the final response, or until the call has ended. Default `ended` for `dtmf` and `call.*`, else `answered`. */
  until: z.optional(z.enum(['answered', 'ended'])),
})
export type Subscribe = z.infer<typeof Subscribe>

/** Until when a subscription lives at most, said or not. */
export function subscriptionEnd({ event, until }: Pick<Subscribe, 'event' | 'until'>): 'answered' | 'ended' {
  return until ?? (event === 'dtmf' || event.startsWith('call.') ? 'ended' : 'answered')
}

export const Action = z.discriminatedUnion('action', [
  Reply,
  Redirect,
  Challenge,
  Save,
  Remove,
  Fork,
  Cancel,
  Halt,
  Wait,
  Lookup,
  Authorize,
  Subscribe,
  Unsubscribe,
  Publish,
  Push,
  Hangup,
  Send,
  Annotate,
])
export type Action = z.infer<typeof Action>
export const Actions = z.array(Action)
export type ActionOf<Name extends Action['action']> = Extract<Action, { action: Name }>

/** The body of a 200: at most 64 actions; `context` is opaque to the gateway and echoed in the next invocation of the call. */
export const Answer = z.object({
  actions: z.array(Action).check(z.maxLength(64)),
  context: z.optional(z.unknown()),
  /** So long the gateway may give this answer to the same request without asking again. */
  cacheFor: z.optional(Duration),
  /** So long after that it may still give it while the function fails. */
  staleIfError: z.optional(Duration),
  /** To whom: this caller (default), or everybody who asks for the same Request-URI. */
  cacheScope: z.optional(z.enum(['caller', 'public'])),
})
export type Answer = z.infer<typeof Answer>
