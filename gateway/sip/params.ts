import {
  BACKSLASH,
  COMMA,
  CR,
  EQUAL,
  GREATER,
  isLws,
  isToken,
  isValueCharacter,
  LESS,
  LF,
  QUOTE,
} from '../../functions/contract/uri/chars.ts'

/** Where `nextParam` found the last parameter. Read it before the next call; one object for all, so that reading allocates nothing. */
export const param = {
  nameStart: 0,
  nameEnd: 0,
  /** -1 when the parameter has no value. A quoted value includes its quotes. */
  valueStart: -1,
  valueEnd: -1,
}

/**
 * Reads `;name` or `;name=value` (RFC 3261 25.1 generic-param), LWS allowed around each part.
 * @param pos where the semicolon stands
 * @returns position after it and the LWS that follows, -1 when it is broken
 */
export function nextParam(text: string, pos: number, end: number): number {
  let at = skipLws(text, pos + 1, end)
  param.nameStart = at
  while (at < end && isToken(text.charCodeAt(at))) at++
  param.nameEnd = at
  param.valueStart = -1
  param.valueEnd = -1
  if (at === param.nameStart) return -1
  at = skipLws(text, at, end)
  if (at >= end || text.charCodeAt(at) !== EQUAL) return at
  return readValue(text, skipLws(text, at + 1, end), end)
}

function readValue(text: string, start: number, end: number): number {
  let at = start
  if (at < end && text.charCodeAt(at) === QUOTE) at = skipQuoted(text, at, end)
  else while (at < end && isValueCharacter(text.charCodeAt(at))) at++
  if (at <= start) return -1
  param.valueStart = start
  param.valueEnd = at
  return skipLws(text, at, end)
}

/** Name of the last parameter read, in lower case. */
export function paramName(text: string): string {
  return text.slice(param.nameStart, param.nameEnd).toLowerCase()
}

/** Value of the last parameter read: unquoted, undefined when it has none. */
export function paramValue(text: string): string | undefined {
  if (param.valueStart < 0) return undefined
  if (text.charCodeAt(param.valueStart) === QUOTE) return unquote(text, param.valueStart, param.valueEnd)
  return text.slice(param.valueStart, param.valueEnd)
}

export function skipLws(text: string, pos: number, end: number): number {
  let at = pos
  while (at < end && isLws(text.charCodeAt(at))) at++
  return at
}

/** End without the LWS before it. */
export function trimLwsEnd(text: string, start: number, end: number): number {
  let at = end
  while (at > start && isLws(text.charCodeAt(at - 1))) at--
  return at
}

/** Position after the quoted string that opens at `pos`; -1 when it is never closed. */
export function skipQuoted(text: string, pos: number, end: number): number {
  for (let at = pos + 1; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    if (code === BACKSLASH) at++
  }
  return -1
}

/** Content of the quoted string from `start` to `end`, quotes included in the range, quoted pairs resolved. */
export function unquote(text: string, start: number, end: number): string {
  const inner = text.slice(start + 1, end - 1)
  if (!inner.includes('\\')) return inner
  let plain = ''
  let copied = 0
  for (let at = inner.indexOf('\\'); at >= 0; at = inner.indexOf('\\', at + 2)) {
    plain += inner.slice(copied, at)
    copied = at + 1
  }
  return plain + inner.slice(copied)
}

/**
 * End of the list element that starts at `pos`: the next comma outside quotes and angle brackets, else `end`.
 * A quote or bracket that is never closed takes everything up to the end.
 */
export function elementEnd(text: string, pos: number, end: number): number {
  let at = pos
  while (at < end) {
    const code = text.charCodeAt(at)
    if (code === COMMA) return at
    at = code === QUOTE ? skipQuoted(text, at, end) : code === LESS ? skipBrackets(text, at, end) : at + 1
    if (at < 0) return end
  }
  return end
}

function skipBrackets(text: string, pos: number, end: number): number {
  for (let at = pos + 1; at < end; at++) {
    if (text.charCodeAt(at) === GREATER) return at + 1
  }
  return -1
}

/** Elements of a comma-separated list, trimmed, empty ones left out, appended to `elements`. */
export function splitList(text: string, elements: string[]): void {
  for (let at = 0; at < text.length; ) {
    const end = elementEnd(text, at, text.length)
    const start = skipLws(text, at, end)
    const last = trimLwsEnd(text, start, end)
    if (last > start) elements.push(text.slice(start, last))
    at = end + 1
  }
}

/** One line of text out of a folded one (RFC 3261 7.3.1): each run of CR and LF with the blanks after it becomes one space. */
export function unfold(text: string): string {
  let line = ''
  let copied = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code !== CR && code !== LF) continue
    line += `${text.slice(copied, at)} `
    at = skipLws(text, at, text.length)
    copied = at
  }
  return line + text.slice(copied)
}
