import { CR, equalsIgnoringCase, isLws, isToken, isVisible, LF, readNumber } from './chars.ts'
import {
  FOLDED,
  type HeaderIndex,
  indexHeaders,
  LINE_START,
  NAME_END,
  NUMBER,
  NUMBER_MASK,
  STRIDE,
  VALUE_START,
} from './header-index.ts'
import { CALL_ID, CONTENT_LENGTH, CSEQ, FROM, headerNumber, MAX_FORWARDS, OTHER, TO, VIA } from './header-names.ts'
import { type NameAddr, parseNameAddrAt, type TaggedNameAddr } from './name-addr.ts'
import { skipLws, splitList, trimLwsEnd, unfold } from './params.ts'
import { knownMethod, readStartLine, type StartLine } from './start-line.ts'
import { isUri } from './uri.ts'
import { parseViaAt, type Via } from './via.ts'

export type ReadResult =
  | { ok: true; message: SipMessage }
  /** Keep-alives, STUN, RTP, noise, broken responses and ACKs: say nothing. */
  | { ok: false; answer: undefined; why: string }
  /** A broken request that can be answered statelessly: `message` has enough (Via, From, To, Call-ID, CSeq) for `buildResponse`. */
  | { ok: false; answer: { status: number; reason: string }; message: SipMessage; why: string }

export interface CSeq {
  /** Below 2^31 (RFC 3261 8.1.1.5). */
  number: number
  method: string
}

const LARGEST_CSEQ = 2147483647
const LARGEST_MAX_FORWARDS = 255
/** More than any transport takes, and small enough to be counted exactly. */
const LARGEST_CONTENT_LENGTH = 2147483647

/** One SIP message over its own octets: header lines are indexed once, values are read when asked for. Immutable. */
export class SipMessage {
  /** Latin1, exactly this message: keep-alives before it and surplus octets of a datagram cut off. */
  readonly text: string
  readonly isRequest: boolean
  /** Request: of the start line. Response: of CSeq, '' when unreadable. */
  readonly method: string
  /** Request-URI as written; '' for responses. */
  readonly uri: string
  /** 0 for requests. */
  readonly status: number
  readonly reason: string
  /** `2.0` unless a request says otherwise. */
  readonly version: string
  /** Where the header lines stand; for splicing. */
  readonly index: HeaderIndex
  private cachedVia: Via | undefined | null = null
  private cachedFrom: TaggedNameAddr | undefined | null = null
  private cachedTo: TaggedNameAddr | undefined | null = null
  private cachedCseq: CSeq | undefined | null = null
  private cachedCallId: string | null = null
  private cachedMaxForwards: number | undefined | null = null

  constructor(text: string, line: StartLine, index: HeaderIndex) {
    this.text = text
    this.isRequest = line.isRequest
    this.uri = line.uri
    this.status = line.status
    this.reason = line.reason
    this.version = line.version
    this.index = index
    this.method = line.isRequest ? line.method : (this.cseq?.method ?? '')
  }

  get bodyStart(): number {
    return this.index.bodyStart
  }

  get body(): string {
    return this.text.slice(this.index.bodyStart)
  }

  /** First line of that name (any case; compact forms are found by the long name): unfolded, trimmed. undefined when absent. */
  header(name: string): string | undefined {
    const line = this.findLine(name, 0)
    return line < 0 ? undefined : this.valueOf(line)
  }

  /** Every line of that name, in order. */
  lines(name: string): string[] {
    const values: string[] = []
    for (let line = this.findLine(name, 0); line >= 0; line = this.findLine(name, line + STRIDE)) {
      values.push(this.valueOf(line))
    }
    return values
  }

  /** Every value of a comma-separated list header, over all its lines, in order; empty elements are left out. */
  values(name: string): string[] {
    const values: string[] = []
    for (let line = this.findLine(name, 0); line >= 0; line = this.findLine(name, line + STRIDE)) {
      splitList(this.valueOf(line), values)
    }
    return values
  }

  /** Every header line in order: name as written, value unfolded. */
  all(): [string, string][] {
    const table = this.index.table
    const headers: [string, string][] = []
    for (let line = 0; line < table.length; line += STRIDE) {
      headers.push([this.text.slice(table[line + LINE_START]!, table[line + NAME_END]!), this.valueOf(line)])
    }
    return headers
  }

  /** Topmost; undefined when absent or broken. */
  get via(): Via | undefined {
    if (this.cachedVia === null) this.cachedVia = this.readVia()
    return this.cachedVia
  }

  /** '' when absent. */
  get callId(): string {
    if (this.cachedCallId === null) this.cachedCallId = this.valueOfNumber(CALL_ID) ?? ''
    return this.cachedCallId
  }

  /** undefined when absent, broken or too large. */
  get cseq(): CSeq | undefined {
    if (this.cachedCseq === null) this.cachedCseq = this.readCseq()
    return this.cachedCseq
  }

  get from(): NameAddr | undefined {
    return this.taggedFrom
  }

  get to(): NameAddr | undefined {
    return this.taggedTo
  }

