import { Attributes, EventType } from '../contract/events.ts'
import { type Fault, schemaFault } from '../contract/fault.ts'
import type { Problem, Result } from '../contract/problem.ts'
import type { Incoming } from './incoming.ts'
import type { Condition, MappingRule, Scalar, Source, SourceFields } from './mapping-rules.ts'
import { partsOf, valueAt } from './pointer.ts'
import {
  checked,
  type EventDefaults,
  faulty,
  invalid,
  isEventId,
  MAX_EVENTS,
  type Posted,
  type PostedEvent,
} from './posted-event.ts'

/** One item of somebody's body, and all there is around it. */
interface Scope {
  /** The body, or one entry of the list that `each` names. */
  item: unknown
  /** Where that is in the body. */
  path: readonly PropertyKey[]
  body: unknown
  incoming: Pick<Incoming, 'header' | 'url'>
}

/**
 * The events in somebody else's body, as a rule has it. None when its conditions are not met: third parties send much else.
 * @param body what came, as JSON or as the fields of a form
 * @returns problem `request.invalid` with a pointer to what the rule needs and does not find
 */
export function mappedEvents(
  rule: MappingRule & { name: string },
  body: unknown,
  incoming: Pick<Incoming, 'header' | 'url'>,
  defaults: EventDefaults,
): Result<Posted> {
  const scopes = scopesOf(rule, body, incoming)
  if ('fault' in scopes) return faulty(scopes.fault)
  const events: PostedEvent[] = []
  for (const [index, scope] of scopes.entries()) {
    if (!(rule.when ?? []).every((condition) => isMet(condition, scope))) continue
    const read = eventOf(rule, scope, { ...defaults, requestId: idWithin(rule, defaults.requestId, index) })
    if ('problem' in read) return { ok: false, problem: read.problem }
    events.push(read)
  }
  return { ok: true, value: { events, isList: rule.each !== undefined } }
}

/** What a sender wants back to know that it has come to the right place; undefined when it asks for nothing of the kind. */
export function challengeOf(
  { challenge }: MappingRule,
  body: unknown,
  incoming: Pick<Incoming, 'header' | 'url'>,
): string | undefined {
  const scope = { item: body, path: [], body, incoming }
  if (!challenge || !(challenge.when ?? []).every((condition) => isMet(condition, scope))) return undefined
  const { value } = found(fieldsOf(challenge.echo), scope)
  return isScalar(value) ? String(value).slice(0, MAX_ECHO) : undefined
}

const MAX_ECHO = 4096

function scopesOf({ each }: MappingRule, body: unknown, incoming: Scope['incoming']): Scope[] | { fault: Fault } {
  if (each === undefined) return [{ item: body, path: [], body, incoming }]
  const path = partsOf(each)
  const list = valueAt(body, path)
  if (list === undefined) return []
  if (!Array.isArray(list)) return { fault: { path, message: 'expected a list' } }
  if (list.length > MAX_EVENTS) return { fault: { path, message: `expected at most ${MAX_EVENTS} entries` } }
  return list.map((item, index) => ({ item, path: [...path, index], body, incoming }))
}

/** A request of several events has one id: each entry has its own after it. */
function idWithin({ each }: MappingRule, requestId: string | undefined, index: number): string | undefined {
  return requestId === undefined || each === undefined ? requestId : `${requestId}/${index}`
}

function isMet({ equals, exists, ...place }: Condition, scope: Scope): boolean {
  const { value } = found(place, scope)
  if (exists !== undefined) return (value !== undefined && value !== null) === exists
  return isScalar(value) && [equals].flat().some((each) => String(each) === String(value))
}

type EventRead = PostedEvent | { problem: Problem }

