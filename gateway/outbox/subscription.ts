import * as z from 'zod/mini'
import { attributeFault, EventPattern, Filter } from '../../functions/contract/events.ts'
import { type Fault, faultProblem, schemaFault } from '../../functions/contract/fault.ts'
import type { Result } from '../../functions/contract/problem.ts'
import type { DroppedSubscription, StoredSubscription, SuspendedTransaction } from '../../functions/store/store.ts'
import type { SubscriptionTarget } from './sink.ts'

/** A standing subscription: every event that it matches is delivered, until it is deleted, expires, or its receiver is gone. */
export interface Subscription {
  id: string
  types: readonly string[]
  filter: Filter
  target: SubscriptionTarget
  /** What webhooks are signed with, `whsec_…`: the newest, and those that are still good for a while. */
  secrets: readonly { secret: string; until?: number }[]
  /** Milliseconds since the epoch, as all times here. */
  createdAt: number
  expiresAt?: number
  isPaused?: boolean
  /** It delivers no more: since when, and why. */
  ended?: { at: number; why: string }
}

/** Whose subscriptions, deliveries and dead letters the store has: names that no gateway can have. */
export const OWNER = '~outbox'
export const QUEUE = '~outbox-queue'
export const DEAD = '~outbox-dead'

/** So long the store keeps a subscription that nobody renews, and one that has ended. Milliseconds. */
export const LIFETIME_MS = 30 * 24 * 3_600_000
export const ENDED_MS = 7 * 24 * 3_600_000
/** Renewed when there is less left. */
export const RENEW_MS = LIFETIME_MS / 2

const SUBSCRIPTION_PREFIX = 'standing~'
const VERSION = 1

const Record = z.object({
  v: z.literal(VERSION),
  id: z.string(),
  types: z.array(z.string()),
  filter: Filter,
  target: z.object({
    url: z.optional(z.string()),
    amqp: z.optional(z.object({ exchange: z.optional(z.string()), routingKey: z.optional(z.string()) })),
    sns: z.optional(z.object({ topicArn: z.string() })),
  }),
  secrets: z.array(z.object({ secret: z.string(), until: z.optional(z.number()) })),
  createdAt: z.number(),
  expiresAt: z.optional(z.number()),
  isPaused: z.optional(z.boolean()),
  ended: z.optional(z.object({ at: z.number(), why: z.string() })),
})

export function transactionOf(id: string): string {
  return SUBSCRIPTION_PREFIX + id
}

/** The subscription whose interest an event has met; undefined when it is something else's. */
export function idOfTransaction(transaction: string): string | undefined {
  return transaction.startsWith(SUBSCRIPTION_PREFIX) ? transaction.slice(SUBSCRIPTION_PREFIX.length) : undefined
}

/** How the store knows it. */
export function recordOf(subscription: Subscription, rev: number, now: number): SuspendedTransaction {
  const { id, ended } = subscription
  const expiresAt = ended ? ended.at + ENDED_MS : lifeOf(subscription, now)
  return {
    id: transactionOf(id),
    gateway: OWNER,
    rev,
    callId: '',
    expiresAt,
    state: JSON.stringify({ v: VERSION, ...subscription }),
  }
}

/** @returns undefined for what another version has written */
export function subscriptionOf({ state }: Pick<SuspendedTransaction, 'state'>): Subscription | undefined {
  try {
    const read = Record.safeParse(JSON.parse(state))
    if (!read.success) return undefined
    const { v: _, ...subscription } = read.data
    return subscription as Subscription
  } catch {
    return undefined
  }
}

/** By which events find it. */
export function interestsOf(subscription: Subscription, now: number): StoredSubscription[] {
  const { types, filter } = subscription
  const common = {
    transaction: transactionOf(subscription.id),
    gateway: OWNER,
    filter,
    expiresAt: lifeOf(subscription, now),
  }
  return types.map((event, index) => ({ ...common, id: `${common.transaction}.${index}`, event }))
}

export function droppedInterests(subscription: Subscription): DroppedSubscription[] {
  return interestsOf(subscription, 0).map(({ id, event }) => ({ id, event }))
}

