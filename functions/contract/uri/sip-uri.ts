import {
  CLOSE_BRACKET,
  COLON,
  hasAt,
  isHostCharacter,
  isIpv6Character,
  isLetter,
  isSchemeCharacter,
  isUriCharacter,
  lowerSlice,
  OPEN_BRACKET,
  QUESTION,
  readNumber,
  SEMICOLON,
} from './chars.ts'

/**
 * A sip, sips or tel URI (RFC 3261 19.1, RFC 3966). Escapes stay as written everywhere: no %0D ever becomes a CR. Whoever reads the same text
 * next may get the same object.
 */
export interface SipUri {
  /** `sip`, `sips` or `tel`. */
  readonly scheme: string
  /** As written; '' when there is none. The number of a tel URI. */
  readonly user: string
  readonly password?: string | undefined
  /** Lower case, IPv6 without brackets; '' in a tel URI. */
  readonly host: string
  readonly port?: number | undefined
  /** Names in lower case, '' for those without a value. */
  readonly params: ReadonlyMap<string, string>
  /** What follows `?`, as written. */
  readonly headers: string
}

/** Where `scanUri` found the parts. One object for all, so that checking a Request-URI allocates nothing. */
const scan = {
  userStart: 0,
  userEnd: 0,
  passwordEnd: 0,
  hostStart: 0,
  hostEnd: 0,
  port: 0,
  paramsStart: 0,
  headersStart: 0,
}

const NO_PARAMS: ReadonlyMap<string, string> = new Map()

/** What was read last: on its way through the router one URI is asked for its parts several times in a row. */
let lastText = ''
let lastUri: SipUri | undefined

/** @returns undefined for another scheme, and for a sip, sips or tel URI that is broken */
export function parseUri(text: string): SipUri | undefined {
  if (text === lastText) return lastUri
  lastUri = readUri(text)
  lastText = text
  return lastUri
}

function readUri(text: string): SipUri | undefined {
  const scheme = knownScheme(text)
  if (scheme === '' || !scanUri(text, scheme)) return undefined
  const hasPassword = scan.passwordEnd > scan.userEnd
  return {
    scheme,
    user: text.slice(scan.userStart, scan.userEnd),
    password: hasPassword ? text.slice(scan.userEnd + 1, scan.passwordEnd) : undefined,
    host: lowerSlice(text, scan.hostStart, scan.hostEnd),
    port: scan.port === 0 ? undefined : scan.port,
    params: scan.paramsStart < scan.headersStart ? readParams(text, scan.paramsStart, scan.headersStart) : NO_PARAMS,
    headers: text.slice(scan.headersStart + 1),
  }
}

/** Whether `text` is a URI that may stand in a request line: sip, sips and tel well-formed, others with a scheme and no separators. */
export function isUri(text: string): boolean {
  const scheme = knownScheme(text)
  return scheme === '' ? isAbsoluteUri(text) : scanUri(text, scheme)
}

/** Whether a sip or sips URI carries headers (`?name=value`), which a Request-URI must not (RFC 3261 19.1.1). */
export function hasUriHeaders(text: string): boolean {
  return text.includes('?') && (parseUri(text)?.headers ?? '') !== ''
}

/** `sip`, `sips`, `tel`, or '' for any other scheme. */
export function knownScheme(text: string): string {
  if (hasAt(text, 0, 'sip:')) return 'sip'
  if (hasAt(text, 0, 'sips:')) return 'sips'
  return hasAt(text, 0, 'tel:') ? 'tel' : ''
}

function isAbsoluteUri(text: string): boolean {
  let at = 0
  while (at < text.length && isSchemeCharacter(text.charCodeAt(at))) at++
  if (!isLetter(text.charCodeAt(0)) || at + 1 >= text.length || text.charCodeAt(at) !== COLON) return false
  return isUriText(text, at + 1)
}

function isUriText(text: string, start: number): boolean {
  for (let at = start; at < text.length; at++) {
    if (!isUriCharacter(text.charCodeAt(at))) return false
  }
  return true
}

