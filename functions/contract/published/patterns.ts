/** Regular expressions as JSON Schema has them: no flags, and nothing that other languages read differently. */

/** The source of a pattern for other readers: without its `i`, and with NUL as every dialect knows it. */
export function publishedPattern(pattern: RegExp): string {
  const other = pattern.flags.replace('i', '')
  if (other !== '') throw new Error(`${pattern}: a JSON Schema cannot say the flags "${other}"`)
  const source = pattern.source.replaceAll('\\0', '\\x00').replaceAll('\\u0000', '\\x00')
  return pattern.ignoreCase ? caseless(source) : source
}

/** Matches these words whatever the case of their letters. */
export function anyOfWords(words: Iterable<string>): string {
  return `^(${[...words].map(caseless).join('|')})$`
}

/** Letters in both cases; what stands in a class, or after a backslash, has no letters of its own. */
function caseless(source: string): string {
  const parts = source.match(/\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\.|\[(?:\\.|[^\]\\])*\]|./gis) ?? []
  return parts.map((part) => (/^[a-z]$/i.test(part) ? `[${part.toLowerCase()}${part.toUpperCase()}]` : part)).join('')
}

/** Matches decimal numbers from 0 to `max`, with leading zeros and a fraction; `max` itself only without one. */
export function numberAtMost(max: number): string {
  const digits = String(max)
  const smaller = [...digits].flatMap((digit, at) => {
    const less = Number(digit) - 1
    return less < 0
      ? []
      : [digits.slice(0, at) + (less > 0 ? `[0-${less}]` : '0') + '\\d'.repeat(digits.length - at - 1)]
  })
  const shorter = digits.length > 1 ? [`\\d{1,${digits.length - 1}}`] : []
  return `0*((${[...shorter, ...smaller].join('|')})(\\.\\d{1,3})?|${digits}(\\.0{1,3})?)`
}
