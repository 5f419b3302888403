/**
 * Every key in Redis: its name, its value, how long it lives and who writes it. Nothing else makes a name.
 *
 * What one script touches has one hash tag, the part in braces, and so one slot of a Redis Cluster. Scripts get the tagged base of their
 * keys and append the suffixes below.
 *
 * | key                            | type   | value                                                         | lives until                      | written by        |
 * | ------------------------------ | ------ | ------------------------------------------------------------- | -------------------------------- | ----------------- |
 * | `{l<part>}:aor:<aor>`          | string | one `Binding` as JSON on each line, in order of their coming  | last expiry + `ABSENT_MS`        | register, amend, expire |
 * | `{l<part>}:expiry`             | zset   | AOR by the expiry of its first binding to expire              | last expiry of any + `ABSENT_MS` | register, expire  |
 * | `{l<part>}:refresh`            | zset   | AOR by the first push that is to ask for a refresh            | last expiry of any + `ABSENT_MS` | register, amend   |
 * | `{l<part>}:names`              | zset   | AOR, all with score 0: the listing in alphabetical order      | last expiry of any + `ABSENT_MS` | register, expire  |
 * | `{e<root>}:shapes:<pattern>`   | zset   | filter shape by the last expiry of a subscription that has it | last expiry + `GRACE_MS`         | subscribe         |
 * | `{e<root>}:at:<pattern,…>`     | zset   | `[subscription, transaction, gateway, filter?]` by its expiry | last expiry + `GRACE_MS`         | subscribe         |
 * | `{e<root>}:sub:<id>`           | list   | that entry, then the `at` keys that hold it                   | its expiry + `GRACE_MS`          | subscribe         |
 * | `{e<root>}:recent:<bucket>`    | stream | events by position                                            | last event + twice `recentMs`    | publish           |
 * | `{t<id>}`                      | hash   | `rev`, `data` (the transaction), `s<id>` (each subscription)  | last expiry of both + `GRACE_MS` | suspend           |
 * | `{g<gateway>}:suspended`       | zset   | transaction by its expiry                                     | last expiry + `GRACE_MS`         | suspend           |
 * | `{g<gateway>}:suspended:count` | string | how many writes of suspended transactions there were          | last expiry + `GRACE_MS`         | suspend           |
 * | `{g<gateway>}:inbox`           | stream | `{"event":…,"to":[[subscription, transaction]…],"location"?:…}` | last delivery + `ABSENT_MS`      | publish           |
 * | `{g<gateway>}:read`            | string | id of the last entry of the inbox that was taken over         | `ABSENT_MS` after it was written | the inbox's owner |
 * | `{t<id>}:claim:<claim>`        | string | `1`                                                           | the claim's own lifetime         | resume            |
 * | `{g<gateway>}:seen`            | string | when it last read its inbox, milliseconds since the epoch     | `SEEN_MS` after it was written   | the inbox's owner |
 * | `{gateways}`                   | hash   | a lease per gateway, and the secret they share                | `LEASES_MS` after any was taken  | leases            |
 * | `claim:<key>`                  | string | `1`                                                           | the claim's own lifetime         | claim             |
 * | `memo:<key>`                   | string | what is remembered                                            | its own lifetime                 | remember          |
 */

import { type FilterPlan, planFilter } from '../filter.ts'
import type { StoredSubscription } from '../store.ts'

/** How long bindings that nobody took with `expire`, and deliveries to an absent gateway, are kept; milliseconds. */
export const ABSENT_MS = 300_000
/** For so long it is known when a gateway was there last: as long as calls that it has followed. Milliseconds. */
export const SEEN_MS = 86_400_000
/** What is over for the caller's clock stays this much longer in Redis, whose clock may differ; milliseconds. */
export const GRACE_MS = 60_000
/** About how many entries an inbox holds: the oldest go first. */
export const INBOX_LENGTH = 100_000

/** How long leases, and with them the secret, outlive the last gateway; milliseconds. */
export const LEASES_MS = 7 * 24 * 3_600_000

/** AORs are spread over this many slots. */
export const PARTS = 64

