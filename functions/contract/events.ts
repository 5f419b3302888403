import * as z from 'zod/mini'

/**
 * The predefined events and their attributes (every value a string, numbers are written as numbers).
 * A filter that names another attribute is refused: in a router that ignored it, it would match every call.
 */
export const EVENT_ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
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
  dtmf: ['callId', 'digit', 'duration', 'source'],
  'push.accepted': ['aor', 'contact', 'provider', 'error'],
  'push.failed': ['aor', 'contact', 'provider', 'error'],
  'push.token_invalid': ['aor', 'contact', 'provider', 'error'],
  'handler.failed': ['callId', 'handler', 'error'],
  'gateway.up': ['gateway'],
  'gateway.down': ['gateway'],
}

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

/** An event inside the router; at the borders it travels as a CloudEvent whose `data` are the attributes. */
export interface RouseEvent {
  id: string
  type: string
  /** Milliseconds since the epoch. */
  time: number
  attributes: Attributes
}

/**
 * What is wrong with subscribing to `pattern` with `filter`: an attribute that the predefined event (for a family: every
 * event of it) does not have. `undefined` when it is fine. Events that are not predefined may have any attributes.
 */
export function filterFault(pattern: string, filter: Filter): { attribute: string; message: string } | undefined {
  const family = pattern.endsWith('.*') ? pattern.slice(0, -1) : undefined
  const known = family
    ? familyAttributes(family)
    : Object.hasOwn(EVENT_ATTRIBUTES, pattern) && EVENT_ATTRIBUTES[pattern]
  if (!known || known.length === 0) return undefined
  for (const attribute of Object.keys(filter)) {
    if (!known.includes(attribute)) {
      return {
        attribute,
        message: `${pattern} has no attribute "${attribute}"; it has ${[...new Set(known)].join(', ')}`,
      }
    }
  }
  return undefined
}

function familyAttributes(prefix: string): string[] {
  const types = Object.keys(EVENT_ATTRIBUTES).filter((type) => type.startsWith(prefix))
  return types.flatMap((type) => EVENT_ATTRIBUTES[type]!)
}
