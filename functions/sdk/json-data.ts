/** Deeper than any data: a cycle, most likely. */
const MAX_DEPTH = 64

/** A value as JSON keeps it: a Date is its text, undefined fields are gone. */
export type JsonResult = { value: unknown } | { fault: string }

/** @returns `fault` names what JSON would lose without a word, and where: `/items/0 is a Map` */
export function asJson(value: unknown): JsonResult {
  const fault = faultIn(value, '', 0)
  if (fault !== undefined) return { fault }
  const text = JSON.stringify(value)
  return { value: text === undefined ? undefined : JSON.parse(text) }
}

function faultIn(value: unknown, place: string, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'undefined':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `${place || 'it'} is ${value}`
    case 'object':
      return value === null ? undefined : faultInObject(value, place, depth)
    default:
      return `${place || 'it'} is a ${typeof value}`
  }
}

function faultInObject(value: object, place: string, depth: number): string | undefined {
  if (depth === MAX_DEPTH) return `${place.slice(0, 60)}… goes on without an end`
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return undefined
  if (Array.isArray(value)) return faultInList(value, place, depth)
  if (!hasFields(value)) return `${place || 'it'} is a ${value.constructor?.name ?? 'object'}`
  for (const [name, inner] of Object.entries(value)) {
    const fault = faultIn(inner, `${place}/${name}`, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

function faultInList(list: readonly unknown[], place: string, depth: number): string | undefined {
  for (const [at, inner] of list.entries()) {
    const fault = inner === undefined ? `${place}/${at} is undefined` : faultIn(inner, `${place}/${at}`, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** A row of a database is data, whatever its class; a Map, a Response or a promise keeps what it holds where JSON does not look. */
function hasFields(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  return !ArrayBuffer.isView(value) && Object.keys(value).length > 0
}
