import type { Defs, JsonSchema } from './json.ts'
import { ANSWER_WORDS } from './words/answer.ts'
import { INVOCATION_WORDS } from './words/invocation.ts'
import { OTHER_WORDS } from './words/others.ts'

/** What each field means, by `Definition.field`. Beside the definition: the SDK carries none of it to where functions run. */
export const WORDS: Readonly<Record<string, string>> = { ...INVOCATION_WORDS, ...ANSWER_WORDS, ...OTHER_WORDS }

/** Puts the words to the fields. What has none yet is published without: a test names it. */
export function describe(defs: Defs): void {
  for (const [path, schema] of fields(defs)) {
    const words = WORDS[path]
    if (words !== undefined) schema.description = words
  }
}

/** Every definition and every field of it, by path: `Fork`, `Fork.ringFor`. Not `action`, which says what it is. */
export function fields(defs: Defs): Map<string, JsonSchema> {
  const found = new Map<string, JsonSchema>()
  for (const [name, schema] of Object.entries(defs)) {
    if (isDerived(name)) continue
    found.set(name, schema)
    addFields(name, schema, found)
  }
  return found
}

function addFields(path: string, schema: JsonSchema, found: Map<string, JsonSchema>): void {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (name === 'action') continue
    found.set(`${path}.${name}`, field)
    addFields(`${path}.${name}`, field, found)
  }
  const inner = [schema.items, schema.additionalProperties, ...(schema.anyOf ?? [])]
  for (const each of inner) if (each) addFields(path, each, found)
}

/** Made out of others, and said by their names. */
function isDerived(name: string): boolean {
  return name.endsWith('InReaction') || name.startsWith('Templates')
}
