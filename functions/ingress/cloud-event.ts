import * as z from 'zod/mini'
import { Attributes, EventId, EventType, type RouseEvent } from '../contract/events.ts'
import { type Fault, schemaFault } from '../contract/fault.ts'
import type { Result } from '../contract/problem.ts'
import { checked, faulty, invalid, MAX_EVENTS, type Posted } from './posted-event.ts'

/** CloudEvents 1.0 as HTTP carries them: structured, in batches, binary. Extensions are ignored. */

const JSON_TYPE = /^application\/([\w.+-]+\+)?json\b/i

const CloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: EventId,
  source: EventId,
  type: EventType,
  time: z.optional(z.iso.datetime({ offset: true })),
  datacontenttype: z.optional(z.string().check(z.regex(JSON_TYPE, 'expected application/json'))),
  data: z.optional(Attributes),
  data_base64: z.optional(z.undefined('expected data: the attributes as JSON')),
})

/** One event as a JSON object. */
export function structuredEvent(json: unknown, now: number): Result<Posted> {
  const read = readEvent(json, now)
  return 'fault' in read ? faulty(read.fault) : one(read.event)
}

/** A list of them, at most `MAX_EVENTS`. All or nothing: with one that is at fault none is raised, and the pointer says which it is. */
export function batchedEvents(json: unknown, now: number): Result<Posted> {
  if (!Array.isArray(json)) return faulty({ path: [], message: 'expected a list of CloudEvents' })
  if (json.length > MAX_EVENTS) {
    return faulty({
      path: [],
      message: `expected at most ${MAX_EVENTS} events, got ${json.length}; send the rest apart`,
    })
  }
  const events: RouseEvent[] = []
  for (const [index, each] of json.entries()) {
    const read = readEvent(each, now)
    if ('fault' in read) return faulty({ ...read.fault, path: [index, ...read.fault.path] })
    events.push(read.event)
  }
  return { ok: true, value: { events: events.map((event) => ({ event, isNamed: true })), isList: true } }
}

/** What binary mode writes into headers; the body is the data. */
const HEADERS = ['specversion', 'id', 'source', 'type', 'time'] as const

export function isBinary(header: (name: string) => string | undefined): boolean {
  return header('ce-specversion') !== undefined
}

/** @param data undefined when the body is empty */
export function binaryEvent(header: (name: string) => string | undefined, data: unknown, now: number): Result<Posted> {
  const event: Record<string, unknown> = data === undefined ? {} : { data }
  for (const name of HEADERS) {
    const text = header(`ce-${name}`)
    if (text === undefined) continue
    const value = decodedHeader(text)
    if (value === undefined) return invalid(`ce-${name}: expected UTF-8 with percent escapes`)
    event[name] = value
  }
  const read = readEvent(event, now)
  if (!('fault' in read)) return one(read.event)
  const [field, ...path] = read.fault.path
  if (field === 'data') return faulty({ ...read.fault, path })
  return invalid(`ce-${String(field)}: ${read.fault.message}`)
}

/**
 * A header's value: quotes taken off, then percent escapes resolved, once (CloudEvents HTTP binding 3.1.3.2).
 * @returns undefined when the escapes are none, or no UTF-8
 */
export function decodedHeader(text: string): string | undefined {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(text) ?? []
  const plain = quoted === undefined ? text : quoted.replaceAll(/\\(.)/g, '$1')
  try {
    return decodeURIComponent(plain)
  } catch {
    return undefined
  }
}

/** Source and id make the id: only together are they unique (CloudEvents 3.1). */
function readEvent(json: unknown, now: number): { event: RouseEvent } | { fault: Fault } {
  const read = CloudEvent.safeParse(json)
  if (!read.success) return { fault: schemaFault(read.error.issues, json) }
  const { id, source, type, time, data } = read.data
  const event = { id: `${source}#${id}`, type, time: time ? Date.parse(time) : now, attributes: data ?? {} }
  return checked(event, ['data'])
}

function one(event: RouseEvent): Result<Posted> {
  return { ok: true, value: { events: [{ event, isNamed: true }], isList: false } }
}
