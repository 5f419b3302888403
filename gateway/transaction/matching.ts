import type { SipMessage } from '../sip/message.ts'
import type { Via } from '../sip/via.ts'
import type { Listener } from '../transport/types.ts'

/**
 * What the parts of a key are joined with: no part can hold it, header values are unfolded.
 * Every key is one string, so that a look-up is one Map access.
 */
const JOIN = '\n'
const COOKIE = 'z9hG4bK'

/**
 * Names the transaction of a request whatever its method: branch and sent-by (RFC 3261 17.2.3), or what RFC 2543 goes
 * by when the branch is missing, lacks the magic cookie or is nothing else (`oldServerKey`).
 */
export function serverKey(request: SipMessage, via: Via): string {
  if (!hasUniqueBranch(via)) return oldServerKey(request, request.toTag)
  return via.branch + JOIN + via.host + JOIN + sentByPort(via)
}

/**
 * The key of an RFC 2543 request: Request-URI, To tag, From tag, Call-ID, CSeq number and top Via (RFC 3261 17.2.3).
 * @param toTag of the request, or '' to find the initial INVITE that an ACK with a tag belongs to
 */
export function oldServerKey(request: SipMessage, toTag: string): string {
  const parts = [request.uri, toTag, request.fromTag, request.callId, request.cseq?.number ?? '']
  return parts.join(JOIN) + JOIN + (request.values('via')[0] ?? '')
}

/** The first transaction of a key is kept under the key itself, those of other methods, and every CANCEL, under this. */
export function methodKey(method: string, key: string): string {
  return method + JOIN + key
}

/** A client transaction is kept under its branch, its CANCEL's under this (RFC 3261 17.1.3, 9.1). */
export function clientKey(branch: string, method: string): string {
  return method === 'CANCEL' ? methodKey(method, branch) : branch
}

/** Whether the branch alone tells requests apart, as RFC 3261 8.1.1.7 wants it. */
export function hasUniqueBranch(via: Via): boolean {
  const { branch } = via
  if (branch.length <= COOKIE.length) return false
  return branch.startsWith(COOKIE) || branch.slice(0, COOKIE.length).toLowerCase() === 'z9hg4bk'
}

/** The port responses are sent to: that of the sent-by, or the transport's default (RFC 3261 18.2.2). */
export function sentByPort(via: Via): number {
  return via.port ?? (via.transport === 'TLS' || via.transport === 'WSS' ? 5061 : 5060)
}

/** Whether the topmost Via of a response is one this gateway wrote (RFC 3261 18.1.2). */
export function isOurs(via: Via, listeners: readonly Listener[]): boolean {
  const port = sentByPort(via)
  for (const listener of listeners) {
    if (listener.advertisedPort === port && isSameHost(via.host, listener.advertisedHost)) return true
  }
  return false
}

/** `host` is as read from a Via: lower case, IPv6 without brackets. */
function isSameHost(host: string, advertised: string): boolean {
  return host === advertised || host === bareHost(advertised)
}

function bareHost(host: string): string {
  return (host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host).toLowerCase()
}
