import { CALL_ID, CSEQ, FROM, headerOf, linesOf, RECORD_ROUTE, TO, VIA } from './wire.ts'

/** The messages of the load, as strings around a few numbers. An INVITE is about 1.2 kB with its SDP, as phones send it. */

export interface Identity {
  /** `host:port` of the sender's socket. */
  sentBy: string
  /** Host part of the address-of-record, one of the router's domains. */
  domain: string
}

const SDP = [
  'v=0',
  'o=- 3724394400 3724394400 IN IP4 127.0.0.1',
  's=bench',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 49170 RTP/AVP 96 9 8 0 101',
  'a=rtpmap:96 opus/48000/2',
  'a=fmtp:96 useinbandfec=1; maxaveragebitrate=24000',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=ptime:20',
  'a=sendrecv',
  'a=rtcp:49171 IN IP4 127.0.0.1',
  'a=ice-ufrag:8hhYwTqJ',
  'a=ice-pwd:asd88fgpdd777uzjYhagZg1q',
  '',
].join('\r\n')

const WITH_SDP = `Content-Type: application/sdp\r\nContent-Length: ${SDP.length}\r\n\r\n${SDP}`
const EMPTY = 'Content-Length: 0\r\n\r\n'
const PHONE = [
  'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY, REFER, UPDATE, PRACK',
  'Supported: replaces, 100rel, timer, outbound, path, gruu',
  'User-Agent: bench/1.0 (load generator of the router)',
  'Session-Expires: 1800;refresher=uac',
  '',
].join('\r\n')

export function invite({ sentBy, domain }: Identity, user: string, callId: string): string {
  return `INVITE sip:${user}@${domain} SIP/2.0\r\nVia: SIP/2.0/UDP ${sentBy};branch=z9hG4bKi${callId};rport\r\nMax-Forwards: 70\r\nFrom: "Alice" <sip:alice@${domain}>;tag=f${callId}\r\nTo: <sip:${user}@${domain}>\r\nCall-ID: ${callId}\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@${sentBy}>\r\n${PHONE}${WITH_SDP}`
}

/** What a caller has to know to talk within a dialog. */
export interface DialogRoute {
  /** Remote target. */
  target: string
  /** Route header lines, '' or each ending in CRLF. */
  routes: string
  /** To value with its tag. */
  to: string
}

/** ACK for a 2xx, or BYE: a request within the dialog. */
export function inDialog(from: Identity, method: 'ACK' | 'BYE', route: DialogRoute, callId: string): string {
  const cseq = method === 'ACK' ? 1 : 2
  return `${method} ${route.target} SIP/2.0\r\nVia: SIP/2.0/UDP ${from.sentBy};branch=z9hG4bK${method}${callId};rport\r\n${route.routes}Max-Forwards: 70\r\nFrom: "Alice" <sip:alice@${from.domain}>;tag=f${callId}\r\nTo: ${route.to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\n${EMPTY}`
}

/** ACK for a failure: same branch as the INVITE (RFC 3261 17.1.1.3). */
export function ackFailure({ sentBy, domain }: Identity, user: string, to: string, callId: string): string {
  return `ACK sip:${user}@${domain} SIP/2.0\r\nVia: SIP/2.0/UDP ${sentBy};branch=z9hG4bKi${callId};rport\r\nMax-Forwards: 70\r\nFrom: "Alice" <sip:alice@${domain}>;tag=f${callId}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: 1 ACK\r\n${EMPTY}`
}

export function register({ sentBy, domain }: Identity, user: string, callId: string): string {
  return `REGISTER sip:${domain} SIP/2.0\r\nVia: SIP/2.0/UDP ${sentBy};branch=z9hG4bKr${callId};rport\r\nMax-Forwards: 70\r\nFrom: <sip:${user}@${domain}>;tag=f${callId}\r\nTo: <sip:${user}@${domain}>\r\nCall-ID: ${callId}\r\nCSeq: 1 REGISTER\r\nContact: <sip:${user}@${sentBy}>;expires=3600\r\n${PHONE}${EMPTY}`
}

/** The callee's response: what RFC 3261 8.2.6 copies is copied as it stands, the tag is made from the Call-ID. */
export function answer(request: string, status: 180 | 200 | 486, sentBy: string): string {
  const inviteAnswer = request.startsWith('INVITE ')
  return responseHead(request, status) + (inviteAnswer ? inviteTail(request, status, sentBy) : EMPTY)
}

const REASONS = { 180: 'Ringing', 200: 'OK', 486: 'Busy Here' }

function responseHead(request: string, status: 180 | 200 | 486): string {
  const to = headerOf(request, TO)
  const callId = headerOf(request, CALL_ID)
  const tagged = to.includes(';tag=') ? to : `${to};tag=t${callId}`
  return `SIP/2.0 ${status} ${REASONS[status]}\r\n${linesOf(request, VIA)}From: ${headerOf(request, FROM)}\r\nTo: ${tagged}\r\nCall-ID: ${callId}\r\nCSeq: ${headerOf(request, CSEQ)}\r\n`
}

function inviteTail(request: string, status: number, sentBy: string): string {
  if (status >= 300) return EMPTY
  const established = `${linesOf(request, RECORD_ROUTE)}Contact: <sip:callee@${sentBy}>\r\n`
  return established + (status === 180 ? EMPTY : PHONE + WITH_SDP)
}
