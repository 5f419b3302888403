import * as z from 'zod/mini'
import type { Authorization } from '../../functions/contract/envelope.ts'

/** What calls want of a billing system, whichever it is. */

/** Who pays for a call, and how: plain JSON, which goes with the record of a suspended call. */
export const ChargeFacts = z.object({
  /** Of the transaction: names the call to the billing system, whichever gateway tells it. */
  id: z.string(),
  /** SIP Call-ID. */
  callId: z.string(),
  account: z.string(),
  subject: z.string(),
  destination: z.string(),
  category: z.string(),
  /** Absent: the gateway's own. */
  tenant: z.optional(z.string()),
  /** The gateway that has asked for it: with `id` it names the call, whoever follows that later. */
  originHost: z.string(),
  requestType: z.enum(['prepaid', 'postpaid', 'pseudoprepaid', 'rated']),
  fields: z.optional(z.record(z.string(), z.string())),
  /** When the INVITE came, milliseconds since the epoch. */
  setupAt: z.number(),
  /** Milliseconds it may be talked, as it was authorized; absent: no end is known. */
  maxMs: z.optional(z.number()),
})
export type ChargeFacts = z.infer<typeof ChargeFacts>

export interface Charging {
  /** Whether the call may be made. Always answers: when nobody can say, as it is configured. */
  authorize(facts: ChargeFacts): Promise<Authorization>
  /**
   * The call was answered: it is billed from now on.
   * @param answeredAt milliseconds since the epoch
   * @param hangUp     ends it, with a few words why: the balance has ended, or the other side says so
   */
  begin(facts: ChargeFacts, answeredAt: number, hangUp: (reason: string) => void): Charge
  /** Goes on with a call that another process has billed. @param since until when it has, milliseconds since the epoch */
  resume(facts: ChargeFacts, answeredAt: number, since: number, hangUp: (reason: string) => void): Charge
}

/** A call that is billed. */
export interface Charge {
  /** The call is over, or nobody follows it any more. Counts once. @param endedAt milliseconds since the epoch */
  end(endedAt: number): void
  /** Another process goes on with it. */
  leave(): void
}
