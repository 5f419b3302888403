import type { PushMessage, PushResult } from '../contract/push.ts'
import { apnsResult } from './apns-answer.ts'
import type { ApnsToken } from './apns-token.ts'
import { APPLE_PARAMETERS, readAppleDevice } from './apple-device.ts'
import { type ApplePush, planApplePush } from './apple-push.ts'
import { type Deadline, withinDeadline } from './deadline.ts'
import { failed } from './outcome.ts'
import { collapseKey, uuidOf } from './payload.ts'
import type { PushProvider } from './provider.ts'

/** One request over HTTP/2, and the answer to it. Rejects when there is none. */
export type ApnsSend = (request: ApnsRequest) => Promise<ApnsAnswer>

export interface ApnsRequest {
  path: string
  headers: Record<string, string>
  body: string
  signal: AbortSignal
}

export interface ApnsAnswer {
  status: number
  retryAfter: string | null
  body: string
}

export interface ApnsOptions extends Deadline {
  /** Shared by the production and the sandbox provider. */
  token: ApnsToken
  send: ApnsSend
}

export const APNS_ENDPOINT = 'https://api.push.apple.com'
export const APNS_SANDBOX_ENDPOINT = 'https://api.sandbox.push.apple.com'

/** Apple's push notification service, by its HTTP/2 API. What is sent by which token: `planApplePush`. */
export function apnsProvider(options: ApnsOptions): PushProvider {
  const { token, clock } = options
  return {
    async send(message) {
      const device = readAppleDevice(message)
      if (!device) return failed(APPLE_PARAMETERS)
      const plan = planApplePush(message, device)
      if ('result' in plan) return plan.result
      const headers = await headersOf(message, plan.push, clock.now())
      return withinDeadline(options, 'Apple', (signal) => post(plan.push, headers, signal))
    },
  }

  async function post(push: ApplePush, headers: Record<string, string>, signal: AbortSignal): Promise<PushResult> {
    const held = await token.get()
    const first = await once(push, headers, held, signal)
    if (first !== 'expired') return first
    const renewed = await token.renew(held)
    const second = renewed === undefined ? 'expired' : await once(push, headers, renewed, signal)
    return second === 'expired' ? failed('Apple says that a new token has expired: is the clock right?') : second
  }

  async function once(push: ApplePush, headers: Record<string, string>, bearer: string, signal: AbortSignal) {
    const answer = await options.send({
      path: `/3/device/${push.token}`,
      headers: { ...headers, authorization: `bearer ${bearer}` },
      body: push.payload,
      signal,
    })
    return apnsResult(answer, clock.now())
  }
}

async function headersOf(message: PushMessage, push: ApplePush, now: number): Promise<Record<string, string>> {
  const seconds = Math.floor(message.ttlSeconds)
  return {
    'content-type': 'application/json',
    'apns-topic': push.topic,
    'apns-push-type': push.type,
    'apns-priority': String(push.priority),
    // 0: now or never.
    'apns-expiration': seconds === 0 ? '0' : String(Math.floor(now / 1000) + seconds),
    'apns-collapse-id': await collapseKey(message),
    'apns-id': await uuidOf(message),
  }
}
