import type * as z from 'zod/mini'
import { attributeFault, EventType } from '../contract/events.ts'
import { type Fault, faultProblem, schemaFault } from '../contract/fault.ts'
import type { Result } from '../contract/problem.ts'
import type { Incoming } from './incoming.ts'
import { challengeOf, fieldsOf, mappedEvents, typeSource } from './mapping.ts'
import { mappingCheck } from './mapping-auth.ts'
import { MAPPING_NAME, MAX_ATTRIBUTES, MAX_MAPPINGS, MappingRule, type Secret } from './mapping-rules.ts'
import type { EventDefaults, Posted } from './posted-event.ts'
import type { SenderCheck } from './sender.ts'

/** One mapping, ready: `POST /events/<name>`. */
export interface Mapping {
  name: string
  /** How its senders show who they are; undefined: as those of `POST /events` do. */
  check: SenderCheck | undefined
  /** What is to be sent back as it is, instead of raising anything; undefined when nothing is. */
  challenge(body: unknown, incoming: Pick<Incoming, 'header' | 'url'>): string | undefined
  events(body: unknown, incoming: Pick<Incoming, 'header' | 'url'>, defaults: EventDefaults): Result<Posted>
}

export type Mappings = ReadonlyMap<string, Mapping>

/**
 * Reads all mappings.
 * @param setting the value of a setting that a rule names for its secret
 * @returns the mappings, or every mistake: a sentence each, with the JSON pointer before it
 */
export function readMappings(json: unknown, setting: (name: string) => string | undefined): Result<Mappings, string[]> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return { ok: false, problem: ['expected an object: the name of each mapping, and its rule'] }
  const entries = Object.entries(json)
  if (entries.length > MAX_MAPPINGS) return { ok: false, problem: [`expected at most ${MAX_MAPPINGS} mappings`] }
  const mappings = new Map<string, Mapping>()
  const faults: Fault[] = []
  for (const [name, rule] of entries) {
    const read = MAPPING_NAME.test(name) ? readMapping(name, rule, setting) : [BAD_NAME]
    if (Array.isArray(read)) faults.push(...read.map((fault) => ({ ...fault, path: [name, ...fault.path] })))
    else mappings.set(name, read)
  }
  return faults.length === 0 ? { ok: true, value: mappings } : { ok: false, problem: faults.map(sentence) }
}

const BAD_NAME: Fault = { path: [], message: 'expected a name of letters, digits, - and _, at most 64' }

function readMapping(name: string, json: unknown, setting: (name: string) => string | undefined): Mapping | Fault[] {
  const parsed = MappingRule.safeParse(json)
  if (!parsed.success) return parsed.error.issues.map((issue) => issueFault(issue, json))
  const rule = parsed.data
  const faults = [...ruleFaults(rule), ...hiddenFaults(json)]
  const secrets = rule.auth ? secretsOf(rule.auth.secret, setting) : []
  if ('fault' in secrets) return [...faults, secrets.fault]
  if (faults.length > 0) return faults
  try {
    const check = rule.auth && mappingCheck(rule.auth, name, secrets)
    const named = { ...rule, name }
    return {
      name,
      check,
      challenge: (body, incoming) => challengeOf(rule, body, incoming),
      events: (body, incoming, defaults) => mappedEvents(named, body, incoming, defaults),
    }
  } catch {
    return [{ path: ['auth', 'secret'], message: 'expected whsec_ and base64' }]
  }
}

function issueFault(issue: z.core.$ZodIssue, json: unknown): Fault {
  if (issue.code !== 'unrecognized_keys') return schemaFault([issue], json)
  return { path: [...issue.path, issue.keys[0]!], message: 'is no field of a mapping' }
}

/** What a schema cannot say. */
function ruleFaults(rule: MappingRule): Fault[] {
  const faults: Fault[] = []
  const attributes = Object.entries(rule.attributes ?? {})
  if (attributes.length > MAX_ATTRIBUTES)
    faults.push({ path: ['attributes'], message: `expected at most ${MAX_ATTRIBUTES}` })
  for (const [type, path] of typesOf(rule)) {
    if (typeof type !== 'string' || !EventType.safeParse(type).success) {
      faults.push({ path, message: 'expected the type of an event such as payment.done' })
      continue
    }
    const fault = attributeFault(
      type,
      attributes.map(([attribute]) => attribute),
    )
    if (fault) faults.push({ path: ['attributes', fault.attribute], message: fault.message })
  }
  for (const [name, source] of attributes) {
    const { value, map, default: other, optional } = fieldsOf(source)
    const isConstant = value !== undefined && (map !== undefined || other !== undefined || optional !== undefined)
    if (isConstant) faults.push({ path: ['attributes', name], message: 'expected nothing beside value' })
  }
  return faults
}

/** The types that a rule is known to make, and where each is written. */
function typesOf({ type }: MappingRule): [unknown, PropertyKey[]][] {
  const { value, map, default: other } = typeSource(type)
  return [
    ...(value === undefined
      ? []
      : [[value, typeof type === 'string' ? ['type'] : ['type', 'value']] as [unknown, PropertyKey[]]]),
    ...Object.entries(map ?? {}).map(([key, each]): [unknown, PropertyKey[]] => [each, ['type', 'map', key]]),
    ...(other === undefined ? [] : [[other, ['type', 'default']] as [unknown, PropertyKey[]]]),
  ]
}

/** A schema passes over this name in silence. */
function hiddenFaults(json: unknown, path: PropertyKey[] = []): Fault[] {
  if (typeof json !== 'object' || json === null) return []
  return Object.entries(json).flatMap(([key, value]) =>
    key === '__proto__'
      ? [{ path: [...path, key], message: 'is not a name that may be used here' }]
      : hiddenFaults(value, [...path, key]),
  )
}

function secretsOf(secret: Secret, setting: (name: string) => string | undefined): string[] | { fault: Fault } {
  const secrets: string[] = []
  for (const each of [secret].flat()) {
    const text = typeof each === 'string' ? each : setting(each.env)
    if (text === undefined)
      return {
        fault: {
          path: ['auth', 'secret'],
          message: `expected a value in ${(each as { env: string }).env}, got nothing`,
        },
      }
    secrets.push(text)
  }
  return secrets
}

function sentence(fault: Fault): string {
  const { pointer = '', detail } = faultProblem('request.invalid', fault)
  return `${pointer}: ${detail}`
}
