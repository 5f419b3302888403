import { CR, hasAt, isDigit, isToken, LF, readNumber, SP, TAB } from '../../functions/contract/uri/chars.ts'

/** The first line of a message, read by `readStartLine`. */
export interface StartLine {
  isRequest: boolean
  /** As written, case kept (RFC 3261 7.1); '' for responses. */
  method: string
  /** '' for responses and for request lines that are broken. */
  uri: string
  status: number
  reason: string
  /** `2.0`; whatever else was written is for the caller to refuse with 505. */
  version: string
  /** Where the first header line starts. */
  end: number
  /** What is wrong with a line that is a request's all the same, and so can be answered; '' when nothing is. */
  flaw: string
}

/** @returns undefined for what is no SIP at all, and for broken status lines: nobody is answered then */
export function readStartLine(text: string, start: number): StartLine | undefined {
  const lineFeed = text.indexOf('\n', start)
  if (lineFeed < 0) return undefined
  const end = text.charCodeAt(lineFeed - 1) === CR ? lineFeed - 1 : lineFeed
  return hasAt(text, start, 'sip/')
    ? readStatusLine(text, start, end, lineFeed + 1)
    : readRequestLine(text, start, end, lineFeed + 1)
}

/** `Method SP Request-URI SP SIP-Version`, single spaces. Each part is validated where it is used; here only the shape. */
function readRequestLine(text: string, start: number, end: number, next: number): StartLine | undefined {
  let at = start
  while (at < end && isToken(text.charCodeAt(at))) at++
  if (at === start || text.charCodeAt(at) !== SP) return undefined
  const method = knownMethod(text, start, at)
  const versionEnd = trimBlanks(text, at, end)
  const versionStart = text.lastIndexOf(' ', versionEnd - 1) + 1
  const version = readVersion(text, versionStart, versionEnd)
  if (version === '' || versionStart <= at) return undefined
  const uri = versionStart - 1 > at ? text.slice(at + 1, versionStart - 1) : ''
  const flaw = requestLineFlaw(text, uri, versionEnd, next)
  return { isRequest: true, method, uri: flaw === '' ? uri : '', status: 0, reason: '', version, end: next, flaw }
}

function requestLineFlaw(text: string, uri: string, versionEnd: number, next: number): string {
  const isPlainEnd = text.charCodeAt(versionEnd) === CR && versionEnd + 2 === next
  if (!isPlainEnd) return 'the request line does not end after the version'
  return uri === '' || uri.includes(' ') ? 'the request line has more or fewer than two spaces' : ''
}

/** `SIP-Version SP Status-Code SP Reason-Phrase`; the space before an empty reason may be missing. */
function readStatusLine(text: string, start: number, end: number, next: number): StartLine | undefined {
  const versionEnd = start + 7
  const status = readNumber(text, versionEnd + 1, Math.min(versionEnd + 4, end), 699)
  const isShaped = text.charCodeAt(versionEnd) === SP && versionEnd + 4 <= end && status >= 100 && next === end + 2
  const hasReason = versionEnd + 4 < end && text.charCodeAt(versionEnd + 4) === SP
  if (!isShaped || (!hasReason && versionEnd + 4 !== end)) return undefined
  if (readVersion(text, start, versionEnd) !== '2.0') return undefined
  const reason = hasReason ? text.slice(versionEnd + 5, end) : ''
  if (reason.includes('\r')) return undefined
  return { isRequest: false, method: '', uri: '', status, reason, version: '2.0', end: next, flaw: '' }
}

/** `SIP/digits.digits` in any case gives `digits.digits`, else ''. */
function readVersion(text: string, start: number, end: number): string {
  if (end - start < 7 || !hasAt(text, start, 'sip/')) return ''
  if (end - start === 7 && hasAt(text, start + 4, '2.0')) return '2.0'
  let at = start + 4
  while (at < end && isDigit(text.charCodeAt(at))) at++
  if (at >= end || text.charAt(at) !== '.' || at === start + 4) return ''
  return readNumber(text, at + 1, end, 1e15) < 0 ? '' : text.slice(start + 4, end)
}

function trimBlanks(text: string, start: number, end: number): number {
  let at = end
  while (at > start && isBlank(text.charCodeAt(at - 1))) at--
  return at
}

function isBlank(code: number): boolean {
  return code === SP || code === TAB || code === CR || code === LF
}

/** The methods of the field as shared strings, so that comparing and keying by them costs nothing; others are copied out. */
const METHODS = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'REGISTER',
  'OPTIONS',
  'PRACK',
  'UPDATE',
  'INFO',
  'SUBSCRIBE',
  'NOTIFY',
  'MESSAGE',
  'REFER',
  'PUBLISH',
]

export function knownMethod(text: string, start: number, end: number): string {
  for (let i = 0; i < METHODS.length; i++) {
    const method = METHODS[i]!
    if (method.length === end - start && text.startsWith(method, start)) return method
  }
  return text.slice(start, end)
}
