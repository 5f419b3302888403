import { COMMA } from '../../functions/contract/uri/chars.ts'
import { LINE_START, NUMBER, NUMBER_MASK, STRIDE, VALUE_START } from './header-index.ts'
import { assertName, assertOneLine, headerLine } from './header-line.ts'
import { CONTACT, MAX_FORWARDS, REFER_TO, REFERRED_BY, ROUTE, VIA } from './header-names.ts'
import type { SipMessage } from './message.ts'
import { elementEnd, skipLws, trimLwsEnd } from './params.ts'
import { withoutPushTokens } from './push-params.ts'
import { fillReceived, type Received } from './received.ts'
import { Splicer } from './splicer.ts'

/** What changes on a request as it is forwarded (RFC 3261 16.6). Values are latin1 and hold no CR, LF or NUL. */
export interface RequestEdits {
  /** New Request-URI. */
  uri?: string
  /** Value of the Via line to put on top. */
  via: string
  /** Fills received/rport into the (previously) topmost Via (RFC 3261 18.2.1, 3581); null when nothing is to be added. */
  received: Received | null
  /** Replaces, or adds when absent. */
  maxForwards: number
  /** Values put on top, first is topmost. */
  recordRoute?: string[]
  /** How many topmost Route values to take away. */
  dropRoutes?: number
  /** Strict-router repair (16.4): the last Route value goes. */
  dropLastRoute?: boolean
  /** Values put on top after dropping. */
  addRoutes?: string[]
  /** Value put at the end (16.6 step 6, strict next hop). */
  appendRoute?: string
  headers?: HeaderEdits
}

/** `set` takes every line of that name away and writes one; what is written comes after the headers that were there. */
export interface HeaderEdits {
  remove?: string[]
  set?: Record<string, string>
  add?: [string, string][]
}

/** The request as sent on, without tokens of push services. Header lines that no edit names, and the body, stay byte for byte. */
export function spliceRequest(request: SipMessage, edits: RequestEdits): string {
  const firstLine = request.index.table[LINE_START] ?? request.index.end
  const splicer = new Splicer(request.text, firstLine)
  const isAdded = request.lineOf(MAX_FORWARDS) < 0
  const removed = edits.headers === undefined ? undefined : removedLines(request, edits.headers)
  spliceLines(request, edits, splicer, removed)
  if (edits.headers !== undefined) splicer.replace(request.index.end, request.index.end, addedLines(edits.headers))
  const top = startLine(request, edits.uri, firstLine) + topLines(request, edits)
  const maxForwards = isAdded ? `Max-Forwards: ${edits.maxForwards}\r\n` : ''
  return top + maxForwards + splicer.finish(request.text.length)
}

function startLine(request: SipMessage, uri: string | undefined, firstLine: number): string {
  if (uri === undefined || uri === request.uri) return request.text.slice(0, firstLine)
  return `${request.method} ${assertOneLine(uri)} SIP/${request.version}\r\n`
}

function topLines(request: SipMessage, edits: RequestEdits): string {
  let lines = `Via: ${assertOneLine(edits.via)}\r\n`
  if (edits.recordRoute !== undefined) lines += headerLines('Record-Route', edits.recordRoute)
  if (edits.addRoutes !== undefined) lines += headerLines('Route', edits.addRoutes)
  const isAppendedHere = edits.appendRoute !== undefined && request.lineOf(ROUTE) < 0
  return isAppendedHere ? lines + headerLine('Route', edits.appendRoute!) : lines
}

function spliceLines(
  request: SipMessage,
  edits: RequestEdits,
  splicer: Splicer,
  removed: Set<number> | undefined,
): void {
  const table = request.index.table
  let isTopmostVia = true
  let routes: RouteCut | undefined
  for (let line = 0; line < table.length; line += STRIDE) {
    const number = table[line + NUMBER]! & NUMBER_MASK
    if (removed?.has(line)) splicer.replace(table[line + LINE_START]!, request.lineEnd(line), '')
    else if (number === VIA && isTopmostVia) {
      isTopmostVia = false
      if (edits.received !== null)
        fillReceived(splicer, table[line + VALUE_START]!, request.valueEnd(line), edits.received)
    } else if (number === MAX_FORWARDS) {
      splicer.replace(table[line + VALUE_START]!, request.valueEnd(line), String(edits.maxForwards))
    } else if (number === ROUTE) {
      routes ??= { toDrop: edits.dropRoutes ?? 0, lastLine: lastRouteLine(request) }
      spliceRoute(request, line, edits, routes, splicer)
    } else if (mayHoldTokens(number) && request.method !== 'REGISTER') {
      const start = table[line + VALUE_START]!
      const end = request.valueEnd(line)
      const plain = plainValue(request.text, start, end)
      if (plain !== undefined) splicer.replace(start, end, plain)
    }
  }
}

interface RouteCut {
  /** Topmost values that are still to go. */
  toDrop: number
  lastLine: number
}

function lastRouteLine(request: SipMessage): number {
  const table = request.index.table
  let line = table.length - STRIDE
  while (line >= 0 && (table[line + NUMBER]! & NUMBER_MASK) !== ROUTE) line -= STRIDE
  return line
}

function spliceRoute(request: SipMessage, line: number, edits: RequestEdits, cut: RouteCut, splicer: Splicer): void {
  const isLast = line === cut.lastLine
  const dropLast = isLast && edits.dropLastRoute === true
  if (cut.toDrop > 0 || dropLast) cutRoutes(request, line, cut, dropLast, splicer)
  if (!isLast || edits.appendRoute === undefined) return
  splicer.replace(request.lineEnd(line), request.lineEnd(line), headerLine('Route', edits.appendRoute))
}

