/** What may not leave the process by way of a log line: RFC 8599 push parameters, credentials, tokens, secrets. */

const HIDDEN = '[redacted]'

/** Field names whose value is never shown, whatever it is; compared in lower case without `-` and `_`. */
const SECRET_FIELDS = new Set([
  'authorization',
  'proxyauthorization',
  'authenticationinfo',
  'cookie',
  'token',
  'apitoken',
  'accesstoken',
  'secret',
  'webhooksecret',
  'password',
  'prid',
  'param',
  'push',
])

/** Inside strings: a SIP line, a URI, JSON text or an HTTP header may carry a secret along. Each pattern is linear. */
const SECRET_TEXT: readonly [RegExp, string][] = [
  [/(pn-[a-z-]{1,32})(?:"?\s{0,4}(?:=|:|%3D)\s{0,4})(?:"[^"]*"?|[^\s;,>"]*)/gi, `$1=${HIDDEN}`],
  [/\b((?:proxy-)?authorization|authentication-info|cookie)("?\s{0,4}[:=]\s{0,4})[^\r\n]*/gi, `$1$2${HIDDEN}`],
  [/\b(bearer|digest|basic)(\s{1,4})[^\r\n]*/gi, `$1$2${HIDDEN}`],
  [/\b(whsec_)[A-Za-z0-9+/=_-]*/g, `$1${HIDDEN}`],
  [/(:\/\/[^\s/:@]{1,256}:)[^\s/@]{1,256}@/g, `$1${HIDDEN}@`],
  [/\b((?:access_|api_)?token|secret|password)("?\s{0,4}[:=]\s{0,4})(?:"[^"]*"?|[^\s;,>&"]*)/gi, `$1$2${HIDDEN}`],
]

/** Something of it is in whatever the field names and patterns above find. */
const TRACE = /pn|auth|cookie|token|secret|password|prid|param|push|bearer|digest|basic|whsec_|:\/\//i

const MAX_STRING = 2000
const MAX_DEPTH = 6
const MAX_ENTRIES = 100

/** A copy of `value` for people to read: secrets replaced, long strings, deep and long structures cut off. */
export function redacted(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactedText(value)
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value
  if (depth >= MAX_DEPTH) return '[too deep]'
  if (value instanceof Error) return redactedText(`${value.name}: ${value.message}`)
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry) => redacted(entry, depth + 1))
  return redactedFields(value, depth)
}

/** Its JSON. Mostly there is no trace of a secret, which one look tells. */
export function redactedJson(value: object): string {
  const text = JSON.stringify(value)
  return text.length <= MAX_STRING && !TRACE.test(text) ? text : JSON.stringify(redacted(value))
}

/** The same for one text. */
export function redactedText(text: string): string {
  let shown = text.length > MAX_STRING ? `${text.slice(0, MAX_STRING)}… (${text.length} characters)` : text
  for (const [pattern, replacement] of SECRET_TEXT) shown = shown.replace(pattern, replacement)
  return shown
}

function redactedFields(fields: object, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields).slice(0, MAX_ENTRIES)) {
    shown[name] = isSecretField(name) ? HIDDEN : redacted(value, depth + 1)
  }
  return shown
}

function isSecretField(name: string): boolean {
  const lower = name.toLowerCase()
  return lower.startsWith('pn-') || /^pn[A-Z]/.test(name) || SECRET_FIELDS.has(lower.replaceAll(/[-_]/g, ''))
}