function scanUri(text: string, scheme: string): boolean {
  const start = scheme.length + 1
  if (!isUriText(text, start)) return false
  return scheme === 'tel' ? scanTel(text, start) : scanSip(text, start)
}

function scanTel(text: string, start: number): boolean {
  const semicolon = text.indexOf(';', start)
  const end = semicolon < 0 ? text.length : semicolon
  noteUser(start, end, end)
  scan.hostStart = end
  scan.hostEnd = end
  scan.port = 0
  scan.paramsStart = end
  scan.headersStart = text.length
  return end > start
}

/** The first `@` ends the user part: the user may hold `;`, `?` and `:` (in the password), never a bare `@`. */
function scanSip(text: string, start: number): boolean {
  const atSign = text.indexOf('@', start)
  if (atSign < 0) noteUser(start, start, start)
  else if (!noteUserInfo(text, start, atSign)) return false
  const afterHost = scanHostPort(text, atSign < 0 ? start : atSign + 1)
  if (afterHost < 0) return false
  scan.paramsStart = afterHost
  const question = text.indexOf('?', afterHost)
  scan.headersStart = question < 0 ? text.length : question
  return afterHost === scan.headersStart || text.charCodeAt(afterHost) === SEMICOLON
}

function noteUserInfo(text: string, start: number, atSign: number): boolean {
  const colon = text.indexOf(':', start)
  noteUser(start, colon >= 0 && colon < atSign ? colon : atSign, atSign)
  return scan.userEnd > start
}

function noteUser(start: number, end: number, passwordEnd: number): void {
  scan.userStart = start
  scan.userEnd = end
  scan.passwordEnd = passwordEnd
}

/** Returns where the host and port end, -1 when they are broken. */
function scanHostPort(text: string, start: number): number {
  let at = text.charCodeAt(start) === OPEN_BRACKET ? scanIpv6(text, start + 1) : scanName(text, start)
  scan.port = 0
  if (at < 0 || at >= text.length || text.charCodeAt(at) !== COLON) return at
  const portStart = at + 1
  at = portStart
  while (at < text.length && text.charCodeAt(at) !== SEMICOLON && text.charCodeAt(at) !== QUESTION) at++
  scan.port = readNumber(text, portStart, at, 65535)
  return scan.port > 0 ? at : -1
}

function scanIpv6(text: string, start: number): number {
  let at = start
  while (at < text.length && isIpv6Character(text.charCodeAt(at))) at++
  scan.hostStart = start
  scan.hostEnd = at
  return at > start && at < text.length && text.charCodeAt(at) === CLOSE_BRACKET ? at + 1 : -1
}

function scanName(text: string, start: number): number {
  let at = start
  while (at < text.length && isHostCharacter(text.charCodeAt(at))) at++
  scan.hostStart = start
  scan.hostEnd = at
  return at > start ? at : -1
}

/** The first of two parameters of one name counts; empty ones (`;;`) are passed over. */
function readParams(text: string, start: number, end: number): Map<string, string> {
  const params = new Map<string, string>()
  let equal = text.indexOf('=', start)
  for (let at = start; at < end; ) {
    const semicolon = text.indexOf(';', at + 1)
    const last = semicolon < 0 || semicolon > end ? end : semicolon
    if (equal >= 0 && equal <= at) equal = text.indexOf('=', at)
    const nameEnd = equal < 0 || equal > last ? last : equal
    const name = text.slice(at + 1, nameEnd).toLowerCase()
    if (name !== '' && !params.has(name)) params.set(name, text.slice(nameEnd + 1, last))
    at = last
  }
  return params
}

export function formatUri(uri: SipUri): string {
  let text = `${uri.scheme}:${uri.user}`
  if (uri.scheme !== 'tel') {
    if (uri.password !== undefined) text += `:${uri.password}`
    if (uri.user !== '') text += '@'
    text += formatHost(uri.host)
    if (uri.port !== undefined) text += `:${uri.port}`
  }
  for (const [name, value] of uri.params) text += value === '' ? `;${name}` : `;${name}=${value}`
  return uri.headers === '' ? text : `${text}?${uri.headers}`
}

/** A host as URIs and Vias write it: IPv6 in brackets. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
