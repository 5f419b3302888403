import type { InvocationType } from '../../functions/contract/envelope.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'

/** An invocation as it ended. No body, no context. */
export interface InvocationSeen {
  /** SIP Call-ID. */
  callId: string
  /** Names the invocation, on every try. */
  id: string
  path: string
  type: InvocationType
  /** The event that caused it. */
  event?: string | undefined
  result: 'answer' | 'none' | 'aborted' | 'failed'
  /** Of an answer: who gave it. */
  by?: string
  /** Problem code of one that failed. */
  problem?: string
  /** What was to be done, in order. */
  actions?: readonly string[]
  /** How often it was tried; 0 when nobody had to be asked. */
  tries: number
  /** Problem code of each try that failed. */
  failures: readonly string[]
  ms: number
}

/** What a call does by itself at an event: a subscription was met whose reaction needs no function. */
export interface ReactionSeen {
  /** SIP Call-ID. */
  callId: string
  event: RouseEvent
  actions: readonly string[]
}

/** Whoever looks at what goes on at this gateway besides SIP. Must not throw, and must not wait. */
export interface Watcher {
  /**
   * Raised here, by the gateway or by somebody from outside.
   * @param callId of the request that they are about, where their attributes do not say
   */
  events(events: readonly RouseEvent[], callId?: string): void
  invoked(invocation: InvocationSeen): void
  reacted(reaction: ReactionSeen): void
}
