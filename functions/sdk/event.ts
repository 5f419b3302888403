import type { EventData } from '../contract/envelope.ts'
import type { Attributes, EventDetail } from '../contract/events.ts'

/**
 * An event as handlers see it: its attributes beside its id, type and time. The attributes of predefined events are listed
 * here; an event has those of its own type only. Others (`pickup`, …) have whatever was published.
 */
export interface CallEvent {
  id: string
  type: string
  /** ISO 8601. */
  time: string
  /** Every attribute as it came, also one that is named `id`, `type` or `time`. */
  attributes: Attributes
  /** What is no attribute: of `cdr.created` its branches, pushes, invocations and annotations. */
  detail: Readonly<EventDetail>
  aor: string
  /** A contact URI, to fork to. */
  contact: string
  instance: string
  /** `new` or `refreshed`. */
  kind: string
  /** Seconds. */
  expires: number
  gateway: string
  callId: string
  from: string
  to: string
  code: string
  reason: string
  /** Seconds of a call, milliseconds of a digit. */
  duration: number
  /** Of `cdr.created`: `answered`, `failed` or `cancelled`. */
  result: string
  /** Of `cdr.created`: `caller`, `callee` or `router`. */
  endedBy: string
  /** Of `cdr.created`: milliseconds from the INVITE to its final response. */
  setup: number
  digit: string
  source: string
  provider: string
  error: string
  // biome-ignore lint/suspicious/noExplicitAny: a published event may have any attribute; nobody but its publisher knows them.
  [attribute: string]: any
}

const NUMBERS = new Set(['expires', 'duration', 'setup'])
const TEXTS = new Set([
  ...['aor', 'contact', 'instance', 'kind', 'gateway', 'callId', 'from', 'to', 'code', 'reason', 'digit', 'source'],
  ...['provider', 'error', 'result', 'endedBy', 'startedAt', 'ringingAt', 'answeredAt', 'endedAt'],
])

export function callEvent(data: EventData): CallEvent {
  const event: Record<string, unknown> = {}
  for (const name of Object.keys(data.attributes)) event[name] = typed(name, data.attributes[name])
  const { id, type, time, attributes, detail } = data
  return Object.assign(event, { id, type, time, attributes }, detail && { detail }) as CallEvent
}

/** A digit is "2", not 2, whoever published it. */
function typed(name: string, value: unknown): unknown {
  if (TEXTS.has(name)) return String(value)
  return NUMBERS.has(name) ? Number(value) : value
}
