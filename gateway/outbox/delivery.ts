import * as z from 'zod/mini'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { SuspendedTransaction } from '../../functions/store/store.ts'
import { DEAD, QUEUE } from './subscription.ts'

/** One event that one subscription has matched, as it is kept until it is delivered, or given up. */
export interface Delivery {
  /** Of this delivery in the store; another one when it is replayed. */
  id: string
  /** What the receiver knows it by: the same on every try, and when it is replayed. */
  messageId: string
  subscription: string
  /** Those of one key are delivered one after the other. */
  key: string
  /** Counts the deliveries of the subscription from 1; 0 for a test. */
  sequence: number
  event: RouseEvent
  /** When the event came; milliseconds since the epoch, as all times here. */
  queuedAt: number
  attempts: number
  /** When it may be tried next. */
  nextAt: number
  /** Why the last try has failed. */
  error?: string
  /** When it was given up. */
  deadAt?: number
}

const VERSION = 1
/** Those that wait behind others, at a receiver that is away, wait for longer than a day. Milliseconds. */
const QUEUE_MS = 30 * 24 * 3_600_000
const DEAD_MS = 7 * 24 * 3_600_000

const Record = z.object({
  v: z.literal(VERSION),
  messageId: z.string(),
  subscription: z.string(),
  key: z.string(),
  sequence: z.number(),
  event: z.object({
    id: z.string(),
    type: z.string(),
    time: z.number(),
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    detail: z.optional(z.record(z.string(), z.unknown())),
  }),
  queuedAt: z.number(),
  attempts: z.number(),
  nextAt: z.number(),
  error: z.optional(z.string()),
  deadAt: z.optional(z.number()),
})

/** In the order in which they came. */
export function byAge(one: Delivery, other: Delivery): number {
  return one.sequence - other.sequence || one.queuedAt - other.queuedAt
}

/** By what a receiver most likely wants order: what belongs to one call, or to one address of record. */
export function keyOf({ attributes }: RouseEvent): string {
  const { callId, aor } = attributes
  return callId !== undefined ? `callId ${callId}` : aor !== undefined ? `aor ${aor}` : ''
}

/** How the store knows it: as waiting, or as a dead letter. */
export function deliveryRecord(delivery: Delivery): SuspendedTransaction {
  const { id, deadAt, ...rest } = delivery
  return {
    id,
    gateway: deadAt === undefined ? QUEUE : DEAD,
    rev: delivery.attempts + 1,
    callId: '',
    expiresAt: deadAt === undefined ? delivery.queuedAt + QUEUE_MS : deadAt + DEAD_MS,
    state: JSON.stringify({ v: VERSION, ...rest, ...(deadAt === undefined ? {} : { deadAt }) }),
  }
}

/** @returns undefined for what another version has written */
export function deliveryOf({ id, state }: Pick<SuspendedTransaction, 'id' | 'state'>): Delivery | undefined {
  try {
    const read = Record.safeParse(JSON.parse(state))
    if (!read.success) return undefined
    const { v: _, ...delivery } = read.data
    return { id, ...delivery } as Delivery
  } catch {
    return undefined
  }
}

/**
 * The CloudEvent 1.0 that is delivered. `sequence` (of the extension of that name: texts that sort as they follow) and `partitionkey` say what
 * comes in which order.
 * @param source of the event, where it was not posted with one
 */
export function cloudEvent({ event, sequence, key, subscription }: Delivery, source: string): string {
  const { type, time, attributes, detail } = event
  const data = detail === undefined ? attributes : { ...attributes, detail }
  const subject = attributes.callId ?? attributes.aor
  return JSON.stringify({
    specversion: '1.0',
    id: event.id,
    source,
    type,
    ...(subject === undefined ? {} : { subject: String(subject) }),
    time: new Date(time).toISOString(),
    datacontenttype: 'application/json',
    subscription,
    ...(sequence === 0 ? {} : { sequence: String(sequence).padStart(16, '0') }),
    ...(key === '' ? {} : { partitionkey: key.slice(key.indexOf(' ') + 1) }),
    data,
  })
}
