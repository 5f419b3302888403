import { COLON, CR, isToken, LF, SP, TAB } from '../../functions/contract/uri/chars.ts'
import { CALL_ID, CSEQ, FROM, headerNumber, MAX_FORWARDS, OTHER, TO } from './header-names.ts'

/** Positions kept per header line in `HeaderIndex.table`. */
export const STRIDE = 4
export const LINE_START = 0
export const NAME_END = 1
/** First character after the colon and blanks. */
export const VALUE_START = 2
/** Header number, plus `FOLDED` when the line holds CR or LF before its end. */
export const NUMBER = 3

export const FOLDED = 64
export const NUMBER_MASK = 31

/** The headers of which a request may have only one and which decide how it is matched. */
const SINGLE = (1 << FROM) | (1 << TO) | (1 << CALL_ID) | (1 << CSEQ) | (1 << MAX_FORWARDS)

const NO_LINES: readonly number[] = []
/** The lines of the message that is being read; it gets a copy of just their number in the end. */
const lines: number[] = new Array(1024).fill(0)
let size = 0

/** Where each header line of one message stands. Lines end where the next begins; the last one ends at `end`. */
export class HeaderIndex {
  /** `STRIDE` numbers per line. */
  table: readonly number[] = NO_LINES
  /** Bit n: a header numbered n occurs. */
  seen = 0
  /** Bit n: header n, of which there may be only one, occurs again. */
  repeated = 0
  /** Where the empty line stands that ends the header section. */
  end = 0
  bodyStart = 0
  /** What keeps the header section from being read as it stands; '' when nothing does. */
  flaw = ''
}

/**
 * Finds the header lines from `start` (after the start line) to the empty line. One pass; no value is looked at.
 * Lone CRs, bare LFs, lines that are no header and a missing empty line are noted as the flaw, and the rest is still indexed
 * so that the request can be answered.
 */
export function indexHeaders(text: string, start: number): HeaderIndex {
  const index = new HeaderIndex()
  size = 0
  const end = indexLines(text, start, index)
  index.table = lines.slice(0, size)
  if (end >= 0) endSection(text, end, index)
  else {
    index.flaw = 'the header section does not end'
    index.end = size === 0 ? start : index.end
    index.bodyStart = text.length
  }
  return index
}

/** Returns where the empty line stands, -1 when there is none. */
function indexLines(text: string, start: number, index: HeaderIndex): number {
  let at = start
  while (at >= 0 && at < text.length) {
    const code = text.charCodeAt(at)
    if (code === CR || code === LF) return at
    at = indexLine(text, at, index)
  }
  return -1
}

function endSection(text: string, at: number, index: HeaderIndex): void {
  const isCrLf = text.charCodeAt(at) === CR && at + 1 < text.length && text.charCodeAt(at + 1) === LF
  if (!isCrLf) index.flaw ||= 'a line ends in a lone CR or LF'
  index.end = at
  index.bodyStart = isCrLf ? at + 2 : at + 1
}

/** Returns where the next line starts, -1 when this one has no end. */
function indexLine(text: string, start: number, index: HeaderIndex): number {
  const length = text.length
  let at = start
  while (at < length && isToken(text.charCodeAt(at))) at++
  const nameEnd = at
  while (at < length && isBlank(text.charCodeAt(at))) at++
  const isHeader = nameEnd > start && at < length && text.charCodeAt(at) === COLON
  if (isHeader) at++
  else index.flaw ||= 'a line is no header'
  while (at < length && isBlank(text.charCodeAt(at))) at++
  const valueStart = at
  let fold = 0
  let lineFeed = text.indexOf('\n', at)
  if (lineFeed < 0) return -1
  if (hasLoneEnd(text, at, lineFeed)) fold = noteLoneEnd(index)
  while (lineFeed + 1 < length && isBlank(text.charCodeAt(lineFeed + 1))) {
    fold = FOLDED
    at = lineFeed + 1
    lineFeed = text.indexOf('\n', at)
    if (lineFeed < 0) return -1
    if (hasLoneEnd(text, at, lineFeed)) noteLoneEnd(index)
  }
  const number = isHeader ? headerNumber(text, start, nameEnd) : OTHER
  lines[size] = start
  lines[size + NAME_END] = nameEnd
  lines[size + VALUE_START] = valueStart
  lines[size + NUMBER] = number | fold
  size += STRIDE
  const bit = 1 << number
  if ((index.seen & bit & SINGLE) !== 0) index.repeated |= bit
  index.seen |= bit
  index.end = lineFeed + 1
  return lineFeed + 1
}

/** The first comparison keeps the search for CR within the line: a section without any CR would cost its square. */
function hasLoneEnd(text: string, start: number, lineFeed: number): boolean {
  return text.charCodeAt(lineFeed - 1) !== CR || text.indexOf('\r', start) !== lineFeed - 1
}

function noteLoneEnd(index: HeaderIndex): number {
  index.flaw ||= 'a line ends in a lone CR or LF'
  return FOLDED
}

function isBlank(code: number): boolean {
  return code === SP || code === TAB
}