/** Takes values off one Route line, at its front and at its end; the whole line when nothing is left. */
function cutRoutes(request: SipMessage, line: number, cut: RouteCut, dropLast: boolean, splicer: Splicer): void {
  const table = request.index.table
  const valueStart = table[line + VALUE_START]!
  const valueEnd = request.valueEnd(line)
  const keptStart = skipElements(request.text, valueStart, valueEnd, cut)
  const keptEnd = dropLast ? startOfLast(request.text, keptStart, valueEnd) : valueEnd
  if (keptEnd <= keptStart) splicer.replace(table[line + LINE_START]!, request.lineEnd(line), '')
  else {
    splicer.replace(valueStart, keptStart, '')
    splicer.replace(keptEnd, valueEnd, '')
  }
}

/** Where the first value stands that is not dropped; counts down what is still to drop. */
function skipElements(text: string, start: number, end: number, cut: RouteCut): number {
  let at = skipSeparators(text, start, end)
  while (cut.toDrop > 0 && at < end) {
    cut.toDrop--
    at = skipSeparators(text, elementEnd(text, at, end), end)
  }
  return at
}

/** Where the value before the last one ends, `start` when there is only one. */
function startOfLast(text: string, start: number, end: number): number {
  let keptEnd = start
  for (let at = start; at < end; ) {
    const last = elementEnd(text, at, end)
    const next = skipSeparators(text, last, end)
    if (next >= end) break
    keptEnd = trimLwsEnd(text, at, last)
    at = next
  }
  return keptEnd
}

function skipSeparators(text: string, start: number, end: number): number {
  let at = skipLws(text, start, end)
  while (at < end && text.charCodeAt(at) === COMMA) at = skipLws(text, at + 1, end)
  return at
}

/** Lines that the header edits take away, by position in the index. */
function removedLines(request: SipMessage, edits: HeaderEdits): Set<number> {
  const removed = new Set<number>()
  const names = edits.set === undefined ? (edits.remove ?? []) : [...(edits.remove ?? []), ...Object.keys(edits.set)]
  for (const name of names) {
    for (let line = request.findLine(name, 0); line >= 0; line = request.findLine(name, line + STRIDE))
      removed.add(line)
  }
  return removed
}

function addedLines(edits: HeaderEdits): string {
  let lines = ''
  for (const [name, value] of Object.entries(edits.set ?? {})) lines += headerLine(assertName(name), value)
  for (const [name, value] of edits.add ?? []) lines += headerLine(assertName(name), value)
  return lines
}

function headerLines(name: string, values: string[]): string {
  let lines = ''
  for (let i = 0; i < values.length; i++) lines += headerLine(name, values[i]!)
  return lines
}

/** Where phones put their own address. A REGISTER has to have the tokens, and its 200 shows a phone its own. */
function mayHoldTokens(number: number): boolean {
  return number === CONTACT || number === REFER_TO || number === REFERRED_BY
}

/** @returns undefined when there is nothing to take away */
function plainValue(text: string, start: number, end: number): string | undefined {
  const value = text.slice(start, end)
  const plain = withoutPushTokens(value)
  return plain === value ? undefined : plain
}

interface Edit {
  start: number
  end: number
  text: string
}

/**
 * The response as sent on: topmost Via value removed (RFC 3261 16.7 step 3), no tokens of push services, everything else byte for byte.
 * @returns undefined when it was the only one: the response is for this element
 */
export function spliceResponse(response: SipMessage): string | undefined {
  const via = topmostVia(response)
  if (!via) return undefined
  const { text } = response
  const tokens = tokenEdits(response)
  if (tokens.length === 0) return text.slice(0, via.start) + text.slice(via.end)
  const splicer = new Splicer(text, 0)
  for (const edit of [via, ...tokens].sort((a, b) => a.start - b.start))
    splicer.replace(edit.start, edit.end, edit.text)
  return splicer.finish(text.length)
}

function topmostVia(response: SipMessage): Edit | undefined {
  const line = response.lineOf(VIA)
  if (line < 0) return undefined
  const { table } = response.index
  const { text } = response
  const start = table[line + VALUE_START]!
  const valueEnd = response.valueEnd(line)
  const end = skipSeparators(text, elementEnd(text, skipSeparators(text, start, valueEnd), valueEnd), valueEnd)
  if (end < valueEnd) return { start, end, text: '' }
  return hasViaAfter(response, line)
    ? { start: table[line + LINE_START]!, end: response.lineEnd(line), text: '' }
    : undefined
}

const NO_EDITS: readonly Edit[] = []

function tokenEdits(response: SipMessage): readonly Edit[] {
  const { table } = response.index
  let edits = NO_EDITS
  for (let line = 0; line < table.length; line += STRIDE) {
    if (!mayHoldTokens(table[line + NUMBER]! & NUMBER_MASK)) continue
    const start = table[line + VALUE_START]!
    const end = response.valueEnd(line)
    const text = plainValue(response.text, start, end)
    if (text !== undefined) edits = [...edits, { start, end, text }]
  }
  return edits.length > 0 && response.method === 'REGISTER' ? NO_EDITS : edits
}

function hasViaAfter(response: SipMessage, line: number): boolean {
  const table = response.index.table
  for (let other = line + STRIDE; other < table.length; other += STRIDE) {
    if ((table[other + NUMBER]! & NUMBER_MASK) === VIA) return true
  }
  return false
}
