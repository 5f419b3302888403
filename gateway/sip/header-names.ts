import { hasAt, lowerCode } from '../../functions/contract/uri/chars.ts'

/** The headers this element looks for by number instead of by name. Their order is that of `NAMES`. */
export const VIA = 0
export const FROM = 1
export const TO = 2
export const CALL_ID = 3
export const CSEQ = 4
export const MAX_FORWARDS = 5
export const ROUTE = 6
export const RECORD_ROUTE = 7
export const CONTACT = 8
export const CONTENT_LENGTH = 9
export const TIMESTAMP = 10
export const REFER_TO = 17
export const REFERRED_BY = 18
export const PROXY_REQUIRE = 26
/** Any header without a number of its own. */
export const OTHER = 31

/** Long names in lower case with the compact form where one is registered (RFC 3261 7.3.3 and IANA). At most 31. */
const NAMES: readonly (readonly [long: string, compact?: string])[] = [
  ['via', 'v'],
  ['from', 'f'],
  ['to', 't'],
  ['call-id', 'i'],
  ['cseq'],
  ['max-forwards'],
  ['route'],
  ['record-route'],
  ['contact', 'm'],
  ['content-length', 'l'],
  ['timestamp'],
  ['content-type', 'c'],
  ['content-encoding', 'e'],
  ['supported', 'k'],
  ['subject', 's'],
  ['event', 'o'],
  ['allow-events', 'u'],
  ['refer-to', 'r'],
  ['referred-by', 'b'],
  ['accept-contact', 'a'],
  ['reject-contact', 'j'],
  ['request-disposition', 'd'],
  ['session-expires', 'x'],
  ['identity', 'y'],
  ['identity-info', 'n'],
  ['require'],
  ['proxy-require'],
  ['authorization'],
  ['proxy-authorization'],
  ['expires'],
  ['path'],
]

const LONGEST = 24
const byLength: number[][] = Array.from({ length: LONGEST + 1 }, () => [])
const byCompact: number[] = new Array(128).fill(OTHER)
for (const [number, [long, compact]] of NAMES.entries()) {
  byLength[long.length]!.push(number)
  if (compact !== undefined) byCompact[compact.charCodeAt(0)] = number
}
const longNames = NAMES.map(([long]) => long)

/** Number of the header whose name stands in `text` from `start` to `end`, in any case, long or compact; `OTHER` for the rest. */
export function headerNumber(text: string, start: number, end: number): number {
  const length = end - start
  if (length === 1) return byCompact[lowerCode(text.charCodeAt(start))] ?? OTHER
  if (length > LONGEST) return OTHER
  const candidates = byLength[length]!
  for (let i = 0; i < candidates.length; i++) {
    if (hasAt(text, start, longNames[candidates[i]!]!)) return candidates[i]!
  }
  return OTHER
}
