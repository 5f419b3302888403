import type { Contact, Invocation, WaitOutcome } from '../../functions/contract/envelope.ts'
import { type InvocationParts, invocation as made } from '../../functions/testing/invocation.ts'

export type { InvocationParts } from '../../functions/testing/invocation.ts'

export const AOR = 'sip:bob@example.com'
export const BOB_PHONE: Contact = { uri: 'sip:bob@192.0.2.7:5060', q: 1, expires: 300, push: false }
export const BOB_TABLET: Contact = { uri: 'sip:bob@192.0.2.8:5060', q: 0.5, expires: 300, push: true }

/** The testing kit's invocation; bob has one phone. */
export function invocation({ data, ...parts }: InvocationParts = {}): Invocation {
  return made({ ...parts, data: { contacts: [BOB_PHONE], ...data } })
}

/** An event that ends a wait. */
export function event(type: string, attributes: Record<string, string | number>): Partial<WaitOutcome> {
  return { event: { id: 'event-1', type, time: '2026-01-05T10:00:05.000Z', attributes } }
}

/** The outcome of a fork that ends a wait. */
export function outcome(id: string, answered: boolean, status: number): Partial<WaitOutcome> {
  return { fork: { id, answered, status } }
}
