import type { Machine } from './machine.ts'

/** The states of both client machines: the RFC's, and where a CANCEL is held back or under way. */
export type ClientState =
  | 'initial'
  | 'calling'
  /** Calling, and a CANCEL waits for the first provisional response (RFC 3261 9.1). */
  | 'holding cancel'
  | 'trying'
  | 'proceeding'
  /** Proceeding, and the CANCEL has been sent. */
  | 'cancelling'
  | 'accepted'
  | 'completed'
  | 'terminated'

export type ClientTimer =
  | 'timer A'
  | 'timer B'
  | 'timer D'
  | 'timer E'
  | 'timer F'
  | 'timer K'
  | 'timer M'
  | 'timer limit'

export type ClientInput =
  | 'request'
  /** A provisional response had come before a restart. */
  | 'taken up'
  | '1xx'
  | '2xx'
  | '3xx-6xx'
  /** The user calls it off. */
  | 'cancel'
  | ClientTimer
  /** The transport could not send. */
  | 'failed'

export type ClientEffect =
  /** Sends the request, for the first time and again. */
  | 'send'
  | 'send ACK'
  | 'send CANCEL'
  | 'response to user'
  | 'timeout to user'
  | 'failure to user'
  | 'start A'
  | 'start B'
  | 'start D'
  | 'start E'
  /** Timer E with T2 whatever it was before. */
  | 'start E at T2'
  | 'start F'
  | 'start K'
  | 'start M'
  | 'start limit'
  | 'stop A'
  | 'stop B'
  | 'stop E'
  | 'stop F'
  | 'stop limit'
  /** Stops every timer and forgets the transaction; done before the user hears, so that nothing of it is left then. */
  | 'end'

export type ClientMachine = Machine<ClientState, ClientInput, ClientEffect>

/** Whoever cancels, or reports a failure, may not know yet that the transaction is over. */
const terminated = { 'cancel': {}, 'failed': {} } as const

/** The rows that `calling` and `holding cancel` share. */
const unanswered = {
  '2xx': { to: 'accepted', do: ['stop A', 'stop B', 'start M', 'response to user'] },
  '3xx-6xx': { to: 'completed', do: ['stop A', 'stop B', 'send ACK', 'start D', 'response to user'] },
  'timer A': { do: ['send', 'start A'] },
  'timer B': { to: 'terminated', do: ['end', 'timeout to user'] },
  'failed': { to: 'terminated', do: ['end', 'failure to user'] },
} as const

/**
 * INVITE client transaction: RFC 3261 17.1.1, with the Accepted state of RFC 6026 7.2 and the CANCEL of RFC 3261 9.1.
 * `timer limit` bounds the wait for a final response after CANCEL: 64*T1.
 */
export const inviteClient: ClientMachine = {
  initial: {
    'request': { to: 'calling', do: ['start A', 'start B', 'send'] },
    'taken up': { to: 'proceeding' },
  },
  calling: {
    ...unanswered,
    '1xx': { to: 'proceeding', do: ['stop A', 'stop B', 'response to user'] },
    'cancel': { to: 'holding cancel' },
  },
  'holding cancel': {
    ...unanswered,
    '1xx': { to: 'cancelling', do: ['stop A', 'stop B', 'start limit', 'send CANCEL', 'response to user'] },
    'cancel': {},
  },
  trying: {},
  proceeding: {
    '1xx': { do: ['response to user'] },
    '2xx': { to: 'accepted', do: ['start M', 'response to user'] },
    '3xx-6xx': { to: 'completed', do: ['send ACK', 'start D', 'response to user'] },
    'cancel': { to: 'cancelling', do: ['start limit', 'send CANCEL'] },
    // a repeat of the request could not be sent, but the first one has arrived
    'failed': {},
  },
  cancelling: {
    '1xx': { do: ['response to user'] },
    '2xx': { to: 'accepted', do: ['stop limit', 'start M', 'response to user'] },
    '3xx-6xx': { to: 'completed', do: ['stop limit', 'send ACK', 'start D', 'response to user'] },
    'timer limit': { to: 'terminated', do: ['end', 'timeout to user'] },
    'cancel': {},
    'failed': {},
  },
  accepted: {
    '1xx': {},
    '2xx': { do: ['response to user'] },
    '3xx-6xx': {},
    'timer M': { to: 'terminated', do: ['end'] },
    'cancel': {},
    'failed': {},
  },
  completed: {
    '1xx': {},
    // a fork further on may answer after all: RFC 3261 16.7 step 5 wants every 2xx forwarded
    '2xx': { do: ['response to user'] },
    '3xx-6xx': { do: ['send ACK'] },
    'timer D': { to: 'terminated', do: ['end'] },
    'cancel': {},
    // the ACK was lost: the server repeats its final response, and the ACK is sent again
    'failed': {},
  },
  terminated,
}

/** Non-INVITE client transaction: RFC 3261 17.1.2. It cannot be cancelled (9.1). */
export const nonInviteClient: ClientMachine = {
  initial: {
    'request': { to: 'trying', do: ['start E', 'start F', 'send'] },
    'taken up': { to: 'proceeding', do: ['start E at T2', 'start F'] },
  },
  calling: {},
  'holding cancel': {},
  trying: {
    '1xx': { to: 'proceeding', do: ['response to user'] },
    '2xx': { to: 'completed', do: ['stop E', 'stop F', 'start K', 'response to user'] },
    '3xx-6xx': { to: 'completed', do: ['stop E', 'stop F', 'start K', 'response to user'] },
    'timer E': { do: ['send', 'start E'] },
    'timer F': { to: 'terminated', do: ['end', 'timeout to user'] },
    'cancel': {},
    'failed': { to: 'terminated', do: ['end', 'failure to user'] },
  },
  proceeding: {
    '1xx': { do: ['response to user'] },
    '2xx': { to: 'completed', do: ['stop E', 'stop F', 'start K', 'response to user'] },
    '3xx-6xx': { to: 'completed', do: ['stop E', 'stop F', 'start K', 'response to user'] },
    'timer E': { do: ['send', 'start E at T2'] },
    'timer F': { to: 'terminated', do: ['end', 'timeout to user'] },
    'cancel': {},
    'failed': { to: 'terminated', do: ['end', 'failure to user'] },
  },
  cancelling: {},
  accepted: {},
  completed: {
    '1xx': {},
    '2xx': {},
    '3xx-6xx': {},
    'timer K': { to: 'terminated', do: ['end'] },
    'cancel': {},
    'failed': {},
  },
  terminated,
}
