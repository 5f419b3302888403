import type { Authorization } from '../../functions/contract/envelope.ts'
import type { ChargeFacts } from './charging.ts'

/** What CGRateS answers, read. */

const NS_IN_MS = 1e6
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+$/
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)/g

/** MaxUsage of a reply in milliseconds, see `durationMs`. */
export function maxUsageMs(result: unknown): number | undefined {
  return durationMs(record(result).MaxUsage)
}

/** What was debited of a session that it has, in milliseconds; undefined: it has none. */
export function activeUsageMs(result: unknown): number | undefined {
  return Array.isArray(result) && result.length > 0 ? (durationMs(record(result[0]).Usage) ?? 0) : undefined
}

/**
 * Nanoseconds as a number, or a duration of Go such as `1m30s`; -1 stands for no limit.
 * @returns milliseconds, `Infinity` for no limit, undefined when there is none that can be read
 */
function durationMs(value: unknown): number | undefined {
  if (value === -1 || value === '-1') return Number.POSITIVE_INFINITY
  if (typeof value === 'number') return value >= 0 ? Math.floor(value / NS_IN_MS) : undefined
  if (typeof value !== 'string' || value.length > 64) return undefined
  if (/^\d+$/.test(value)) return Math.floor(Number(value) / NS_IN_MS)
  if (!DURATION.test(value)) return undefined
  let ms = 0
  for (const [, number, unit] of value.matchAll(PART)) ms += Number(number) * UNITS[unit!]!
  return Math.floor(ms)
}

export type Refusal = Extract<Authorization, unknown> & { authorized: false; code: 402 | 403 | 503; reason: string }

export const NO_CREDIT: Refusal = refusal(402, 'Insufficient Credit')
export const AWAY: Refusal = refusal(503, 'Billing Unavailable')

const REFUSALS: ReadonlyMap<string, Refusal> = new Map([
  ['INSUFFICIENT_CREDIT', NO_CREDIT],
  ['INSUFFICIENT_CREDIT_BALANCE_BLOCKER', NO_CREDIT],
  ['MAX_USAGE_EXCEEDED', NO_CREDIT],
  ['ACCOUNT_NOT_FOUND', refusal(403, 'Unknown Account')],
  ['ACCOUNT_DISABLED', refusal(403, 'Account Disabled')],
  ['UNAUTHORIZED_DESTINATION', refusal(403, 'Destination Not Allowed')],
  ['RESOURCE_UNAVAILABLE', refusal(403, 'Too Many Calls')],
  ['RESOURCE_UNAUTHORIZED', refusal(403, 'Too Many Calls')],
])
const OTHER = refusal(403, 'Not Authorized')

/** It could not do its work: as if it had not answered. */
const TROUBLE =
  /(?:^|:)\s*(?:SERVER_ERROR|NOT_CONNECTED|DISCONNECTED|CONNECTION_REFUSED|REPLY_TIMEOUT|TIMEOUT|MAX_CONCURRENT_RPC_EXCEEDED)(?![A-Z_])/

/** An error such as `RALS_ERROR:ACCOUNT_NOT_FOUND`: its last part says what it is. */
export function refusalOf(error: string): Refusal {
  if (isTrouble(error)) return AWAY
  return REFUSALS.get(lastPart(error)) ?? OTHER
}

export function isTrouble(error: string): boolean {
  return TROUBLE.test(error)
}

/** The record is there already: it was told before. */
export function isKnownAlready(error: string): boolean {
  return lastPart(error) === 'EXISTS'
}

function lastPart(error: string): string {
  return error.slice(error.lastIndexOf(':') + 1).trim()
}

/** What a handler is told of what it may do with the account. */
export function authorizationOf(result: unknown, { requestType }: Pick<ChargeFacts, 'requestType'>): Authorization {
  if (requestType === 'postpaid' || requestType === 'rated') return { authorized: true }
  const ms = maxUsageMs(result)
  if (ms === undefined) return OTHER
  if (ms === 0) return NO_CREDIT
  return ms === Number.POSITIVE_INFINITY ? { authorized: true } : { authorized: true, maxDuration: ms / 1000 }
}

/** The call that one of its own requests is about; undefined when that cannot be read. */
export function originIdOf(param: unknown): string | undefined {
  const { EventStart, Event, OriginID } = record(param)
  const id = record(EventStart).OriginID ?? record(Event).OriginID ?? OriginID
  return typeof id === 'string' ? id : undefined
}

/** Why it wants a call to end, on one line. */
export function reasonOf(param: unknown): string {
  const { Reason, Event } = record(param)
  const reason = Reason ?? record(Event).DisconnectCause
  if (typeof reason !== 'string') return ''
  return reason.replace(/[^\x20-\x7e]/g, ' ').slice(0, 64)
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function refusal(code: Refusal['code'], reason: string): Refusal {
  return { authorized: false, code, reason }
}
