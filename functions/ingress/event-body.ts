import * as z from 'zod/mini'
import { Attributes, EventType } from '../contract/events.ts'
import { schemaFault } from '../contract/fault.ts'
import type { Result } from '../contract/problem.ts'
import { batchedEvents, binaryEvent, isBinary, structuredEvent } from './cloud-event.ts'
import { type Incoming, isJsonType, parsedJson } from './incoming.ts'
import { checked, type EventDefaults, faulty, idOf, invalid, type Posted } from './posted-event.ts'

/** The short form: what to publish and nothing else. */
const Plain = z.object({ type: EventType, attributes: z.optional(Attributes) })

const STRUCTURED = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'

/**
 * What comes to `POST /events`: a CloudEvent 1.0 whose data are the attributes (structured, binary, or several as a batch), or
 * `{ type, attributes }`.
 * @returns problem `request.invalid` with a pointer to the fault
 */
export function eventsOf(incoming: Incoming, text: string, defaults: EventDefaults): Result<Posted> {
  const { contentType, header } = incoming
  const isEmpty = text === ''
  // Anything else, text/plain above all, a web page could post across origins without asking.
  if (!isJsonType(contentType) && !(isEmpty && contentType === '' && isBinary(header)))
    return invalid(expectedType(contentType))
  const json = isEmpty && isBinary(header) ? undefined : parsedJson(text)
  if (json === undefined && !isEmpty) return invalid('the body is not JSON')
  if (contentType === BATCH) return batchedEvents(json, defaults.now)
  if (contentType === STRUCTURED) return structuredEvent(json, defaults.now)
  if (isBinary(header)) return binaryEvent(header, json, defaults.now)
  if (contentType !== 'application/json') return invalid(expectedType(contentType))
  return isEmpty ? invalid('the body is not JSON') : eventOfJson(json, defaults)
}

/** An event that is JSON alone, without headers: a CloudEvent in structured mode, or `{ type, attributes }`. */
export function eventOfJson(json: unknown, defaults: EventDefaults): Result<Posted> {
  const isStructured = typeof json === 'object' && json !== null && Object.hasOwn(json, 'specversion')
  return isStructured ? structuredEvent(json, defaults.now) : plainEvent(json, defaults)
}

function plainEvent(json: unknown, defaults: EventDefaults): Result<Posted> {
  const parsed = Plain.safeParse(json)
  if (!parsed.success) return faulty(schemaFault(parsed.error.issues, json))
  const { type, attributes = {} } = parsed.data
  const { id, isNamed } = idOf(defaults)
  const read = checked({ id, type, time: defaults.now, attributes }, ['attributes'])
  if ('fault' in read) return faulty(read.fault)
  return { ok: true, value: { events: [{ event: read.event, isNamed }], isList: false } }
}

function expectedType(got: string): string {
  return `Content-Type: expected application/json, ${STRUCTURED} or ${BATCH}, got "${got.slice(0, 80)}"`
}
