/** Deeper than any action: beyond it, JSON itself has the say. */
const MAX_DEPTH = 8

/**
 * What JSON would keep of a value: itself when it is plain already (nearly always), else a copy that has been through JSON. So a
 * handler behaves the same in process and behind a URL.
 * @throws TypeError for what JSON cannot write: cycles, bigints
 */
export function plainData<T>(value: T): T {
  return isPlain(value, 0) ? value : JSON.parse(JSON.stringify(value))
}

function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'object':
      return value === null || (depth < MAX_DEPTH && isPlainObject(value, depth + 1))
    default:
      return false
  }
}

function isPlainObject(value: object, depth: number): boolean {
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth))
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  for (const name in value) if (!isPlain((value as Record<string, unknown>)[name], depth)) return false
  return true
}
