/**
 * Octets and character classes of RFC 3261 25.1, looked up instead of matched. All text is latin1: one character per octet, and a
 * character beyond is in no class.
 */

export const TAB = 9
export const LF = 10
export const CR = 13
export const SP = 32
export const QUOTE = 34
export const PERCENT = 37
export const COMMA = 44
export const SLASH = 47
export const ZERO = 48
export const COLON = 58
export const SEMICOLON = 59
export const LESS = 60
export const EQUAL = 61
export const GREATER = 62
export const QUESTION = 63
export const AT = 64
export const OPEN_BRACKET = 91
export const BACKSLASH = 92
export const CLOSE_BRACKET = 93
const DEL = 127

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const DIGITS = '0123456789'

const TOKEN = classOf(`${LETTERS}${DIGITS}-.!%*_+\`'~`)
const HOST = classOf(`${LETTERS}${DIGITS}-._`)
const IPV6 = classOf('0123456789abcdefABCDEF:.')
const SCHEME = classOf(`${LETTERS}${DIGITS}+-.`)
const UNRESERVED = classOf(`${LETTERS}${DIGITS}-_.!~*'()`)
const VALUE = visibleBut(';,"<>')
const URI = visibleBut('"<>')

function classOf(members: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const member of members) table[member.charCodeAt(0)] = 1
  return table
}

function visibleBut(members: string): Uint8Array {
  const excluded = classOf(members)
  return excluded.map((isExcluded, code) => (isExcluded === 0 && isVisible(code) ? 1 : 0))
}

export function isToken(code: number): boolean {
  return code < 256 && TOKEN[code] === 1
}

/** Letters, digits, `-`, `.` and the underscore that names in the field have. */
export function isHostCharacter(code: number): boolean {
  return code < 256 && HOST[code] === 1
}

export function isIpv6Character(code: number): boolean {
  return code < 256 && IPV6[code] === 1
}

export function isSchemeCharacter(code: number): boolean {
  return code < 256 && SCHEME[code] === 1
}

/** `unreserved` of RFC 3261 25.1: the characters that mean the same escaped and unescaped. */
export function isUnreserved(code: number): boolean {
  return code < 256 && UNRESERVED[code] === 1
}

export function isDigit(code: number): boolean {
  return code >= ZERO && code <= 57
}

export function isLetter(code: number): boolean {
  const lower = code | 32
  return lower >= 97 && lower <= 122
}

/** Blank or part of a fold: the index has made sure that CR and LF occur within a header line only as a fold. */
export function isLws(code: number): boolean {
  return code === SP || code === TAB || code === CR || code === LF
}

/** Visible ASCII or an octet of UTF-8: neither blank nor control. */
export function isVisible(code: number): boolean {
  return code > SP && code !== DEL
}

/** What may stand in an unquoted parameter value: wider than `token` and `host`, since the field writes more than the grammar. */
export function isValueCharacter(code: number): boolean {
  return code < 256 && VALUE[code] === 1
}

/** What may stand in a URI at all; quotes and angle brackets would break out of the `<>` it is put into. */
export function isUriCharacter(code: number): boolean {
  return code < 256 && URI[code] === 1
}

/** Value of a hexadecimal digit, -1 for anything else. */
export function hexValue(code: number): number {
  if (isDigit(code)) return code - ZERO
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

export function lowerCode(code: number): number {
  return code >= 65 && code <= 90 ? code | 32 : code
}

/** Whether `text` has `lower` (already in lower case) at `start`, in any case. */
export function hasAt(text: string, start: number, lower: string): boolean {
  if (start + lower.length > text.length) return false
  for (let i = 0; i < lower.length; i++) {
    if (lowerCode(text.charCodeAt(start + i)) !== lower.charCodeAt(i)) return false
  }
  return true
}

/** `text.slice(start, end).toLowerCase()` of latin1, which costs less for what is in lower case already, as most is. */
export function lowerSlice(text: string, start: number, end: number): string {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code > 127 || lowerCode(code) !== code) return text.slice(start, end).toLowerCase()
  }
  return text.slice(start, end)
}

/** Whether two texts differ at most in the case of ASCII letters. */
export function equalsIgnoringCase(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    if (lowerCode(a.charCodeAt(i)) !== lowerCode(b.charCodeAt(i))) return false
  }
  return true
}

/**
 * Decimal number of 1*DIGIT, leading zeros allowed.
 * @returns -1 when it is empty, has another character, or exceeds `max` (at most 2^53 / 10)
 */
export function readNumber(text: string, start: number, end: number, max: number): number {
  if (start >= end) return -1
  let number = 0
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return -1
    number = number * 10 + code - ZERO
    if (number > max) return -1
  }
  return number
}
