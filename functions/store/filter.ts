import type { Attributes, Filter } from '../contract/events.ts'

/** An OR over several attributes multiplies; beyond this many keys the remaining attributes are compared one by one. */
const MAX_KEYS = 64

/** How a filter is indexed: an event whose values of `names` make one of `keys` is a candidate. */
export interface FilterPlan {
  /** The filter's shape: its sorted attribute names as one string. */
  shape: string
  names: string[]
  keys: string[]
  /** The keys do not cover the whole filter: candidates must be checked with `matches`. */
  partial: boolean
}

export function planFilter(filter: Filter): FilterPlan {
  const all = Object.keys(filter).sort()
  const names: string[] = []
  let keys = ['']
  for (const name of all) {
    const values = valuesOf(filter[name]!)
    if (keys.length * values.length > MAX_KEYS) continue
    names.push(name)
    keys = values.flatMap((value) => keys.map((key) => key + keyPart(value)))
  }
  if (names.length === 1) keys = valuesOf(filter[names[0]!]!)
  const partial = names.length < all.length
  return { shape: (partial ? '+' : '') + names.join('\n'), names, keys, partial }
}

/** The key that an event has among the filters over `names`, the value itself if there is one; `undefined` when it lacks one. */
export function keyOf(names: readonly string[], attributes: Attributes): string | undefined {
  if (names.length === 1) return textOf(attributes[names[0]!])
  let key = ''
  for (const name of names) {
    const value = textOf(attributes[name])
    if (value === undefined) return undefined
    key += keyPart(value)
  }
  return key
}

/** Whether every attribute the filter names has one of its values; values compare as strings. */
export function matches(filter: Filter, attributes: Attributes): boolean {
  for (const name of Object.keys(filter)) {
    const value = textOf(attributes[name])
    if (value === undefined || !valuesOf(filter[name]!).includes(value)) return false
  }
  return true
}

/** Types come from outside, too: no more than this many are kept. */
const MAX_KEPT_TYPES = 256
const patterns = new Map<string, readonly string[]>()

/** The patterns that match an event of this type: `a.b.c`, `a.b.*`, `a.*`. */
export function patternsOf(type: string): readonly string[] {
  let found = patterns.get(type)
  if (found === undefined) {
    found = patternsFrom(type)
    if (patterns.size >= MAX_KEPT_TYPES) patterns.clear()
    patterns.set(type, found)
  }
  return found
}

function patternsFrom(type: string): string[] {
  const found = [type]
  for (let dot = type.lastIndexOf('.'); dot > 0; dot = type.lastIndexOf('.', dot - 1))
    found.push(`${type.slice(0, dot)}.*`)
  return found
}

/** Its length goes before each value, so that no two lists of values make the same key. */
function keyPart(value: string): string {
  return `${value.length}:${value}`
}

function valuesOf(wanted: Filter[string]): string[] {
  return Array.isArray(wanted) ? [...new Set(wanted.map(String))] : [String(wanted)]
}

/** `undefined` also for what an object inherits: an attribute may be called `constructor`. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