function lifeOf({ expiresAt }: Subscription, now: number): number {
  return Math.min(expiresAt ?? Number.POSITIVE_INFINITY, now + LIFETIME_MS)
}

/** Secrets that are good now, as a signer takes them. */
export function liveSecrets({ secrets }: Subscription, now: number): string {
  return secrets
    .filter(({ until }) => until === undefined || until > now)
    .map(({ secret }) => secret)
    .join(' ')
}

/** Why it delivers nothing now; undefined while it does. */
export function silence(
  { isPaused, ended, expiresAt }: Subscription,
  now: number,
): 'paused' | 'ended' | 'expired' | undefined {
  if (ended) return 'ended'
  if (expiresAt !== undefined && expiresAt <= now) return 'expired'
  return isPaused ? 'paused' : undefined
}

const Secret = z
  .string()
  .check(z.regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'expected whsec_ and 24 to 64 octets in base64'))
const OneLine = z
  .string()
  .check(z.minLength(1), z.maxLength(255), z.regex(/^[^\u0000-\u001f\u007f]+$/, 'may not hold control characters'))

/** What is asked for in the body of `POST /subscriptions`. */
const Wanted = z.strictObject({
  type: z.union([EventPattern, z.array(EventPattern).check(z.minLength(1), z.maxLength(32))]),
  filter: z.optional(Filter),
  url: z.optional(z.url('expected a URL').check(z.maxLength(2048))),
  amqp: z.optional(z.strictObject({ exchange: z.optional(OneLine), routingKey: z.optional(OneLine) })),
  sns: z.optional(
    z.strictObject({
      topicArn: z
        .string()
        .check(
          z.regex(
            /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$/,
            'expected the ARN of a topic',
          ),
        ),
    }),
  ),
  secret: z.optional(Secret),
  expires: z.optional(z.iso.datetime({ offset: true })),
})

export interface Wish {
  types: string[]
  filter: Filter
  target: SubscriptionTarget
  secret: string | undefined
  expiresAt: number | undefined
}

/** @returns problem `request.invalid` with a pointer to the fault */
export function wishOf(body: unknown, now: number): Result<Wish> {
  const read = Wanted.safeParse(body)
  if (!read.success) return invalid(unknownField(read.error.issues) ?? schemaFault(read.error.issues, body))
  const { type, filter = {}, url, amqp, sns, secret, expires } = read.data
  const targets = Object.entries({ url, amqp, sns }).filter(([, target]) => target !== undefined)
  if (targets.length !== 1)
    return invalid({
      path: [],
      message: `expected one of url, amqp and sns, got ${targets.length === 0 ? 'none' : 'several'}`,
    })
  if (secret !== undefined && url === undefined)
    return invalid({ path: ['secret'], message: 'is for webhooks: only what goes to a url is signed' })
  const types = typeof type === 'string' ? [type] : [...new Set(type)]
  for (const [index, each] of types.entries()) {
    const path = typeof type === 'string' ? ['type'] : ['type', index]
    if (each.startsWith('outbox.')) return invalid({ path, message: 'outbox.… are the outbox’s own' })
    const fault = attributeFault(each, Object.keys(filter))
    if (fault) return invalid({ path: ['filter', fault.attribute], message: fault.message, isKey: true })
  }
  const expiresAt = expires === undefined ? undefined : Date.parse(expires)
  if (expiresAt !== undefined && expiresAt <= now)
    return invalid({ path: ['expires'], message: `expected a time to come, got "${expires}"` })
  return { ok: true, value: { types, filter, target: Object.fromEntries(targets), secret, expiresAt } }
}

function unknownField([issue]: readonly z.core.$ZodIssue[]): Fault | undefined {
  if (issue?.code !== 'unrecognized_keys') return undefined
  return { path: [...issue.path, issue.keys[0]!], message: 'is no field of a subscription' }
}

function invalid(fault: Fault): Result<never> {
  return { ok: false, problem: faultProblem('request.invalid', fault) }
}
