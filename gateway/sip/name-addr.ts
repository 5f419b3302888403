import {
  COLON,
  COMMA,
  GREATER,
  hasAt,
  isLetter,
  isLws,
  isSchemeCharacter,
  isUriCharacter,
  LESS,
  QUESTION,
  QUOTE,
  SEMICOLON,
  SP,
} from '../../functions/contract/uri/chars.ts'
import { nextParam, param, paramName, paramValue, skipLws, skipQuoted, trimLwsEnd, unquote } from './params.ts'

/** The value of From, To, Contact, Route, … (RFC 3261 20.10). A view that reads parts when asked for them: copy fields, do not spread it. */
export interface NameAddr {
  /** Without its quotes; '' when there is none. */
  display: string
  /** As written, without angle brackets. */
  uri: string
  /** Header parameters, unquoted: names in lower case, undefined for those without a value. */
  params: Map<string, string | undefined>
  /** As written after the URI, '' or ';…' */
  rawParams: string
}

/** A name-addr with its tag read ahead: what matching asks of From and To. */
export interface TaggedNameAddr extends NameAddr {
  /** '' when there is none. */
  tag: string
}

const scan = { displayStart: 0, displayEnd: 0, uriStart: 0, uriEnd: 0, paramsStart: 0, tagStart: -1, tagEnd: -1 }

/**
 * Reads the name-addr or addr-spec form. Without `<>`, parameters belong to the header, and `?` and `,` are faults (RFC 3261 20).
 * The URI must have a scheme; whether the rest of it makes sense is for `parseUri`.
 * @returns undefined when it is broken, also when it holds two tags
 */
export function parseNameAddr(text: string): NameAddr | undefined {
  return parseNameAddrAt(text, 0, text.length)
}

/** `parseNameAddr` on a part of a text, so that reading From and To needs no copy. */
export function parseNameAddrAt(text: string, start: number, end: number): TaggedNameAddr | undefined {
  return scanNameAddr(text, start, trimLwsEnd(text, start, end)) ? new ScannedNameAddr(text, end) : undefined
}

function scanNameAddr(text: string, start: number, end: number): boolean {
  const at = skipLws(text, start, end)
  scan.displayStart = at
  scan.displayEnd = at
  const afterUri = scanUriPart(text, at, end)
  return afterUri >= 0 && scanHeaderParams(text, skipLws(text, afterUri, end), end)
}

function scanUriPart(text: string, start: number, end: number): number {
  if (start >= end) return -1
  const code = text.charCodeAt(start)
  if (code === LESS) return scanBracketed(text, start + 1, end)
  if (code === QUOTE) return scanAfterQuotedName(text, start, end)
  return scanDisplayOrUri(text, start, end)
}

function scanAfterQuotedName(text: string, start: number, end: number): number {
  const nameEnd = skipQuoted(text, start, end)
  if (nameEnd < 0) return -1
  scan.displayEnd = nameEnd
  const at = skipLws(text, nameEnd, end)
  return at < end && text.charCodeAt(at) === LESS ? scanBracketed(text, at + 1, end) : -1
}

/** Tells `Alice <sip:a@b>` from `sip:a@b`: whichever of `<` and `:` comes first. Display names are read wider than the grammar (UTF-8). */
function scanDisplayOrUri(text: string, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === COLON) return scanBareUri(text, start, end)
    if (code === LESS) {
      scan.displayEnd = trimLwsEnd(text, start, at)
      return scanBracketed(text, at + 1, end)
    }
    if (code === COMMA || code === SEMICOLON || code === QUOTE || code === GREATER) return -1
    if (code < SP && !isLws(code)) return -1
  }
  return -1
}

function scanBracketed(text: string, start: number, end: number): number {
  let at = start
  while (at < end && isUriCharacter(text.charCodeAt(at))) at++
  if (at >= end || text.charCodeAt(at) !== GREATER) return -1
  return noteUri(text, start, at) ? at + 1 : -1
}

function scanBareUri(text: string, start: number, end: number): number {
  let at = start
  while (at < end) {
    const code = text.charCodeAt(at)
    if (code === SEMICOLON || isLws(code)) break
    if (code === QUESTION || code === COMMA || !isUriCharacter(code)) return -1
    at++
  }
  return noteUri(text, start, at) ? at : -1
}

function noteUri(text: string, start: number, end: number): boolean {
  scan.uriStart = start
  scan.uriEnd = end
  if (start >= end || !isLetter(text.charCodeAt(start))) return false
  let at = start
  while (at < end && isSchemeCharacter(text.charCodeAt(at))) at++
  return at + 1 < end && text.charCodeAt(at) === COLON
}

function scanHeaderParams(text: string, start: number, end: number): boolean {
  scan.paramsStart = start
  scan.tagStart = -1
  let at = start
  while (at < end) {
    if (text.charCodeAt(at) !== SEMICOLON) return false
    at = nextParam(text, at, end)
    if (at < 0 || !noteTag(text)) return false
  }
  return true
}

function noteTag(text: string): boolean {
  if (param.nameEnd - param.nameStart !== 3 || !hasAt(text, param.nameStart, 'tag')) return true
  if (scan.tagStart >= 0 || param.valueStart < 0) return false
  scan.tagStart = param.valueStart
  scan.tagEnd = param.valueEnd
  return true
}

class ScannedNameAddr implements TaggedNameAddr {
  readonly tag: string
  private readonly source: string
  private readonly displayStart: number
  private readonly displayEnd: number
  private readonly uriStart: number
  private readonly uriEnd: number
  private readonly paramsStart: number
  private readonly end: number

  constructor(source: string, end: number) {
    this.source = source
    this.displayStart = scan.displayStart
    this.displayEnd = scan.displayEnd
    this.uriStart = scan.uriStart
    this.uriEnd = scan.uriEnd
    this.paramsStart = scan.paramsStart
    this.end = end
    this.tag = scan.tagStart < 0 ? '' : source.slice(scan.tagStart, scan.tagEnd)
  }

  get display(): string {
    const isQuoted = this.source.charCodeAt(this.displayStart) === QUOTE && this.displayEnd > this.displayStart
    if (isQuoted) return unquote(this.source, this.displayStart, this.displayEnd)
    return this.source.slice(this.displayStart, this.displayEnd)
  }

  get uri(): string {
    return this.source.slice(this.uriStart, this.uriEnd)
  }

  get rawParams(): string {
    return this.source.slice(this.paramsStart, trimLwsEnd(this.source, this.paramsStart, this.end))
  }

  get params(): Map<string, string | undefined> {
    const params = new Map<string, string | undefined>()
    const end = trimLwsEnd(this.source, this.paramsStart, this.end)
    let at = this.paramsStart
    while (at < end) {
      at = nextParam(this.source, at, end)
      const name = paramName(this.source)
      if (!params.has(name)) params.set(name, paramValue(this.source))
    }
    return params
  }
}
