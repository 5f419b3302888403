import * as z from 'zod/mini'

/**
 * The predefined events and their attributes (every value a string, numbers are written as numbers).
 * A filter that names another attribute is refused: in a router that ignored it, it would match every call.
 */
export const EVENT_ATTRIBUTES = {
  'contact.registered': ['aor', 'contact', 'instance', 'kind', 'expires', 'gateway'],
  'contact.removed': ['aor', 'contact', 'instance'],
  'contact.expired': ['aor', 'contact', 'instance'],
  'contact.refresh_due': ['aor', 'contact', 'expires', 'reason'],
  'call.ringing': ['callId', 'from', 'to', 'code', 'reason'],
  'call.answered': ['callId', 'from', 'to', 'code', 'reason'],
  'call.ended': ['callId', 'from', 'to', 'code', 'reason', 'duration'],
  'call.failed': ['callId', 'from', 'to', 'code', 'reason'],
  'call.cancelled': ['callId', 'from', 'to', 'code', 'reason'],
  'call.held': ['callId', 'from', 'to', 'code', 'reason'],
  'call.transferred': ['callId', 'from', 'to', 'code', 'reason'],
  'cdr.created': [
    ...(['callId', 'from', 'to', 'result', 'code', 'reason', 'endedBy', 'gateway'] as const),
    ...(['startedAt', 'ringingAt', 'answeredAt', 'endedAt', 'duration', 'setup'] as const),
  ],
  dtmf: ['callId', 'digit', 'duration', 'source'],
  'push.accepted': ['aor', 'contact', 'provider', 'purpose', 'error'],
  'push.failed': ['aor', 'contact', 'provider', 'purpose', 'error'],
  'push.token_invalid': ['aor', 'contact', 'provider', 'purpose', 'error'],
  'handler.failed': ['callId', 'handler', 'error'],
  'gateway.up': ['gateway'],
  'gateway.down': ['gateway'],
} as const satisfies Record<string, readonly string[]>
const KNOWN: Readonly<Record<string, readonly string[]>> = EVENT_ATTRIBUTES

/** The attributes an event of that type may have: those of a predefined one, any of another one. */
export type EventAttributes<Type extends string> = Type extends keyof typeof EVENT_ATTRIBUTES
  ? Partial<Record<(typeof EVENT_ATTRIBUTES)[Type][number], string>>
  : Record<string, string>

export const EventType = z.string().check(z.regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/), z.maxLength(128))
/** `contact.registered`, or `contact.*` for a family. */
export const EventPattern = z.string().check(z.regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?$/), z.maxLength(128))

/** The name of an attribute of an event. */
export const EventAttribute = z.string().check(z.regex(/^[A-Za-z0-9_.-]+$/), z.maxLength(64))
const AttributeValue = z.union([z.string().check(z.maxLength(4096)), z.number(), z.boolean()])

/** Exact match on every named attribute; a list of values is OR. Values compare as strings. */
export const Filter = z.record(
  EventAttribute,
  z.union([
    z.string().check(z.minLength(1)),
    z.number(),
    z.boolean(),
    z
      .array(z.union([z.string().check(z.minLength(1)), z.number(), z.boolean()]))
      .check(z.minLength(1), z.maxLength(32)),
  ]),
)
export type Filter = z.infer<typeof Filter>

export const Attributes = z.record(EventAttribute, AttributeValue)
export type Attributes = z.infer<typeof Attributes>

/** What an event tells beside its attributes, as JSON of any depth: no filter sees it. */
export const EventDetail = z.record(z.string(), z.unknown())
export type EventDetail = z.infer<typeof EventDetail>

/** The id of an event, or a part of it. */
export const EventId = z
  .string()
  .check(z.minLength(1), z.maxLength(256), z.regex(/^[^\u0000-\u001f\u007f]+$/, 'may not hold control characters'))

/** Octets of an event as JSON at most. */
export const MAX_EVENT_OCTETS = 65_536

/** An event that a program raises: every attribute is a text, a number is written out by whoever knows how. */
export const RaisedEvent = z.object({
  id: EventId,
  type: EventType,
  attributes: z.record(EventAttribute, z.string().check(z.maxLength(4096))),
})
export type RaisedEvent = z.infer<typeof RaisedEvent>

/** An event inside the router; at the borders it travels as a CloudEvent whose `data` are the attributes. */
export interface RouseEvent {
  id: string
  type: string
  /** Milliseconds since the epoch. */
  time: number
  attributes: Attributes
  /** Of `cdr.created`: the nested part of the record. */
  detail?: EventDetail
}

/**
 * What is wrong with these attributes in an event of type `pattern`, or in a filter of it: one that the predefined event (for a family:
 * every event of it) does not have. `undefined` when nothing is. Events that are not predefined may have any attributes.
 */
export function attributeFault(
  pattern: string,
  attributes: readonly string[],
): { attribute: string; message: string } | undefined {
  const known = knownAttributes(pattern)
  if (known.length === 0) return undefined
  const attribute = attributes.find((name) => !known.includes(name))
  if (attribute === undefined) return undefined
  return { attribute, message: `${pattern} has no attribute "${attribute}"; it has ${[...new Set(known)].join(', ')}` }
}

/** The attributes of a predefined event, or of all events of a family, with repeats; `[]` when none is predefined. */
export function knownAttributes(pattern: string): readonly string[] {
  if (!pattern.endsWith('.*')) return Object.hasOwn(KNOWN, pattern) ? KNOWN[pattern]! : []
  const types = Object.keys(KNOWN).filter((type) => type.startsWith(pattern.slice(0, -1)))
  return types.flatMap((type) => KNOWN[type]!)
}
