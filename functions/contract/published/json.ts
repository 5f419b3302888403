/** A JSON Schema (2020-12), or a part of one. */
export interface JsonSchema {
  [keyword: string]: unknown
  $ref?: string
  description?: string
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: JsonSchema | false
  propertyNames?: JsonSchema
  items?: JsonSchema | false
  prefixItems?: JsonSchema[]
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  allOf?: JsonSchema[]
  pattern?: string
}

export type Defs = Record<string, JsonSchema>

const DEFS = '#/$defs/'

export function refTo(name: string): JsonSchema {
  return { $ref: DEFS + name }
}

/** The name that a reference is to. */
export function nameOf(ref: string): string {
  return ref.slice(DEFS.length)
}

/** The same with every reference changed. */
export function withRefs(schema: unknown, change: (name: string) => string): unknown {
  if (Array.isArray(schema)) return schema.map((item) => withRefs(item, change))
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string' ? change(nameOf(value)) : withRefs(value, change),
    ]),
  )
}
