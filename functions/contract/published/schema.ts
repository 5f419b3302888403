import * as z from 'zod/mini'
import { Reaction } from '../actions.ts'
import { CONTRACT } from '../envelope.ts'
import { DEFINITIONS, MESSAGES } from './definitions.ts'
import { describe } from './describe.ts'
import { type Defs, type JsonSchema, refTo } from './json.ts'
import { publishedPattern } from './patterns.ts'
import { problemSchema } from './problem-schema.ts'
import { addReactions } from './reactions.ts'
import { refine } from './refinements.ts'

export const SCHEMA_ID: string = `urn:rouse:contract:${CONTRACT}`

/** The contract as one JSON Schema (2020-12): a value is valid when it is a message of the contract; each has its own definition. */
export function publishedSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: SCHEMA_ID,
    title: `Rouse, contract ${CONTRACT}`,
    description:
      'What a gateway and a function say to each other. Validate with one definition, such as `#/$defs/Answer`: unknown fields are allowed everywhere, and ignored. The gateway has the last word.',
    anyOf: MESSAGES.map(refTo),
    $defs: publishedDefs(),
  }
}

/** Every definition by its name, in alphabetical order. */
export function publishedDefs(): Defs {
  const defs = definedByZod()
  defs.Problem = problemSchema()
  refine(defs)
  const { minItems, maxItems } = generated(Reaction)
  addReactions(defs, { type: 'array', minItems, maxItems })
  describe(defs)
  return Object.fromEntries(Object.entries(defs).sort(([one], [other]) => (one < other ? -1 : 1)))
}

function definedByZod(): Defs {
  const metadata = z.registry<{ id: string }>()
  for (const [name, schema] of DEFINITIONS) metadata.add(schema, { id: name })
  const { schemas } = z.toJSONSchema(metadata, { ...OPTIONS, uri: (id) => `#/$defs/${id}` })
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, bare(schema as JsonSchema)]))
}

function generated(schema: z.core.$ZodType): JsonSchema {
  return z.toJSONSchema(schema, OPTIONS) as JsonSchema
}

/** What may be sent, so unknown fields are allowed. Patterns lose their flags otherwise. */
const OPTIONS = {
  io: 'input',
  override: ({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: object }) => {
    const patterns = patternsOf(zodSchema)
    if (patterns.length > 1)
      Object.assign(jsonSchema, { pattern: undefined, allOf: patterns.map((pattern) => ({ pattern })) })
    else if (patterns[0] !== undefined) Object.assign(jsonSchema, { pattern: patterns[0] })
  },
} as const

function patternsOf(schema: z.core.$ZodType): string[] {
  const checks = (schema._zod.def as { checks?: z.core.$ZodCheck[] }).checks ?? []
  return checks.flatMap(({ _zod: { def } }) => {
    const { pattern } = def as { pattern?: RegExp }
    return pattern instanceof RegExp ? [publishedPattern(pattern)] : []
  })
}

/** What was a document of its own, as a part of another. */
function bare({ $schema, $id, ...schema }: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema))
}
