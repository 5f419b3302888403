import { REFUSED, SAMPLE } from '../reaction.ts'
import { type Defs, type JsonSchema, nameOf, refTo } from './json.ts'

const TWIN = 'InReaction'

/**
 * Adds the actions of an inline reaction: those that need no invocation, where `{ "fromEvent": "contact" }` may stand wherever the
 * sample that `reaction.ts` puts in its place is valid.
 */
export function addReactions(defs: Defs, limits: JsonSchema): void {
  const allowed = defs.Action!.oneOf!.filter(({ $ref }) => !REFUSED.has(actionOf(defs, $ref!)))
  const twins = new Twins(defs)
  const oneOf = allowed.map(({ $ref }) => refTo(twins.named(nameOf($ref!))))
  defs.FromEvent = {
    type: 'object',
    properties: { fromEvent: refTo('EventAttribute') },
    required: ['fromEvent'],
  }
  defs.ActionInReaction = { oneOf }
  defs.Reaction = { ...limits, items: refTo('ActionInReaction'), allOf: [refTo('Templates')] }
  defs.Subscribe!.properties!.actions = refTo('Reaction')
}

function actionOf(defs: Defs, ref: string): string {
  return String(defs[nameOf(ref)]!.properties!.action!.const)
}

class Twins {
  readonly #defs: Defs

  constructor(defs: Defs) {
    this.#defs = defs
  }

  /** The name of the twin of a definition, which is added; the definition's own name when it would be the same. */
  named(name: string): string {
    const original = this.#defs[name]!
    const twin = this.#inside(original)
    if (JSON.stringify(twin) === JSON.stringify(withoutWords(original))) return name
    this.#defs[name + TWIN] = twin
    return name + TWIN
  }

  /** A value, which may be a template when the sample is valid there. */
  #value(schema: JsonSchema): JsonSchema {
    const inside = this.#inside(schema)
    return this.#takes(schema) ? { anyOf: [inside, refTo('FromEvent')] } : inside
  }

  #inside(schema: JsonSchema): JsonSchema {
    const twin = withoutWords(schema)
    const { $ref, properties, additionalProperties, items, prefixItems, anyOf } = twin
    if ($ref) twin.$ref = refTo(this.named(nameOf($ref))).$ref!
    if (properties) twin.properties = mapped(properties, (each) => this.#value(each))
    if (additionalProperties) twin.additionalProperties = this.#value(additionalProperties)
    if (items) twin.items = this.#value(items)
    if (prefixItems) twin.prefixItems = prefixItems.map((each) => this.#value(each))
    if (anyOf) twin.anyOf = anyOf.map((each) => this.#inside(each))
    // An object with this key is a template, whatever else is in it.
    if (twin.type === 'object') twin.properties = { ...twin.properties, fromEvent: false as never }
    return twin
  }

  /** Whether the sample is valid there. Only what leaves of the contract have is looked at. */
  #takes(schema: JsonSchema): boolean {
    if (schema.$ref) return this.#takes(this.#defs[nameOf(schema.$ref)]!)
    if (schema.anyOf) return schema.anyOf.some((each) => this.#takes(each))
    if (schema.type !== 'string' || schema.const !== undefined || schema.enum !== undefined) return false
    const patterns = [schema, ...(schema.allOf ?? [])].flatMap(({ pattern }) => pattern ?? [])
    return patterns.every((pattern) => new RegExp(pattern, 'u').test(SAMPLE))
  }
}

/** A copy; what the fields mean is said where they come from. */
function withoutWords(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema, (key, value) => (key === 'description' ? undefined : value)))
}

function mapped(
  of: Record<string, JsonSchema>,
  change: (schema: JsonSchema) => JsonSchema,
): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, change(value)]))
}
