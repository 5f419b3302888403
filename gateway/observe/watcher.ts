import type { RouseEvent } from '../../functions/contract/events.ts'

/** An invocation as it ended. */
export interface InvocationSeen {
  /** SIP Call-ID. */
  callId: string
  path: string
  /** `sip.request`, `wait.resumed`, … */
  type: string
  /** `answer`, `none`, `failed`, `aborted`. */
  result: string
  /** Problem code of one that failed. */
  problem?: string
  /** What was to be done, in order. */
  actions?: readonly string[]
  ms: number
}

/** Whoever looks at what goes on at this gateway besides SIP. Must not throw, and must not wait. */
export interface Watcher {
  /** Raised here, by the gateway or by somebody from outside. */
  events(events: readonly RouseEvent[]): void
  invoked(invocation: InvocationSeen): void
}
