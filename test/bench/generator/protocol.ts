import type { Address } from './endpoint.ts'
import type { Spread } from './samples.ts'
import type { RunResult } from './tally.ts'

/** What `run.ts` says to a generator process and hears from it. */

export interface Start {
  router: Address
  /** Where the called side registers, when not at `router`: it then answers whoever calls it. */
  registrar?: Address | undefined
  /** Host part of the addresses-of-record. */
  domain: string
  /** Port of the called side, so that a router may be told of it beforehand; 0 lets the system choose. */
  calleePort: number
  /** Sends the calls straight to the called side: what the generator can do when no router slows it down. */
  direct?: boolean
}

/** Whole calls: INVITE, 180, 200, ACK, BYE, 200. */
export interface Calls {
  job: 'calls'
  rate: number
  count: number
  user: string
  /** Every so many calls go to this user instead, and are left out of the latencies and of the tally. */
  odd?: { every: number; user: string }
  /** A call that is still open so long after the last arrival has failed; default 5000. */
  drainMs?: number
}

/** INVITEs that are left waiting: one is complete when it has a response and has not failed. Users are `<user>-0`, `<user>-1`… */
export interface Wait {
  job: 'wait'
  rate: number
  count: number
  user: string
}

/** Calls to sleeping phones: each phone registers `asleepMs` after its call was sent; `ringing` is REGISTER → late INVITE. */
export interface Wake {
  job: 'wake'
  rate: number
  count: number
  user: string
  asleepMs: number
}

/** REGISTERs over `users` addresses-of-record in turn; one alone registers just `user`. */
export interface Register {
  job: 'register'
  rate: number
  count: number
  user: string
  users: number
}

/** Resolves when `count` new INVITEs have reached the called side, or after `withinMs`. */
export interface Late {
  job: 'late'
  count: number
  withinMs: number
}

export type Job = Calls | Wait | Wake | Register | Late

export interface LateResult {
  seen: number
  /** `process.hrtime` of the last one, milliseconds: the same clock in every process of a machine. */
  lastAtMs: number
  /** Time between the first and each. */
  spread: Spread
}

export type Question = { id: number; start: Start } | { id: number; job: Job }
export type Answer = { id: number; result: unknown } | { id: number; error: string }

export interface Results {
  calls: RunResult
  wait: RunResult
  wake: RunResult
  register: RunResult
  late: LateResult
}
