import { isVisible } from '../../functions/contract/uri/chars.ts'
import { PROXY_REQUIRE } from './header-names.ts'
import type { SipMessage } from './message.ts'
import { hasUriHeaders, knownScheme } from './uri.ts'

/** What to answer instead of acting. */
export interface Fault {
  status: number
  reason: string
  headers?: readonly [string, string][]
}

/** More header lines than any honest request has; each of them costs every later look at the message. */
export const LARGEST_LINE_COUNT = 256

/**
 * What any server must refuse before acting (RFC 3261 8.2, 16.3): another version, too many header lines, mandatory headers that
 * are missing, broken or there twice, CSeq of another method, headers in the Request-URI. Cheap when fine.
 * An absent Max-Forwards, From tag or magic cookie is fine (RFC 2543). An ACK is not answered: whoever gets a fault for one drops it.
 * @returns undefined when it is fine
 */
export function checkRequest(message: SipMessage): Fault | undefined {
  if (message.version !== '2.0') return { status: 505, reason: 'Version Not Supported' }
  if (message.lineCount > LARGEST_LINE_COUNT) return bad('Too Many Header Fields')
  if (message.index.repeated !== 0) return bad('Repeated Header Field')
  const missing = brokenKey(message)
  if (missing !== '') return bad(`Missing Or Broken ${missing}`)
  if (message.cseq!.method !== message.method) return bad('CSeq Method Differs')
  if (Number.isNaN(message.maxForwards)) return bad('Broken Max-Forwards')
  return hasUriHeaders(message.uri) ? bad('Headers In Request-URI') : undefined
}

/**
 * Why a response cannot be taken: what it is matched and sent on by is missing or broken. Drop it (RFC 3261 18.1.2).
 * @returns undefined when it is fine
 */
export function checkResponse(message: SipMessage): string | undefined {
  if (message.lineCount > LARGEST_LINE_COUNT) return 'too many header lines'
  if (message.index.repeated !== 0) return 'a header is there twice'
  const missing = brokenKey(message)
  return missing === '' ? undefined : `${missing} is missing or broken`
}

/**
 * What a proxy must refuse further (RFC 3261 16.3): a Request-URI of a scheme it cannot route, a request that has no hop left, and
 * extensions that proxies are required to know.
 * @returns undefined when it is fine
 */
export function checkProxy(request: SipMessage): Fault | undefined {
  if (knownScheme(request.uri) === '') return { status: 416, reason: 'Unsupported URI Scheme' }
  if (request.maxForwards === 0) return { status: 483, reason: 'Too Many Hops' }
  const required = request.has(PROXY_REQUIRE) ? request.values('Proxy-Require') : []
  if (required.length === 0) return undefined
  return { status: 420, reason: 'Bad Extension', headers: [['Unsupported', required.join(', ')]] }
}

/** Name of the first header without which nothing can be matched; '' when all are there and read. */
function brokenKey(message: SipMessage): string {
  if (message.via === undefined) return 'Via'
  if (message.from === undefined) return 'From'
  if (message.to === undefined) return 'To'
  if (!isCallId(message.callId)) return 'Call-ID'
  return message.cseq === undefined ? 'CSeq' : ''
}

/** Wider than `callid` of RFC 3261 25.1, yet one word: it goes into keys, events and logs. */
function isCallId(callId: string): boolean {
  for (let at = 0; at < callId.length; at++) if (!isVisible(callId.charCodeAt(at))) return false
  return callId !== ''
}

function bad(reason: string): Fault {
  return { status: 400, reason }
}
