import * as z from 'zod/mini'
import { Attributes, attributeFault, EventId, EventType, type RouseEvent } from '../../functions/contract/events.ts'
import { faultProblem, schemaFault } from '../../functions/contract/fault.ts'
import type { Problem, Result } from '../../functions/contract/problem.ts'

/** The short form: what to publish and nothing else. */
const Plain = z.object({ type: EventType, attributes: z.optional(Attributes) })

/** CloudEvents 1.0 in structured mode; extensions are ignored. */
const Structured = z.object({
  specversion: z.literal('1.0'),
  id: EventId,
  source: EventId,
  type: EventType,
  time: z.optional(z.iso.datetime({ offset: true })),
  datacontenttype: z.optional(
    z.string().check(z.regex(/^application\/([\w.+-]+\+)?json\b/i, 'expected application/json')),
  ),
  data: z.optional(Attributes),
  data_base64: z.optional(z.undefined('expected data: the attributes as JSON')),
})

export interface EventDefaults {
  /** Milliseconds since the epoch. */
  now: number
  newId(): string
}

/**
 * The event in the body of `POST /events`: a CloudEvent 1.0 whose `data` are the attributes, or `{ type, attributes }`. The id
 * of a CloudEvent is made of its source and its id, which only together are unique: the same event posted twice is one event.
 * @returns problem `request.invalid` with a pointer to the fault
 */
export function eventOfBody(contentType: string, text: string, defaults: EventDefaults): Result<RouseEvent> {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase()
  // Anything else, text/plain above all, a web page could post across origins without asking.
  if (type !== 'application/json' && type !== 'application/cloudevents+json') return invalid(expectedType(type))
  const json = parsed(text)
  if (json === undefined) return invalid('the body is not JSON')
  const isStructured =
    type === 'application/cloudevents+json' || (typeof json === 'object' && json !== null && 'specversion' in json)
  return isStructured ? structured(json, defaults) : plain(json, defaults)
}

function plain(json: unknown, { now, newId }: EventDefaults): Result<RouseEvent> {
  const read = Plain.safeParse(json)
  if (!read.success) return faulty(read.error.issues, json)
  const { type, attributes = {} } = read.data
  return known({ id: newId(), type, time: now, attributes }, 'attributes')
}

function structured(json: unknown, { now }: EventDefaults): Result<RouseEvent> {
  const read = Structured.safeParse(json)
  if (!read.success) return faulty(read.error.issues, json)
  const { id, source, type, time, data } = read.data
  return known({ id: `${source}#${id}`, type, time: time ? Date.parse(time) : now, attributes: data ?? {} }, 'data')
}

/** Refuses what the predefined event does not have: nobody could wait for it, and it was meant to be something. */
function known(event: RouseEvent, field: string): Result<RouseEvent> {
  const fault = attributeFault(event.type, Object.keys(event.attributes))
  if (!fault) return { ok: true, value: event }
  const { attribute, message } = fault
  return { ok: false, problem: faultProblem('request.invalid', { path: [field, attribute], message }) }
}

function expectedType(got: string): string {
  return `Content-Type: expected application/json or application/cloudevents+json, got "${got.slice(0, 80)}"`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function faulty(issues: Parameters<typeof schemaFault>[0], json: unknown): { ok: false; problem: Problem } {
  return { ok: false, problem: faultProblem('request.invalid', schemaFault(issues, json)) }
}

function invalid(detail: string): { ok: false; problem: Problem } {
  return { ok: false, problem: { code: 'request.invalid', detail } }
}
