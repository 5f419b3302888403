import type { Machine } from './machine.ts'

/** The states of both server machines: the RFC's, and `initial` before the request that creates the transaction. */
export type ServerState =
  | 'initial'
  | 'trying'
  | 'proceeding'
  | 'accepted'
  | 'completed'
  | 'confirmed'
  /** RFC 3261 17.2: gone from the layer, perhaps still held by its user. */
  | 'terminated'

export type ServerTimer = 'timer G' | 'timer H' | 'timer I' | 'timer J' | 'timer L' | 'timer limit'

export type ServerInput =
  /** The request that created the transaction, first and repeated. */
  | 'request'
  /** The request was received before a restart. */
  | 'taken up'
  | 'ack'
  /** The transaction user (TU) responds. */
  | 'tu 1xx'
  | 'tu 2xx'
  | 'tu 3xx-6xx'
  | ServerTimer
  /** The last response could not be sent, on its flow or anywhere else. */
  | 'failed'

export type ServerEffect =
  | 'request to user'
  | 'ack to user'
  /** Sends the user's response and keeps it to be resent. */
  | 'send'
  /** Sends the user's response without keeping it. */
  | 'pass'
  /** Sends the kept response again; nothing when there is none yet. */
  | 'resend'
  | 'start G'
  | 'start H'
  | 'start I'
  | 'start J'
  | 'start L'
  | 'start limit'
  | 'stop G'
  | 'stop H'
  | 'stop limit'
  /** Stops every timer, forgets the transaction and tells its user. */
  | 'end'

export type ServerMachine = Machine<ServerState, ServerInput, ServerEffect>

/** A response, or word of one that could not be sent, may come after the end: whoever sent it could not know. */
const terminated = { 'tu 1xx': {}, 'tu 2xx': {}, 'tu 3xx-6xx': {}, 'failed': {} } as const

/**
 * INVITE server transaction: RFC 3261 17.2.1, with the Accepted state of RFC 6026 7.1.
 * Proceeding has no timer of its own: how long a call may ring is the user's to say (Timer C, the deadline of a wait),
 * and so is a final response at its end. Sending 100 is the user's as well.
 */
export const inviteServer: ServerMachine = {
  initial: {
    'request': { to: 'proceeding', do: ['request to user'] },
    'taken up': { to: 'proceeding' },
  },
  trying: {},
  proceeding: {
    'request': { do: ['resend'] },
    'tu 1xx': { do: ['send'] },
    'tu 2xx': { to: 'accepted', do: ['send', 'start L'] },
    'tu 3xx-6xx': { to: 'completed', do: ['send', 'start G', 'start H'] },
    // RFC 6026 7.1: stays; the final response has another try, on whatever way there is by then
    'failed': {},
  },
  accepted: {
    'request': {},
    'ack': { do: ['ack to user'] },
    'tu 1xx': {},
    'tu 2xx': { do: ['send'] },
    'tu 3xx-6xx': {},
    'timer L': { to: 'terminated', do: ['end'] },
    'failed': {},
  },
  completed: {
    'request': { do: ['resend'] },
    'ack': { to: 'confirmed', do: ['stop G', 'stop H', 'start I'] },
    'tu 1xx': {},
    // RFC 3261 16.7 step 5: a 2xx is forwarded whatever was sent before
    'tu 2xx': { do: ['pass'] },
    'tu 3xx-6xx': {},
    'timer G': { do: ['resend', 'start G'] },
    'timer H': { to: 'terminated', do: ['end'] },
    'failed': { to: 'terminated', do: ['end'] },
  },
  confirmed: {
    'request': {},
    'ack': {},
    'tu 1xx': {},
    'tu 2xx': { do: ['pass'] },
    'tu 3xx-6xx': {},
    'timer I': { to: 'terminated', do: ['end'] },
    'failed': {},
  },
  terminated,
}

/**
 * Non-INVITE server transaction: RFC 3261 17.2.2, with RFC 4320: one that is not answered within 64*T1 ends with nothing
 * sent (`timer limit`), since by then its client has given up and a late answer would only harm.
 */
export const nonInviteServer: ServerMachine = {
  initial: {
    'request': { to: 'trying', do: ['start limit', 'request to user'] },
    // also when no provisional response was sent yet: then there is nothing to be resent
    'taken up': { to: 'proceeding', do: ['start limit'] },
  },
  trying: {
    'request': {},
    'tu 1xx': { to: 'proceeding', do: ['send'] },
    'tu 2xx': { to: 'completed', do: ['stop limit', 'send', 'start J'] },
    'tu 3xx-6xx': { to: 'completed', do: ['stop limit', 'send', 'start J'] },
    'timer limit': { to: 'terminated', do: ['end'] },
  },
  proceeding: {
    'request': { do: ['resend'] },
    'tu 1xx': { do: ['send'] },
    'tu 2xx': { to: 'completed', do: ['stop limit', 'send', 'start J'] },
    'tu 3xx-6xx': { to: 'completed', do: ['stop limit', 'send', 'start J'] },
    'timer limit': { to: 'terminated', do: ['end'] },
    'failed': { to: 'terminated', do: ['end'] },
  },
  accepted: {},
  completed: {
    'request': { do: ['resend'] },
    'tu 1xx': {},
    'tu 2xx': {},
    'tu 3xx-6xx': {},
    'timer J': { to: 'terminated', do: ['end'] },
    'failed': { to: 'terminated', do: ['end'] },
  },
  confirmed: {},
  terminated,
}