/** What follows a base; the scripts use these, too. */
export const SUFFIX = {
  aor: ':aor:',
  expiry: ':expiry',
  refresh: ':refresh',
  names: ':names',
  shapes: ':shapes:',
  entries: ':at:',
  subscription: ':sub:',
  recent: ':recent:',
  suspended: ':suspended',
  count: ':count',
  inbox: ':inbox',
  read: ':read',
  seen: ':seen',
  claim: ':claim:',
} as const

/** Events of these families are found again by this attribute: nearly every filter on them names it. */
const RECENT_BY: Readonly<Record<string, string>> = { contact: 'aor', push: 'aor', call: 'callId', dtmf: 'callId' }
/** Recent events of such a family are spread over this many streams. */
const RECENT_BUCKETS = 64

export class Keys {
  readonly #prefix: string

  /** @param prefix goes before every key, so that several pools may share one Redis */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Base of the location keys of one part. */
  location(part: number): string {
    return `${this.#prefix}:{l${part}}`
  }

  /** Base of the keys of all events whose type begins with this root. */
  events(root: string): string {
    return `${this.#prefix}:{e${inTag(root)}}`
  }

  transaction(id: string): string {
    return `${this.#prefix}:{t${inTag(id)}}`
  }

  suspended(gateway: string): string {
    return this.#gateway(gateway) + SUFFIX.suspended
  }

  /** How many writes of suspended transactions there were. */
  writes(gateway: string): string {
    return this.suspended(gateway) + SUFFIX.count
  }

  inbox(gateway: string): string {
    return this.#gateway(gateway) + SUFFIX.inbox
  }

  read(gateway: string): string {
    return this.#gateway(gateway) + SUFFIX.read
  }

  leases(): string {
    return `${this.#prefix}:{gateways}`
  }

  seen(gateway: string): string {
    return this.#gateway(gateway) + SUFFIX.seen
  }

  claim(key: string): string {
    return `${this.#prefix}:claim:${key}`
  }

  memo(key: string): string {
    return `${this.#prefix}:memo:${key}`
  }

  #gateway(gateway: string): string {
    return `${this.#prefix}:{g${inTag(gateway)}}`
  }
}

/** Which part of the location service an AOR is in (FNV-1a). */
export function partOf(aor: string): number {
  return fnv(aor) % PARTS
}

/** The first word of an event's type or of a pattern: one slot holds all that one event can match. */
export function rootOf(type: string): string {
  const dot = type.indexOf('.')
  return dot < 0 ? type : type.slice(0, dot)
}

/** Which stream of recent events an event goes to. */
export function bucketOf(type: string, attributes: Readonly<Record<string, unknown>>): number {
  const by = RECENT_BY[rootOf(type)]
  const value = by === undefined ? undefined : attributes[by]
  return value === undefined ? 0 : bucketOfValue(String(value))
}

/** Which streams can hold events that a subscription matches. */
export function bucketsOf({ event, filter }: Pick<StoredSubscription, 'event' | 'filter'>): number[] {
  const by = RECENT_BY[rootOf(event)]
  if (by === undefined) return [0]
  const wanted = Object.hasOwn(filter, by) ? filter[by] : undefined
  if (wanted === undefined) return Array.from({ length: RECENT_BUCKETS }, (_, bucket) => bucket)
  return [...new Set([wanted].flat().map((value) => bucketOfValue(String(value))))]
}

/** Where in the index a subscription stands: its shape and, after the base and `SUFFIX.entries`, its keys. */
export function placesOf({ event, filter }: StoredSubscription): { plan: FilterPlan; shape: string; places: string[] } {
  const plan = planFilter(filter)
  const shape = `${plan.partial ? '+' : ''}${plan.names.length}${plan.names.map((name) => `\n${name}`).join('')}`
  return { plan, shape, places: plan.keys.map((key) => `${event}\n${shape}\n${key}`) }
}

function bucketOfValue(value: string): number {
  return fnv(value) % RECENT_BUCKETS
}

function fnv(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

/** A brace inside would end the hash tag early: two names could then share a key's slot, which is harmless, or leave the tag empty. */
function inTag(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('}', '%7D')
}
