import type { SipMessage } from '../sip/message.ts'
import { plain } from './session-name.ts'

/** What a session description is within a transaction (RFC 3264 4, RFC 6337 2), and whose. */
export interface Exchange {
  command: 'offer' | 'answer'
  /** Tag of who has made, or will have made, the offer. */
  offerer: string
  /** Tag of the other one; '' before there is one. */
  answerer: string
}

/** A session description as its end has sent it. */
export interface Description {
  exchange: Exchange
  sdp: string
}

/** What both ends go by. */
export interface Agreement {
  offer: Description
  answer: Description
}

/** Of a description in a request. */
export function exchangeOfRequest({ method, fromTag, toTag }: SipMessage, isDelayed: boolean): Exchange | undefined {
  if (method === 'INVITE' || method === 'UPDATE') return offerBy(fromTag, toTag)
  // The 2xx, or the reliable 1xx, that it acknowledges had the offer.
  if (method === 'ACK') return answerTo(toTag, fromTag)
  if (method === 'PRACK') return isDelayed ? answerTo(toTag, fromTag) : offerBy(fromTag, toTag)
  return undefined
}

/**
 * Of a description in a response.
 * @param request what the request's description was; undefined when it had none
 */
export function exchangeOfResponse(response: SipMessage, request: Exchange | undefined): Exchange | undefined {
  const { status, method, fromTag, toTag } = response
  if (status <= 100 || status >= 300) return undefined
  if (request) return request.command === 'offer' ? answerTo(fromTag, toTag) : undefined
  return method === 'INVITE' ? offerBy(toTag, fromTag) : undefined
}

function offerBy(offerer: string, answerer: string): Exchange {
  return { command: 'offer', offerer: plain(offerer), answerer: plain(answerer) }
}

function answerTo(offerer: string, answerer: string): Exchange {
  return { command: 'answer', offerer: plain(offerer), answerer: plain(answerer) }
}