  /** '' when there is none. */
  get fromTag(): string {
    return this.taggedFrom?.tag ?? ''
  }

  /** '' when there is none. */
  get toTag(): string {
    return this.taggedTo?.tag ?? ''
  }

  /** undefined when absent, NaN when broken or above 255. */
  get maxForwards(): number | undefined {
    if (this.cachedMaxForwards === null) this.cachedMaxForwards = this.readMaxForwards()
    return this.cachedMaxForwards
  }

  /** How many header lines there are. */
  get lineCount(): number {
    return this.index.table.length / STRIDE
  }

  /** Position in `index.table` of the first line of a header known by number; -1 when absent. */
  lineOf(number: number): number {
    if ((this.index.seen & (1 << number)) === 0) return -1
    const table = this.index.table
    for (let line = 0; line < table.length; line += STRIDE) {
      if ((table[line + NUMBER]! & NUMBER_MASK) === number) return line
    }
    return -1
  }

  /** Position in `index.table` of the first line of that name at or after `from`; -1 when there is none. */
  findLine(name: string, from: number): number {
    const number = headerNumber(name, 0, name.length)
    if ((this.index.seen & (1 << number)) === 0) return -1
    const table = this.index.table
    for (let line = from; line < table.length; line += STRIDE) {
      if ((table[line + NUMBER]! & NUMBER_MASK) === number && (number !== OTHER || this.isNamed(line, name)))
        return line
    }
    return -1
  }

  /** Where the value of a line ends, without blanks and line end. */
  valueEnd(line: number): number {
    const table = this.index.table
    return trimLwsEnd(this.text, table[line + VALUE_START]!, this.lineEnd(line))
  }

  /** Where the line after this one starts. */
  lineEnd(line: number): number {
    const table = this.index.table
    return line + STRIDE < table.length ? table[line + STRIDE + LINE_START]! : this.index.end
  }

  /** The value of a line: unfolded, trimmed. */
  valueOf(line: number): string {
    const table = this.index.table
    const isFolded = (table[line + NUMBER]! & FOLDED) !== 0
    const start = isFolded
      ? skipLws(this.text, table[line + VALUE_START]!, this.lineEnd(line))
      : table[line + VALUE_START]!
    const value = this.text.slice(start, this.valueEnd(line))
    return isFolded ? unfold(value) : value
  }

  private get taggedFrom(): TaggedNameAddr | undefined {
    if (this.cachedFrom === null) this.cachedFrom = this.readNameAddr(FROM)
    return this.cachedFrom
  }

  private get taggedTo(): TaggedNameAddr | undefined {
    if (this.cachedTo === null) this.cachedTo = this.readNameAddr(TO)
    return this.cachedTo
  }

  private isNamed(line: number, name: string): boolean {
    const table = this.index.table
    const start = table[line + LINE_START]!
    const end = table[line + NAME_END]!
    return end - start === name.length && equalsIgnoringCase(this.text.slice(start, end), name)
  }

  private valueOfNumber(number: number): string | undefined {
    const line = this.lineOf(number)
    return line < 0 ? undefined : this.valueOf(line)
  }

  /** Reads in place where it can: only a folded line is copied. */
  private readVia(): Via | undefined {
    const line = this.lineOf(VIA)
    if (line < 0) return undefined
    if ((this.index.table[line + NUMBER]! & FOLDED) === 0) {
      return parseViaAt(this.text, this.index.table[line + VALUE_START]!, this.valueEnd(line))
    }
    const value = this.valueOf(line)
    return parseViaAt(value, 0, value.length)
  }

  private readNameAddr(number: number): TaggedNameAddr | undefined {
    const line = this.lineOf(number)
    if (line < 0) return undefined
    if ((this.index.table[line + NUMBER]! & FOLDED) === 0) {
      return parseNameAddrAt(this.text, this.index.table[line + VALUE_START]!, this.valueEnd(line))
    }
    const value = this.valueOf(line)
    return parseNameAddrAt(value, 0, value.length)
  }

  private readCseq(): CSeq | undefined {
    const line = this.lineOf(CSEQ)
    if (line < 0) return undefined
    const end = this.valueEnd(line)
    const start = skipLws(this.text, this.index.table[line + VALUE_START]!, end)
    let numberEnd = start
    while (numberEnd < end && isVisible(this.text.charCodeAt(numberEnd))) numberEnd++
    const number = readNumber(this.text, start, numberEnd, LARGEST_CSEQ)
    const methodStart = skipLws(this.text, numberEnd, end)
    if (number < 0 || !isTokenRange(this.text, methodStart, end)) return undefined
    return { number, method: knownMethod(this.text, methodStart, end) }
  }

  private readMaxForwards(): number | undefined {
    const line = this.lineOf(MAX_FORWARDS)
    if (line < 0) return undefined
    const end = this.valueEnd(line)
    const start = skipLws(this.text, this.index.table[line + VALUE_START]!, end)
    const number = readNumber(this.text, start, end, LARGEST_MAX_FORWARDS)
    return number < 0 ? Number.NaN : number
  }
}

function isTokenRange(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!isToken(text.charCodeAt(at))) return false
  return end > start
}

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
