import type { PushResult } from '../contract/push.ts'
import type { ApnsAnswer } from './apns.ts'
import { failed, retryAfter, tokenInvalid } from './outcome.ts'

/** Reasons that say the token is of no use for this app, whatever the status. */
const DEAD = ['BadDeviceToken', 'DeviceTokenNotForTopic', 'Unregistered', 'ExpiredToken']
/** Seconds after which Apple takes another provider token. */
const TOKEN_UPDATE_SECONDS = 1200

/**
 * What an answer of Apple's means.
 * @param now milliseconds since the epoch
 * @see https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
 */
export function apnsResult({ status, retryAfter: header, body }: ApnsAnswer, now: number): PushResult | 'expired' {
  if (status === 200) return { outcome: 'accepted' }
  const reason = readReason(body)
  const error = `Apple answered ${status}${reason ? ` ${reason}` : ''}`
  if (reason === 'ExpiredProviderToken') return 'expired'
  if (status === 410 || DEAD.includes(reason)) return tokenInvalid(error)
  const otherwise = reason === 'TooManyProviderTokenUpdates' ? TOKEN_UPDATE_SECONDS : 0
  return failed(error, retryAfter(status, header, now, otherwise))
}

function readReason(body: string): string {
  try {
    const { reason } = JSON.parse(body)
    return typeof reason === 'string' && /^\w{1,64}$/.test(reason) ? reason : ''
  } catch {
    return ''
  }
}
