const PARAMETER = /^:([A-Za-z_][A-Za-z0-9_]*)(\{.+\})?(\?)?$/

/**
 * Checks a route's path, `/domain/user`, and writes it as Hono reads it rightly: what Hono would silently never match (or match
 * too much of) is refused or put right here.
 * @throws TypeError with the remedy
 */
export function readRoutePath(path: string): string {
  if (path === '*' || path === '/*') return '*'
  if (!path.startsWith('/')) throw fault(path, `begin it with a slash: "/${path}"`)
  const segments = splitSegments(path.slice(1))
  if (segments.length > 2) throw fault(path, 'a SIP request has two segments at most, /domain/user')
  const names = new Set<string>()
  const read = segments.map((segment, at) => readSegment(path, segment, at, segments.length, names))
  return `/${read.join('/')}`
}

/** A slash inside `{…}` is part of the pattern. */
function splitSegments(text: string): string[] {
  const segments = ['']
  let depth = 0
  for (const character of text) {
    if (character === '{') depth++
    if (character === '}') depth--
    if (character === '/' && depth === 0) segments.push('')
    else segments[segments.length - 1] += character
  }
  return segments
}

function readSegment(path: string, segment: string, at: number, count: number, names: Set<string>): string {
  if (segment === '')
    throw fault(path, 'an empty segment matches nothing; a request without a user has "-" in its place')
  if (segment === '*') return segment
  if (segment.startsWith(':')) return readParameter(path, segment, at, count, names)
  refuseMixed(path, segment)
  return at === 0 ? segment.toLowerCase() : segment
}

function readParameter(path: string, segment: string, at: number, count: number, names: Set<string>): string {
  const match = PARAMETER.exec(segment)
  if (!match) {
    const name = /^:(\w*)/.exec(segment)?.[1] || 'name'
    throw fault(path, `"${segment}" mixes a parameter with text; put the text into the pattern: ":${name}{…}"`)
  }
  const [, name = '', braces, optional = ''] = match
  if (names.has(name)) throw fault(path, `there are two parameters named "${name}"`)
  names.add(name)
  if (optional && at !== count - 1) throw fault(path, `only the last segment may be optional, not "${segment}"`)
  return `:${name}${braces ? readPattern(path, braces.slice(1, -1)) : ''}${optional}`
}

/** Hono's two routers anchor alternatives differently, and neither takes capturing groups everywhere. */
function readPattern(path: string, pattern: string): string {
  if (pattern.includes('/')) throw fault(path, `the pattern {${pattern}} holds a slash, which no segment does`)
  try {
    new RegExp(pattern)
  } catch (error) {
    throw fault(path, `the pattern {${pattern}} is no regular expression: ${(error as Error).message}`)
  }
  return pattern.includes('|') ? `{(?:${pattern})}` : `{${pattern}}`
}

function refuseMixed(path: string, segment: string): void {
  const colon = segment.indexOf(':')
  if (colon > 0) {
    const name = /^\w+/.exec(segment.slice(colon + 1))?.[0] ?? 'name'
    const prefix = escaped(segment.slice(0, colon))
    throw fault(path, `"${segment}" would never match: put the text into the pattern, ":${name}{${prefix}.+}"`)
  }
  if (segment.includes('*')) {
    throw fault(path, `"${segment}" would not match as it looks: write ":user{${escaped(segment)}}" for this very text`)
  }
  if (/[{}?]/.test(segment)) {
    throw fault(path, `"${segment}" holds { } or ?, which belong to parameters: write ":user{${escaped(segment)}}"`)
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function fault(path: string, remedy: string): TypeError {
  return new TypeError(`route "${path}": ${remedy}`)
}
