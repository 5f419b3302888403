import { CR, isToken, LF } from '../../functions/contract/uri/chars.ts'

/** One header line. Throws on CR, LF, NUL and what is not latin1 in the value. */
export function headerLine(name: string, value: string): string {
  return `${name}: ${assertOneLine(value)}\r\n`
}

/** Throws when `name` could not be a header's: whoever passes one has not validated its input. */
export function assertName(name: string): string {
  for (let at = 0; at < name.length; at++) {
    if (!isToken(name.charCodeAt(at))) throw new Error(`not a header name: ${JSON.stringify(name)}`)
  }
  if (name === '') throw new Error('a header name must not be empty')
  return name
}

/**
 * Throws on CR, LF and NUL in a value that is about to be written, and on what is not latin1, of which only the low octet would be
 * sent (U+010A is a line feed then): whoever passes one has not validated its input.
 */
export function assertOneLine(value: string): string {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === CR || code === LF || code === 0 || code > 255) {
      throw new Error('a header value must be latin1 text without CR, LF and NUL')
    }
  }
  return value
}
