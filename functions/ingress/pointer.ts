/** JSON pointers (RFC 6901). */

/** A pointer as rules have it: '' is the whole value. */
export const POINTER: RegExp = /^(\/([^~/]|~[01])*)*$/

/** Its parts, without escapes. */
export function partsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** What is there; undefined when nothing is. Only what the JSON itself holds counts. */
export function valueAt(json: unknown, parts: readonly string[]): unknown {
  let value = json
  for (const part of parts) {
    if (typeof value !== 'object' || value === null) return undefined
    if (Array.isArray(value) && !/^(0|[1-9]\d{0,9})$/.test(part)) return undefined
    if (!Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}
