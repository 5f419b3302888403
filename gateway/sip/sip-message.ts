import { equalsIgnoringCase, isToken, isVisible, readNumber } from '../../functions/contract/uri/chars.ts'
import {
  FOLDED,
  type HeaderIndex,
  LINE_START,
  NAME_END,
  NUMBER,
  NUMBER_MASK,
  STRIDE,
  VALUE_START,
} from './header-index.ts'
import { CALL_ID, CSEQ, FROM, headerNumber, MAX_FORWARDS, OTHER, TO, VIA } from './header-names.ts'
import { type NameAddr, parseNameAddrAt, type TaggedNameAddr } from './name-addr.ts'
import { skipLws, splitList, trimLwsEnd, unfold } from './params.ts'
import { knownMethod, type StartLine } from './start-line.ts'
import { parseViaAt, type Via } from './via.ts'

export interface CSeq {
  /** Below 2^31 (RFC 3261 8.1.1.5). */
  number: number
  method: string
}

const LARGEST_CSEQ = 2147483647
const LARGEST_MAX_FORWARDS = 255

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

  /** Whether there is a line of a header known by number. */
  has(number: number): boolean {
    return (this.index.seen & (1 << number)) !== 0
  }

  /** Position in `index.table` of the first line of a header known by number; -1 when absent. */
  lineOf(number: number): number {
    if (!this.has(number)) return -1
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