function eventOf(rule: MappingRule & { name: string }, scope: Scope, defaults: EventDefaults): EventRead {
  const type = scalarOf(typeSource(rule.type), scope)
  if ('problem' in type) return type
  const { value: name = '' } = type
  if (!EventType.safeParse(name).success)
    return problemOf(
      invalid(`mapping ${rule.name}: ${JSON.stringify(String(name).slice(0, 80))} is no type of an event`),
    )
  const attributes: [string, Scalar][] = []
  for (const [attribute, source] of Object.entries(rule.attributes ?? {})) {
    const read = scalarOf(fieldsOf(source), scope)
    if ('problem' in read) return read
    if (read.value !== undefined) attributes.push([attribute, read.value])
  }
  const identity = identityOf(rule, scope, defaults)
  if ('problem' in identity) return identity
  const { id, isNamed } = identity
  const parsed = Attributes.safeParse(Object.fromEntries(attributes))
  if (!parsed.success) {
    const { path, message } = schemaFault(parsed.error.issues, Object.fromEntries(attributes))
    return problemOf(invalid(`mapping ${rule.name}, attribute ${path.map(String).join('.')}: ${message}`))
  }
  const event = checked({ id, type: String(name), time: defaults.now, attributes: parsed.data }, [])
  if ('fault' in event) return problemOf(invalid(`mapping ${rule.name}: ${event.fault.message}`))
  return { event: event.event, isNamed }
}

/** Ids of third parties are their own: with the mapping's name before them they meet no others. */
function identityOf(
  rule: MappingRule & { name: string },
  scope: Scope,
  { requestId, newId }: EventDefaults,
): { id: string; isNamed: boolean } | { problem: Problem } {
  const read = rule.id === undefined ? { value: undefined } : scalarOf(fieldsOf(rule.id), scope)
  if ('problem' in read) return read
  const own = read.value === undefined ? requestId : String(read.value)
  if (own === undefined) return { id: newId(), isNamed: false }
  if (!isEventId(own))
    return problemOf(invalid(`mapping ${rule.name}: the id has more than 256 characters, none or control characters`))
  return { id: `${rule.name}#${own}`, isNamed: true }
}

/** What a source gives; undefined when it gives nothing and may. */
function scalarOf(source: SourceFields, scope: Scope): { value: Scalar | undefined } | { problem: Problem } {
  const { value, where } = found(source, scope)
  const isNothing = value === undefined || value === null
  if (!isNothing && !isScalar(value)) return wanting(where, 'expected a text, a number or a boolean')
  const { map } = source
  if (!isNothing && !map) return { value }
  if (!isNothing && map && Object.hasOwn(map, String(value))) return { value: map[String(value)]! }
  if (source.default !== undefined) return { value: source.default }
  if (source.optional) return { value: undefined }
  return wanting(where, isNothing ? 'is missing' : 'is none of the values that the mapping knows')
}

/** Where a value was looked for: in the body, or in what goes with it. */
type Where = { path: readonly PropertyKey[] } | { name: string }

function found(
  source: Omit<SourceFields, 'map' | 'default' | 'optional'>,
  scope: Scope,
): { value: unknown; where: Where } {
  const { pointer, body, header, query, value } = source
  if (pointer !== undefined) {
    const parts = partsOf(pointer)
    return { value: valueAt(scope.item, parts), where: { path: [...scope.path, ...parts] } }
  }
  if (body !== undefined) return { value: valueAt(scope.body, partsOf(body)), where: { path: partsOf(body) } }
  if (header !== undefined) return { value: scope.incoming.header(header.toLowerCase()), where: { name: header } }
  if (query !== undefined) return { value: scope.incoming.url.searchParams.get(query), where: { name: `?${query}=` } }
  return { value, where: { name: 'value' } }
}

function wanting(where: Where, message: string): { problem: Problem } {
  return problemOf('path' in where ? faulty({ path: where.path, message }) : invalid(`${where.name}: ${message}`))
}

function problemOf({ problem }: { problem: Problem }): { problem: Problem } {
  return { problem }
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/** A text is short for a pointer. */
export function fieldsOf(source: Source): SourceFields {
  return typeof source === 'string' ? { pointer: source } : source
}

/** Here another text is the type itself. */
export function typeSource(type: MappingRule['type']): SourceFields {
  return typeof type === 'string' && !type.startsWith('/') ? { value: type } : fieldsOf(type)
}
