import {
  CLOSE_BRACKET,
  COLON,
  COMMA,
  hasAt,
  isHostCharacter,
  isIpv6Character,
  isLws,
  isToken,
  lowerSlice,
  OPEN_BRACKET,
  PERCENT,
  readNumber,
  SEMICOLON,
  SLASH,
} from '../../functions/contract/uri/chars.ts'
import { nextParam, param, paramName, paramValue, skipLws } from './params.ts'

/** One Via value (RFC 3261 20.42, RFC 3581). A view that reads parts when asked for them: copy fields, do not spread it. */
export interface Via {
  /** Upper case: `UDP`, `TCP`, `TLS`, … */
  transport: string
  /** Lower case as a name is, IPv6 without brackets. */
  host: string
  port?: number
  /** '' when absent (RFC 2543). */
  branch: string
  /** As written, without brackets; whoever sends there checks that it is an address. */
  received?: string
  /** true: asked for (RFC 3581), number: filled in. */
  rport?: true | number
  maddr?: string
  /** Every parameter: names in lower case, '' for those without a value. */
  params: Map<string, string>
}

/** Where `scanVia` found the parts; -1 where there is none. One object for all, so that scanning allocates nothing. */
export const viaScan = {
  transportStart: 0,
  transportEnd: 0,
  hostStart: 0,
  hostEnd: 0,
  /** 0 when not written. */
  port: 0,
  paramsStart: 0,
  branchStart: -1,
  branchEnd: -1,
  receivedNameStart: -1,
  receivedStart: -1,
  receivedEnd: -1,
  rportNameStart: -1,
  rportNameEnd: -1,
  rportStart: -1,
  rportEnd: -1,
  maddrStart: -1,
  maddrEnd: -1,
  /** After the last parameter, LWS included: the comma or the end of the line. */
  end: 0,
}

/** Reads the first Via value of a list; undefined when it is broken. A branch without the magic cookie, or none, is fine. */
export function parseVia(text: string): Via | undefined {
  return parseViaAt(text, 0, text.length)
}

/** `parseVia` on a part of a text, so that the topmost Via of a message needs no copy. */
export function parseViaAt(text: string, start: number, end: number): Via | undefined {
  return scanVia(text, start, end) ? new ScannedVia(text) : undefined
}

/** Finds the parts of the first Via value from `start` and leaves them in `viaScan`; false when it is broken. */
export function scanVia(text: string, start: number, end: number): boolean {
  let at = scanProtocol(text, start, end)
  if (at < 0) return false
  at = scanSentBy(text, at, end)
  if (at < 0) return false
  viaScan.paramsStart = at
  return scanViaParams(text, at, end)
}

/** `SIP/2.0/UDP` with LWS round the slashes; returns where sent-by starts. The version is not ours to judge. */
function scanProtocol(text: string, start: number, end: number): number {
  let at = text.startsWith(PROTOCOL, start)
    ? skipLws(text, start + PROTOCOL.length, end)
    : scanProtocolName(text, start, end)
  viaScan.transportStart = at
  at = skipToken(text, at, end)
  viaScan.transportEnd = at
  return at > 0 && at < end && isLws(text.charCodeAt(at)) ? skipLws(text, at, end) : -1
}

/** As everybody writes it. */
const PROTOCOL = 'SIP/2.0/'

function scanProtocolName(text: string, start: number, end: number): number {
  const at = skipToken(text, skipLws(text, start, end), end)
  return skipSlash(text, skipToken(text, skipSlash(text, at, end), end), end)
}

/** Position after a token of at least one character; -1 when there is none, or the position is -1 already. */
function skipToken(text: string, start: number, end: number): number {
  if (start < 0) return -1
  let at = start
  while (at < end && isToken(text.charCodeAt(at))) at++
  return at > start ? at : -1
}

function skipSlash(text: string, start: number, end: number): number {
  if (start < 0) return -1
  const at = skipLws(text, start, end)
  return at < end && text.charCodeAt(at) === SLASH ? skipLws(text, at + 1, end) : -1
}

/** `host` or `host:port` with LWS round the colon; returns where the parameters, the comma or the end stands. */
function scanSentBy(text: string, start: number, end: number): number {
  let at = scanHost(text, start, end)
  if (at < 0) return -1
  viaScan.port = 0
  at = skipLws(text, at, end)
  if (at >= end || text.charCodeAt(at) !== COLON) return at
  at = skipLws(text, at + 1, end)
  const portStart = at
  while (at < end && isToken(text.charCodeAt(at))) at++
  viaScan.port = readNumber(text, portStart, at, 65535)
  return viaScan.port > 0 ? skipLws(text, at, end) : -1
}

function scanHost(text: string, start: number, end: number): number {
  let at = start
  if (at < end && text.charCodeAt(at) === OPEN_BRACKET) return scanIpv6(text, at + 1, end)
  while (at < end && isHostCharacter(text.charCodeAt(at))) at++
  viaScan.hostStart = start
  viaScan.hostEnd = at
  return at > start ? at : -1
}

