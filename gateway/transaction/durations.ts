import type { TransactionTimers } from './types.ts'

/** How long the timers of RFC 3261 17 (table 4) and RFC 6026 run, in milliseconds. */
export interface Durations {
  /** First interval of A, E and G, which doubles each time; `undefined`: nothing is repeated, the transport is reliable. */
  retransmit: number | undefined
  /** Cap of the interval of E and G. A has none: B ends it. */
  cap: number
  /** B, F, H, L, M, and the limits of a CANCEL and of a request that nobody answers: 64*T1. */
  patience: number
  /** D and J: how long a final response may be repeated or asked for again. */
  linger: number
  /** I and K: how long the network may keep a message. */
  clear: number
}

/** Defaults of RFC 3261 17.1.1.1. */
export const defaultTimes: TransactionTimers = { t1: 500, t2: 4000, t4: 5000 }

export function unreliableDurations({ t1, t2, t4 }: TransactionTimers): Durations {
  return { retransmit: t1, cap: t2, patience: 64 * t1, linger: 64 * t1, clear: t4 }
}

export function reliableDurations({ t1, t2 }: TransactionTimers): Durations {
  return { retransmit: undefined, cap: t2, patience: 64 * t1, linger: 0, clear: 0 }
}
