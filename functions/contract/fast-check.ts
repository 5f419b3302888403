import type * as z from 'zod/mini'

/** `true`: the schema accepts the value as it is, unchanged and with no unknown field. `false`: ask the schema itself. */
export type FastCheck = (value: unknown) => boolean

type Schema = z.core.$ZodType
type Def = z.core.$ZodTypes['_zod']['def']
type CheckDef = { check: string; format?: string; type?: string } & Record<string, unknown>

/**
 * Compiles a schema to one predicate for the hot path: the everyday message is accepted without being copied, at a fraction
 * of the cost; whatever it does not accept goes through the schema, which strips, explains and has the last word.
 * It reads the schema's own definition, so there is still one source of truth. A kind it does not know is never accepted.
 */
export function compileFastCheck(schema: Schema): FastCheck {
  const def = schema._zod.def as Def
  return withChecks(base(def), ((def as { checks?: Schema[] }).checks ?? []).concat(ownCheck(schema)))
}

const never: FastCheck = () => false

function base(def: Def): FastCheck {
  switch (def.type) {
    case 'string':
      return (value) => typeof value === 'string'
    case 'number':
      return (value) => typeof value === 'number' && Number.isFinite(value)
    case 'boolean':
      return (value) => typeof value === 'boolean'
    case 'unknown':
      return () => true
    case 'literal':
    case 'enum':
      return oneOf(def.type === 'literal' ? def.values : Object.values(def.entries))
    case 'optional':
      return optional(compileFastCheck(def.innerType))
    case 'array':
      return arrayOf(compileFastCheck(def.element))
    case 'tuple':
      return def.rest ? never : tupleOf(def.items.map((item) => compileFastCheck(item)))
    case 'record':
      return recordOf(compileFastCheck(def.keyType), compileFastCheck(def.valueType))
    case 'object':
      return objectOf(def.shape)
    case 'union':
      return 'discriminator' in def ? discriminated(def.discriminator as string, def.options) : union(def.options)
    default:
      return never
  }
}

function oneOf(values: readonly unknown[]): FastCheck {
  const only = values[0]
  if (values.length === 1) return (value) => value === only
  const set = new Set(values)
  return (value) => set.has(value)
}

function optional(inner: FastCheck): FastCheck {
  return (value) => value === undefined || inner(value)
}

function union(options: readonly Schema[]): FastCheck {
  const checks = options.map((option) => compileFastCheck(option))
  return (value) => {
    for (const check of checks) if (check(value)) return true
    return false
  }
}

function arrayOf(element: FastCheck): FastCheck {
  return (value) => {
    if (!Array.isArray(value)) return false
    for (const item of value) if (!element(item)) return false
    return true
  }
}

function tupleOf(items: FastCheck[]): FastCheck {
  return (value) => Array.isArray(value) && value.length === items.length && items.every((item, i) => item(value[i]))
}

function recordOf(key: FastCheck, inner: FastCheck): FastCheck {
  return (value) => {
    if (!isPlain(value)) return false
    for (const name in value) if (name === '__proto__' || !key(name) || !inner(value[name])) return false
    return true
  }
}

/** Looks only at the fields that are there: an action uses few of the fields it may have. */
function objectOf(shape: Readonly<Record<string, Schema>>): FastCheck {
  const fields = new Map(Object.entries(shape).map(([name, schema]) => [name, compileFastCheck(schema)]))
  const required = Object.keys(shape).filter((name) => shape[name]!._zod.optin !== 'optional')
  return (value) => {
    if (!isPlain(value)) return false
    for (const name in value) {
      const field = fields.get(name)
      if (field === undefined || !field(value[name])) return false
    }
    for (const name of required) if (value[name] === undefined) return false
    return true
  }
}

function discriminated(discriminator: string, options: readonly Schema[]): FastCheck {
  const byValue = new Map<unknown, FastCheck>()
  for (const option of options) {
    const check = compileFastCheck(option)
    for (const value of option._zod.propValues?.[discriminator] ?? []) byValue.set(value, check)
  }
  return (value) => isPlain(value) && (byValue.get(value[discriminator])?.(value) ?? false)
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  return Object.getPrototypeOf(value) === Object.prototype
}

/** `z.int()` is schema and check in one. */
function ownCheck(schema: Schema): Schema[] {
  return 'check' in schema._zod.def ? [schema] : []
}

function withChecks(inner: FastCheck, checks: readonly Schema[]): FastCheck {
  return checks.reduce((before, check) => and(before, single(check._zod.def as unknown as CheckDef)), inner)
}

function and(first: FastCheck, second: FastCheck): FastCheck {
  return (value) => first(value) && second(value)
}

function single(def: CheckDef): FastCheck {
  switch (def.check) {
    case 'string_format':
      return def.format === 'regex' ? matching(def.pattern as RegExp) : never
    case 'number_format':
      return def.format === 'safeint' ? Number.isSafeInteger : never
    case 'max_length':
      return (value) => (value as string | unknown[]).length <= (def.maximum as number)
    case 'min_length':
      return (value) => (value as string | unknown[]).length >= (def.minimum as number)
    case 'greater_than':
      return (value) => (def.inclusive ? (value as number) >= (def.value as number) : false)
    case 'less_than':
      return (value) => (def.inclusive ? (value as number) <= (def.value as number) : false)
    case 'custom':
      return def.type === 'custom' ? refinement(def.fn as (value: unknown) => unknown) : never
    default:
      return never
  }
}

function matching(pattern: RegExp): FastCheck {
  return pattern.global || pattern.sticky ? never : (value) => pattern.test(value as string)
}

function refinement(holds: (value: unknown) => unknown): FastCheck {
  return (value) => holds(value) === true
}
