import { CR, isToken, LF } from './chars.ts'

/** One header line. Throws on CR, LF and NUL in the value. */
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

/** Throws on CR, LF or NUL in a value that is about to be written: whoever passes one has not validated its input. */
export function assertOneLine(value: string): string {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code === CR || code === LF || code === 0) throw new Error('a header value must not hold CR, LF or NUL')
  }
  return value
}
