import { CR, isLws, LF, readNumber } from '../../functions/contract/uri/chars.ts'
import { type HeaderIndex, indexHeaders, NUMBER, NUMBER_MASK, STRIDE, VALUE_START } from './header-index.ts'
import { CALL_ID, CONTENT_LENGTH, CSEQ, FROM, TO, VIA } from './header-names.ts'
import { skipLws, trimLwsEnd } from './params.ts'
import { SipMessage } from './sip-message.ts'
import { readStartLine, type StartLine } from './start-line.ts'
import { isUri } from './uri.ts'

export { type CSeq, SipMessage } from './sip-message.ts'

export type ReadResult =
  | { ok: true; message: SipMessage }
  /** Keep-alives, STUN, RTP, noise, broken responses and ACKs: say nothing. */
  | { ok: false; answer: undefined; why: string }
  /** A broken request that can be answered statelessly: `message` has enough (Via, From, To, Call-ID, CSeq) for `buildResponse`. */
  | { ok: false; answer: { status: number; reason: string }; message: SipMessage; why: string }

/** More than any transport takes, and small enough to be counted exactly. */
const LARGEST_CONTENT_LENGTH = 2147483647

/**
 * Reads one whole message (a datagram, or a framed piece of a stream): start line, header section, Content-Length. Linear time.
 * Headers are looked at by who needs them; what any server refuses is in `checkRequest`.
 */
export function readMessage(text: string): ReadResult {
  const start = skipLineEnds(text)
  if (start === text.length) return silence('nothing but line ends')
  const line = readStartLine(text, start)
  if (line === undefined) return silence('no SIP message')
  const index = indexHeaders(text, line.end)
  const bodyEnd = endOfBody(text, index)
  const flaw = line.flaw || (line.isRequest && !isUri(line.uri) ? 'the Request-URI is broken' : '') || index.flaw
  const why = flaw || (bodyEnd < 0 ? 'Content-Length does not fit the message' : '')
  if (why !== '') return refusal(text, line, index, why)
  if (start > 0 || bodyEnd < text.length) return readMessage(text.slice(start, bodyEnd))
  return { ok: true, message: new SipMessage(text, line, index) }
}

function skipLineEnds(text: string): number {
  let at = 0
  while (at < text.length && (text.charCodeAt(at) === CR || text.charCodeAt(at) === LF)) at++
  return at
}

function silence(why: string): ReadResult {
  return { ok: false, answer: undefined, why }
}

const NEEDED = (1 << VIA) | (1 << FROM) | (1 << TO) | (1 << CALL_ID) | (1 << CSEQ)

/** 400 when there is somebody to answer and something to answer with: never to a response, nor to an ACK (RFC 3261 17.1.1.3). */
function refusal(text: string, line: StartLine, index: HeaderIndex, why: string): ReadResult {
  const isAnswerable = line.isRequest && line.method !== 'ACK' && (index.seen & NEEDED) === NEEDED
  if (!isAnswerable) return silence(why)
  return { ok: false, answer: { status: 400, reason: 'Bad Request' }, message: new SipMessage(text, line, index), why }
}

/** Where the body ends: by Content-Length, or with the text when there is none. -1 when the lengths are broken, differ or exceed it. */
function endOfBody(text: string, index: HeaderIndex): number {
  if ((index.seen & (1 << CONTENT_LENGTH)) === 0) return text.length
  let length = -1
  const table = index.table
  for (let line = 0; line < table.length; line += STRIDE) {
    if ((table[line + NUMBER]! & NUMBER_MASK) !== CONTENT_LENGTH) continue
    const lineEnd = line + STRIDE < table.length ? table[line + STRIDE]! : index.end
    const value = readLength(text, table[line + VALUE_START]!, lineEnd)
    if (value < 0 || (length >= 0 && value !== length)) return -1
    length = value
  }
  return index.bodyStart + length <= text.length ? index.bodyStart + length : -1
}

function readLength(text: string, start: number, end: number): number {
  const first = isLws(text.charCodeAt(start)) ? skipLws(text, start, end) : start
  return readNumber(text, first, trimLwsEnd(text, first, end), LARGEST_CONTENT_LENGTH)
}
