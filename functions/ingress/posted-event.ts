import { attributeFault, EventId, MAX_EVENT_OCTETS, type RouseEvent } from '../contract/events.ts'
import { type Fault, faultProblem } from '../contract/fault.ts'
import type { Problem, Result } from '../contract/problem.ts'

/** An event that came in a request. */
export interface PostedEvent {
  event: RouseEvent
  /** Its id is of the sender's making: when it comes again it is the same event. */
  isNamed: boolean
}

/** What a request holds. */
export interface Posted {
  events: readonly PostedEvent[]
  /** The sender asked for a list, and is answered with one. */
  isList: boolean
}

/** Events of one request at most. */
export const MAX_EVENTS = 100

export interface EventDefaults {
  /** Milliseconds since the epoch. */
  now: number
  /** The id that the request itself has: that of a signed message, or an Idempotency-Key. */
  requestId: string | undefined
  newId(): string
}

/** The id of an event that does not bring one. */
export function idOf({ requestId, newId }: EventDefaults): { id: string; isNamed: boolean } {
  return requestId === undefined ? { id: newId(), isNamed: false } : { id: requestId, isNamed: true }
}

/**
 * Refuses what the predefined event does not have, since nobody could wait for it and it was meant to be something, and what is too large.
 * @param path of the attributes in what was sent
 */
export function checked(event: RouseEvent, path: readonly PropertyKey[]): { event: RouseEvent } | { fault: Fault } {
  const fault = attributeFault(event.type, Object.keys(event.attributes))
  if (fault) return { fault: { path: [...path, fault.attribute], message: fault.message } }
  const octets = new TextEncoder().encode(JSON.stringify(event.attributes)).length
  if (octets <= MAX_EVENT_OCTETS) return { event }
  return { fault: { path, message: `expected at most ${MAX_EVENT_OCTETS} octets as JSON, got ${octets}` } }
}

/** Whether a text may be the id of an event. */
export function isEventId(text: string): boolean {
  return EventId.safeParse(text).success
}

export function faulty(fault: Fault): { ok: false; problem: Problem } {
  return { ok: false, problem: faultProblem('request.invalid', fault) }
}

export function invalid(detail: string): { ok: false; problem: Problem } {
  return { ok: false, problem: { code: 'request.invalid', detail } }
}

export function unauthorized(detail: string): Result<never> {
  return { ok: false, problem: { code: 'request.unauthorized', detail } }
}
