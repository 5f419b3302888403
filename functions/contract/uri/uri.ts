import { AT, equalsIgnoringCase, hexValue, isUnreserved, isUriCharacter, PERCENT } from './chars.ts'
import { formatHost, parseUri, type SipUri } from './sip-uri.ts'

export { formatHost, formatUri, hasUriHeaders, isUri, knownScheme, parseUri, type SipUri } from './sip-uri.ts'

/**
 * The one spelling of an address of record: `sip:user@host`, without port, parameters, headers and password; sips counts as sip.
 * The user is spelled as RFC 3261 19.1.4 compares it. A tel URI becomes its number without visual separators (RFC 3966 5.1.1);
 * a local number keeps its phone-context.
 * @returns '' for what is no sip, sips or tel URI
 */
export function canonicalAor(uri: SipUri | string): string {
  const parsed = typeof uri === 'string' ? parseUri(uri) : uri
  if (parsed === undefined) return ''
  if (parsed.scheme === 'tel') return canonicalTel(parsed)
  const host = formatHost(parsed.host.endsWith('.') ? parsed.host.slice(0, -1) : parsed.host)
  return parsed.user === '' ? `sip:${host}` : `sip:${canonicalEscapes(parsed.user)}@${host}`
}

/**
 * The same for text as functions have it, in which a character beyond ASCII is itself; to the router it is octets of UTF-8.
 */
export function aorOf(uri: string): string {
  return canonicalAor(uri.replace(/[^\0-\x7f]+/g, (characters) => encodeURIComponent(characters.toWellFormed())))
}

function canonicalTel(uri: SipUri): string {
  let number = ''
  for (const character of uri.user) if (!'-.()'.includes(character)) number += character
  const context = uri.params.get('phone-context')
  const isLocal = !number.startsWith('+') && context !== undefined
  const escaped = canonicalEscapes(number.toLowerCase())
  return isLocal ? `tel:${escaped};phone-context=${canonicalEscapes(context.toLowerCase())}` : `tel:${escaped}`
}

/** Unescapes what is unreserved, escapes what may not stand bare, and spells every escape in upper case (RFC 3261 19.1.4). */
function canonicalEscapes(text: string): string {
  if (isCanonical(text)) return text
  let canonical = ''
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const escaped = code === PERCENT ? escapedCode(text, at) : -1
    canonical += canonicalCharacter(code, escaped)
    if (escaped >= 0) at += 2
  }
  return canonical
}

function isCanonical(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === PERCENT || !isUriCharacter(code) || code === AT || code > 126) return false
  }
  return true
}

function canonicalCharacter(code: number, escaped: number): string {
  if (escaped >= 0) return isUnreserved(escaped) ? String.fromCharCode(escaped) : percentEncode(escaped)
  const mayStand = isUriCharacter(code) && code !== AT && code !== PERCENT && code <= 126
  return mayStand ? String.fromCharCode(code) : percentEncode(code)
}

/** Octet that `%XX` at `at` stands for, -1 when it is no escape. */
function escapedCode(text: string, at: number): number {
  if (at + 2 >= text.length) return -1
  const high = hexValue(text.charCodeAt(at + 1))
  const low = hexValue(text.charCodeAt(at + 2))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function percentEncode(code: number): string {
  return `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`
}

/** Parameters that never match when only one URI has them (RFC 3261 19.1.4). */
const DECISIVE = ['user', 'ttl', 'method', 'maddr', 'transport']

/** Equivalence of RFC 3261 19.1.4. Other schemes than sip, sips and tel are compared as text. */
export function sameUri(a: string, b: string): boolean {
  if (a === b) return true
  const first = parseUri(a)
  const second = parseUri(b)
  if (first === undefined || second === undefined || first.scheme !== second.scheme) return false
  if (first.scheme === 'tel') return canonicalTel(first) === canonicalTel(second)
  return (
    first.host === second.host &&
    first.port === second.port &&
    canonicalEscapes(first.user) === canonicalEscapes(second.user) &&
    canonicalEscapes(first.password ?? '') === canonicalEscapes(second.password ?? '') &&
    sameParams(first.params, second.params) &&
    sameHeaders(first.headers, second.headers)
  )
}

function sameParams(a: SipUri['params'], b: SipUri['params']): boolean {
  for (const name of DECISIVE) if (a.has(name) !== b.has(name)) return false
  for (const [name, value] of a) {
    const other = b.get(name)
    if (other !== undefined && !equalsIgnoringCase(canonicalEscapes(value), canonicalEscapes(other))) return false
  }
  return true
}

function sameHeaders(a: string, b: string): boolean {
  if (a === b) return true
  return sortedHeaders(a) === sortedHeaders(b)
}

function sortedHeaders(headers: string): string {
  const fields = headers.split('&').map((field) => {
    const equal = field.indexOf('=')
    return equal < 0
      ? field.toLowerCase()
      : `${field.slice(0, equal).toLowerCase()}${canonicalEscapes(field.slice(equal))}`
  })
  return fields.sort().join('&')
}
