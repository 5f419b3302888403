import type { PushMessage, PushResult } from '../contract/push.ts'
import type { AppleDevice, AppleService } from './apple-device.ts'
import { unsupported } from './outcome.ts'
import { alertOf, octetsIn, payloadOf, tooLarge } from './payload.ts'

/** What Apple is asked to do, directly or by way of SNS. */
export interface ApplePush {
  service: AppleService
  token: string
  /** `apns-topic` */
  topic: string
  /** `apns-push-type` */
  type: 'voip' | 'alert' | 'background'
  /** `apns-priority` */
  priority: 10 | 5
  /** JSON. */
  payload: string
}

const MAX_OCTETS = { voip: 5120, remote: 4096 } as const
/** What a phone without a VoIP token shows when the handler gives no `title` and no `body`. */
const INCOMING_CALL = { body: 'Incoming call' }

type Planned = { push: ApplePush } | { result: PushResult }

/**
 * Which of a device's tokens gets what. A VoIP push has to show a call at once, or iOS ends the app and takes its pushes away: it is for calls
 * alone, and what else there is to say needs the other token.
 */
export function planApplePush(message: PushMessage, device: AppleDevice): Planned {
  const { bundle, voip, remote } = device
  if (message.purpose === 'call' && voip !== undefined) {
    return checked({
      service: 'voip',
      token: voip,
      topic: `${bundle}.voip`,
      type: 'voip',
      priority: 10,
      payload: payload(message, {}),
    })
  }
  if (remote === undefined) {
    return {
      result: unsupported(`the device has a VoIP token only, and VoIP pushes are for calls: no ${message.purpose}`),
    }
  }
  const alert = alertFor(message)
  const type = alert ? 'alert' : 'background'
  // Apple takes a background push with 5 only.
  const priority = alert ? 10 : 5
  const aps = alert ? { alert, sound: 'default' } : { 'content-available': 1 }
  return checked({ service: 'remote', token: remote, topic: bundle, type, priority, payload: payload(message, aps) })
}

function alertFor(message: PushMessage) {
  if (message.purpose === 'refresh') return undefined
  return alertOf(message) ?? (message.purpose === 'call' ? INCOMING_CALL : undefined)
}

function payload(message: PushMessage, aps: object): string {
  return JSON.stringify({ ...payloadOf(message), aps })
}

function checked(push: ApplePush): Planned {
  const result = tooLarge(octetsIn(push.payload), MAX_OCTETS[push.service], 'Apple')
  return result ? { result } : { push }
}
