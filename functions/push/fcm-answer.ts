import type { PushResult } from '../contract/push.ts'
import { failed, retryAfter, tokenInvalid } from './outcome.ts'

/** Seconds to wait after a 429 that does not say how long. */
const QUOTA_SECONDS = 60

/**
 * What an answer of FCM v1 means.
 * @param text may be HTML: what stands before FCM answers that way
 * @param now  milliseconds since the epoch
 * @see https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
 * @see https://firebase.google.com/docs/cloud-messaging/error-codes
 */
export function fcmResult(response: Response, text: string, now: number): PushResult | 'unauthenticated' {
  const { ok, status, headers } = response
  if (ok) return { outcome: 'accepted' }
  const fault = readFault(text)
  const code = fault.errorCode ?? fault.status
  const error = [`FCM answered ${status}`, code, fault.fields.join(', ')].filter(Boolean).join(' ')
  if (status === 401 && code !== 'THIRD_PARTY_AUTH_ERROR') return 'unauthenticated'
  if (isDead(status, fault)) return tokenInvalid(error)
  const otherwise = status === 429 ? QUOTA_SECONDS : 0
  return failed(error, retryAfter(status, headers.get('retry-after'), now, otherwise))
}

interface Fault {
  /** Of google.rpc.Status. */
  status?: string | undefined
  message?: string | undefined
  /** Of google.firebase.fcm.v1.FcmError. */
  errorCode?: string | undefined
  /** Of google.rpc.BadRequest: the fields that are wrong. */
  fields: string[]
}

/** Google's example of a token that is none has no field violation, but this sentence. */
const NOT_A_TOKEN = /registration token is not a valid FCM registration token/

function isDead(status: number, { errorCode, status: rpc, message = '', fields }: Fault): boolean {
  if (status === 404) return errorCode === 'UNREGISTERED'
  if (status === 403) return errorCode === 'SENDER_ID_MISMATCH'
  // INVALID_ARGUMENT says that anything is wrong: a message too big does not make a token dead.
  if (status !== 400 || rpc !== 'INVALID_ARGUMENT') return false
  return fields.includes('message.token') || (fields.length === 0 && NOT_A_TOKEN.test(message))
}

function readFault(text: string): Fault {
  const error = parsed(text)?.error
  if (!isRecord(error)) return { fields: [] }
  const details = Array.isArray(error.details) ? error.details.filter(isRecord) : []
  const violations = details.flatMap(({ fieldViolations }) => (Array.isArray(fieldViolations) ? fieldViolations : []))
  return {
    status: word(error.status),
    message: typeof error.message === 'string' ? error.message : undefined,
    errorCode: details.map(({ errorCode }) => word(errorCode)).find(Boolean),
    fields: violations.flatMap((violation) => field(violation) ?? []),
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Z_]{1,64}$/.test(value) ? value : undefined
}

function field(violation: unknown): string | undefined {
  const name = isRecord(violation) ? violation.field : undefined
  return typeof name === 'string' && /^[\w.[\]]{1,128}$/.test(name) ? name : undefined
}
