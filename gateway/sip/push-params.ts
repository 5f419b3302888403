import { hasAt, QUESTION, QUOTE } from '../../functions/contract/uri/chars.ts'
import { nextParam, param, paramName, skipLws } from './params.ts'

/**
 * What a phone has put into a URI, or beside it, so that it can be pushed (RFC 8599): secrets, which phones are not to put into anything but
 * a REGISTER, and some do.
 */

const PREFIX = 'pn-'
const PURR = 'pn-purr'
/** Ends a parameter that cannot be read. */
const ENDS = ';>,?'

/** A header value without them, for people and functions. */
export function withoutPush(value: string): string {
  return without(value, undefined)
}

/** The same for the far end, which needs `pn-purr`: with it, requests within the dialog wake the phone (RFC 8599 6). */
export function withoutPushTokens(value: string): string {
  return without(value, PURR)
}

function without(text: string, kept: string | undefined): string {
  let plain = ''
  let copied = 0
  for (let at = text.indexOf(';'); at >= 0; at = text.indexOf(';', at + 1)) {
    if (!hasAt(text, skipLws(text, at + 1, text.length), PREFIX)) continue
    const end = endOfParameter(text, at)
    if (paramName(text) === kept) continue
    plain += text.slice(copied, at)
    copied = end
    at = end - 1
  }
  return copied === 0 ? text : plain + text.slice(copied)
}

/** Within a URI a question mark begins its headers. */
function endOfParameter(text: string, semicolon: number): number {
  if (nextParam(text, semicolon, text.length) < 0) return endOfBroken(text, param.nameEnd)
  if (param.valueStart < 0) return param.nameEnd
  if (text.charCodeAt(param.valueStart) === QUOTE) return param.valueEnd
  for (let at = param.valueStart; at < param.valueEnd; at++) if (text.charCodeAt(at) === QUESTION) return at
  return param.valueEnd
}

function endOfBroken(text: string, start: number): number {
  let at = start
  while (at < text.length && !ENDS.includes(text[at]!)) at++
  return at
}
