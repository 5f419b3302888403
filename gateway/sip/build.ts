import { FOLDED, LINE_START, NAME_END, NUMBER, NUMBER_MASK, STRIDE, VALUE_START } from './header-index.ts'
import { assertName, assertOneLine, headerLine } from './header-line.ts'
import { CALL_ID, CSEQ, FROM, RECORD_ROUTE, ROUTE, TIMESTAMP, TO, VIA } from './header-names.ts'
import type { SipMessage } from './message.ts'
import { elementEnd } from './params.ts'
import { fillReceived, type Received } from './received.ts'
import { Splicer } from './splicer.ts'

export { reasonPhrase } from '../../functions/contract/reason-phrases.ts'
export { receivedOf } from './received.ts'

export interface ResponseOptions {
  /** Added to To unless the request's To has a tag. */
  toTag?: string
  /** Filled into the topmost Via; see `receivedOf`. */
  received?: Received | null
  headers?: readonly [string, string][]
  /** Latin1. */
  body?: string
  contentType?: string
}

/**
 * A response per RFC 3261 8.2.6: Vias, From, To, Call-ID and CSeq of the request as they came, Record-Route in what may make a
 * dialog (101–299), Timestamp in a 100, then `headers` and Content-Length. Header lines that the request lacks are left out, so
 * that a request which could not be read can be refused.
 */
export function buildResponse(
  request: SipMessage,
  status: number,
  reason: string,
  options: ResponseOptions = {},
): string {
  let text = `SIP/2.0 ${status} ${assertOneLine(reason)}\r\n${viaLines(request, options.received ?? null)}`
  text +=
    firstLine(request, FROM) + toLine(request, options.toTag) + firstLine(request, CALL_ID) + firstLine(request, CSEQ)
  if (status === 100) text += firstLine(request, TIMESTAMP)
  else if (status < 300) text += everyLine(request, RECORD_ROUTE)
  return text + tail(options.headers, options.contentType, options.body)
}

function viaLines(request: SipMessage, received: Received | null): string {
  const topmost = request.lineOf(VIA)
  if (topmost < 0) return ''
  if (received === null) return everyLine(request, VIA)
  return topmostVia(request, topmost, received) + linesFrom(request, VIA, topmost + STRIDE)
}

function topmostVia(request: SipMessage, line: number, received: Received): string {
  if ((request.index.table[line + NUMBER]! & FOLDED) === 0) {
    const splicer = new Splicer(request.text, request.index.table[line + LINE_START]!)
    fillReceived(splicer, request.index.table[line + VALUE_START]!, request.valueEnd(line), received)
    return splicer.finish(request.lineEnd(line))
  }
  const text = copyLine(request, line)
  const splicer = new Splicer(text, 0)
  fillReceived(splicer, text.indexOf(':') + 1, text.length - 2, received)
  return splicer.finish(text.length)
}

function toLine(request: SipMessage, tag: string | undefined): string {
  const line = firstLine(request, TO)
  if (tag === undefined || line === '' || request.toTag !== '') return line
  return `${line.slice(0, -2).trimEnd()};tag=${assertOneLine(tag)}\r\n`
}

function firstLine(message: SipMessage, number: number): string {
  const line = message.lineOf(number)
  return line < 0 ? '' : copyLine(message, line)
}

function everyLine(message: SipMessage, number: number): string {
  const first = message.lineOf(number)
  return first < 0 ? '' : linesFrom(message, number, first)
}

function linesFrom(message: SipMessage, number: number, from: number): string {
  const table = message.index.table
  let text = ''
  for (let line = from; line < table.length; line += STRIDE) {
    if ((table[line + NUMBER]! & NUMBER_MASK) === number) text += copyLine(message, line)
  }
  return text
}

/** A header line with its CRLF, octet by octet; a folded one as one line, so that no odd CR or LF is sent back. */
function copyLine(message: SipMessage, line: number): string {
  const table = message.index.table
  const start = table[line + LINE_START]!
  if ((table[line + NUMBER]! & FOLDED) === 0) return message.text.slice(start, message.lineEnd(line))
  return `${message.text.slice(start, table[line + NAME_END]!)}: ${message.valueOf(line)}\r\n`
}

/**
 * ACK for a non-2xx final response (RFC 3261 17.1.1.3): in the INVITE's transaction, To from the response.
 * @param request the INVITE as sent
 */
export function buildAck(request: SipMessage, response: SipMessage): string {
  const to = response.lineOf(TO) < 0 ? firstLine(request, TO) : firstLine(response, TO)
  return sameTransaction(request, 'ACK', to) + tail(undefined, undefined, undefined)
}

/**
 * CANCEL for a request (RFC 3261 9.1).
 * @param request as sent
 * @param reason  value of a Reason header (RFC 3326)
 */
export function buildCancel(request: SipMessage, reason?: string): string {
  const headers: [string, string][] | undefined = reason === undefined ? undefined : [['Reason', reason]]
  return sameTransaction(request, 'CANCEL', firstLine(request, TO)) + tail(headers, undefined, undefined)
}

/** What ACK and CANCEL have in common: Request-URI, the topmost Via, Route, From, Call-ID, CSeq number and Max-Forwards of the request. */
function sameTransaction(request: SipMessage, method: string, to: string): string {
  return (
    `${method} ${request.uri} SIP/2.0\r\n` +
    headerLine('Via', topmostViaValue(request)) +
    everyLine(request, ROUTE) +
    headerLine('Max-Forwards', String(request.maxForwards ?? 70)) +
    firstLine(request, FROM) +
    to +
    firstLine(request, CALL_ID) +
    headerLine('CSeq', `${request.cseq?.number ?? 0} ${method}`)
  )
}

function topmostViaValue(request: SipMessage): string {
  const line = request.lineOf(VIA)
  if (line < 0) return ''
  const value = request.valueOf(line)
  return value.slice(0, elementEnd(value, 0, value.length)).trimEnd()
}

/** A request of our own, outside any transaction that came in. Values are header values as they are written. */
export interface NewRequest {
  method: string
  uri: string
  via: string
  from: string
  to: string
  callId: string
  cseq: number
  /** Default 70. */
  maxForwards?: number
  routes?: string[]
  contact?: string
  headers?: readonly [string, string][]
  /** Latin1. */
  body?: string
  contentType?: string
}

/** RFC 3261 8.1.1. Throws on CR, LF and NUL in a value. */
export function buildRequest(request: NewRequest): string {
  let text = `${assertName(request.method)} ${assertOneLine(request.uri)} SIP/2.0\r\n${headerLine('Via', request.via)}`
  for (const route of request.routes ?? []) text += headerLine('Route', route)
  text += headerLine('Max-Forwards', String(request.maxForwards ?? 70))
  text += headerLine('From', request.from) + headerLine('To', request.to)
  text += headerLine('Call-ID', request.callId) + headerLine('CSeq', `${request.cseq} ${request.method}`)
  if (request.contact !== undefined) text += headerLine('Contact', request.contact)
  return text + tail(request.headers, request.contentType, request.body)
}

/** Further headers, Content-Type and Content-Length, the empty line and the body. */
function tail(
  headers: readonly [string, string][] | undefined,
  contentType: string | undefined,
  body: string | undefined,
): string {
  let text = ''
  if (headers !== undefined) for (const [name, value] of headers) text += headerLine(assertName(name), value)
  if (contentType !== undefined) text += headerLine('Content-Type', contentType)
  return `${text}Content-Length: ${body === undefined ? 0 : body.length}\r\n\r\n${body ?? ''}`
}