/** An IPv6 reference, with a zone (RFC 6874) where link-local phones write one. */
function scanIpv6(text: string, start: number, end: number): number {
  let at = start
  while (at < end && isIpv6Character(text.charCodeAt(at))) at++
  if (at > start && at < end && text.charCodeAt(at) === PERCENT) at = skipToken(text, at, end)
  if (at <= start || at >= end || text.charCodeAt(at) !== CLOSE_BRACKET) return -1
  viaScan.hostStart = start
  viaScan.hostEnd = at
  return at + 1
}

function scanViaParams(text: string, start: number, end: number): boolean {
  viaScan.branchStart = -1
  viaScan.receivedNameStart = -1
  viaScan.receivedStart = -1
  viaScan.rportNameStart = -1
  viaScan.rportStart = -1
  viaScan.maddrStart = -1
  let at = start
  while (at < end && text.charCodeAt(at) === SEMICOLON) {
    at = nextParam(text, at, end)
    if (at < 0 || !noteParam(text)) return false
  }
  viaScan.end = at
  return at >= end || text.charCodeAt(at) === COMMA
}

/** Keeps the parameters that steer responses; false when one of them is there twice or needs a value and has none. */
function noteParam(text: string): boolean {
  switch (param.nameEnd - param.nameStart) {
    case 5:
      if (hasAt(text, param.nameStart, 'rport')) return noteRport()
      return hasAt(text, param.nameStart, 'maddr') ? noteMaddr() : true
    case 6:
      return hasAt(text, param.nameStart, 'branch') ? noteBranch() : true
    case 8:
      return hasAt(text, param.nameStart, 'received') ? noteReceived() : true
    default:
      return true
  }
}

function noteBranch(): boolean {
  if (viaScan.branchStart >= 0 || param.valueStart < 0) return false
  viaScan.branchStart = param.valueStart
  viaScan.branchEnd = param.valueEnd
  return true
}

function noteRport(): boolean {
  if (viaScan.rportNameStart >= 0) return false
  viaScan.rportNameStart = param.nameStart
  viaScan.rportNameEnd = param.nameEnd
  viaScan.rportStart = param.valueStart
  viaScan.rportEnd = param.valueEnd
  return true
}

function noteReceived(): boolean {
  if (viaScan.receivedStart >= 0 || param.valueStart < 0) return false
  viaScan.receivedNameStart = param.nameStart
  viaScan.receivedStart = param.valueStart
  viaScan.receivedEnd = param.valueEnd
  return true
}

function noteMaddr(): boolean {
  if (viaScan.maddrStart >= 0 || param.valueStart < 0) return false
  viaScan.maddrStart = param.valueStart
  viaScan.maddrEnd = param.valueEnd
  return true
}

class ScannedVia implements Via {
  readonly transport: string
  readonly host: string
  readonly port: number | undefined
  readonly branch: string
  readonly received: string | undefined
  readonly rport: true | number | undefined
  readonly maddr: string | undefined
  private readonly source: string
  private readonly paramsStart: number
  private readonly end: number

  constructor(source: string) {
    this.source = source
    this.transport = transportName(source, viaScan.transportStart, viaScan.transportEnd)
    this.host = lowerSlice(source, viaScan.hostStart, viaScan.hostEnd)
    this.port = viaScan.port === 0 ? undefined : viaScan.port
    this.branch = viaScan.branchStart < 0 ? '' : source.slice(viaScan.branchStart, viaScan.branchEnd)
    this.received = viaScan.receivedStart < 0 ? undefined : address(source, viaScan.receivedStart, viaScan.receivedEnd)
    this.rport = viaScan.rportNameStart < 0 ? undefined : rportOf(source)
    this.maddr = viaScan.maddrStart < 0 ? undefined : address(source, viaScan.maddrStart, viaScan.maddrEnd)
    this.paramsStart = viaScan.paramsStart
    this.end = viaScan.end
  }

  get params(): Map<string, string> {
    const params = new Map<string, string>()
    let at = this.paramsStart
    while (at < this.end) {
      at = nextParam(this.source, at, this.end)
      const name = paramName(this.source)
      if (!params.has(name)) params.set(name, paramValue(this.source) ?? '')
    }
    return params
  }
}

function transportName(text: string, start: number, end: number): string {
  if (end - start === 3) {
    if (hasAt(text, start, 'udp')) return 'UDP'
    if (hasAt(text, start, 'tcp')) return 'TCP'
    if (hasAt(text, start, 'tls')) return 'TLS'
  }
  return text.slice(start, end).toUpperCase()
}

/** A number that is none counts as asked for: what a sender writes there is replaced anyway. */
function rportOf(text: string): true | number {
  const port = viaScan.rportStart < 0 ? 0 : readNumber(text, viaScan.rportStart, viaScan.rportEnd, 65535)
  return port > 0 ? port : true
}

function address(text: string, start: number, end: number): string {
  const isBracketed = text.charCodeAt(start) === OPEN_BRACKET && text.charCodeAt(end - 1) === CLOSE_BRACKET
  return isBracketed ? text.slice(start + 1, end - 1) : text.slice(start, end)
}
