import { PROTECTED } from '../actions.ts'
import { DURATION_TEXT, MAX_DURATION_MS, UNITS } from '../duration.ts'
import { MAX_BUDGET_MS, MIN_BUDGET_MS } from '../envelope.ts'
import { EVENT_ATTRIBUTES, knownAttributes } from '../events.ts'
import { type Defs, type JsonSchema, refTo } from './json.ts'
import { anyOfWords, numberAtMost } from './patterns.ts'

/**
 * What validators check by code, said as JSON Schema: the counterparts of `z.refine` and of `validate.ts`. A test knows every
 * refinement of the definition and fails when one has no counterpart here.
 */
export const REFINED: Readonly<Record<string, JsonSchema>> = {
  Duration: duration(0, MAX_DURATION_MS),
  RouteBudget: duration(MIN_BUDGET_MS, MAX_BUDGET_MS),
  HeaderName: { not: { pattern: anyOfWords(PROTECTED) } },
}

/** Adds them, and what depends on several fields, to the definitions. */
export function refine(defs: Defs): void {
  for (const [name, more] of Object.entries(REFINED)) {
    const { type, description } = defs[name]!
    defs[name] = { ...(more.anyOf ? { description } : { ...defs[name], type }), ...more } as JsonSchema
  }
  defs.Subscribe!.oneOf = [{ required: ['handler'] }, { required: ['actions'] }]
  defs.Subscribe!.allOf = predefined('event', (attributes, patterns) => ({
    filter: { propertyNames: { enum: attributes } },
    actions: refTo(templatesName(patterns)),
  }))
  defs.Condition!.allOf = predefined('event', (attributes) => ({ filter: { propertyNames: { enum: attributes } } }))
  defs.Publish!.allOf = predefined('type', (attributes) => ({ attributes: { propertyNames: { enum: attributes } } }))
  for (const { patterns, attributes } of predefinedSets()) {
    const name = templatesName(patterns)
    defs[name] = templates({ enum: attributes }, name)
  }
  defs.Templates = templates(refTo('EventAttribute'), 'Templates')
}

/**
 * A duration between two numbers of milliseconds. Of texts the bounds are said where they are whole numbers of every unit, from 0:
 * elsewhere only the validator knows them.
 */
export function duration(minMs: number, maxMs: number): JsonSchema {
  const units = Object.entries(UNITS)
  const isSaid = minMs === 0 && units.every(([, ms]) => maxMs % ms === 0)
  const bounded = units.map(([unit, ms]) => numberAtMost(maxMs / ms) + unit)
  const patterns = [DURATION_TEXT.source, ...(isSaid ? [`^(${bounded.join('|')})$`] : [])]
  return {
    anyOf: [
      { type: 'number', minimum: minMs, maximum: maxMs, description: 'Milliseconds.' },
      {
        type: 'string',
        allOf: patterns.map((pattern) => ({ pattern })),
        description: 'A number and its unit: `ms`, `s`, `m` or `h`.',
      },
    ],
  }
}

/** Rules for predefined events and their families: `if` the field names one, `then` these other fields are so. */
export function predefined(
  field: string,
  then: (attributes: string[], patterns: string[]) => Record<string, JsonSchema>,
): JsonSchema[] {
  return predefinedSets().map(({ patterns, attributes }) => ({
    if: { properties: { [field]: { enum: patterns } }, required: [field] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: then(attributes, patterns) },
  }))
}

/** Event types, and families such as `call.*`, by the attributes that they have. */
function predefinedSets(): { patterns: string[]; attributes: string[] }[] {
  const types = Object.keys(EVENT_ATTRIBUTES)
  const families = types.flatMap((type) => (type.includes('.') ? [`${type.slice(0, type.lastIndexOf('.'))}.*`] : []))
  const sets = new Map<string, { patterns: string[]; attributes: string[] }>()
  for (const pattern of new Set([...types, ...families])) {
    const attributes = [...new Set(knownAttributes(pattern))].sort()
    const set = sets.get(attributes.join()) ?? { patterns: [], attributes }
    set.patterns.push(pattern)
    sets.set(attributes.join(), set)
  }
  return [...sets.values()]
}

/** `TemplatesOfContactRegistered`, after the first of those that have the same attributes. */
function templatesName([first = '']: string[]): string {
  const words = first.replace('*', 'any').split(/[._]/)
  return `TemplatesOf${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}`
}

/** At any depth, `fromEvent` names one of these; what else is in a template is not looked at. */
function templates(fromEvent: JsonSchema, name: string): JsonSchema {
  const deeper = { additionalProperties: refTo(name), items: refTo(name) }
  return { properties: { fromEvent }, anyOf: [{ type: 'object', required: ['fromEvent'] }, deeper] }
}
