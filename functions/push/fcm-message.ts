import type { PushMessage, PushResult } from '../contract/push.ts'
import { failed } from './outcome.ts'
import { collapseKey, octetsIn, payloadOf, tooLarge } from './payload.ts'

/** Octets of all keys and values of `data` together. */
const MAX_DATA = 4096
/** Names that FCM keeps for itself. */
const RESERVED = /^(from|message_type|notification|gcm.*|google.*)$/

/** What of a Message of FCM v1 does not name the device: SNS hands it on, too. */
export async function fcmMessage(message: PushMessage): Promise<object> {
  return {
    data: payloadOf(message),
    android: {
      // A phone in doze hears HIGH at once; NORMAL is enough for what is not urgent, and spares its quota.
      priority: message.purpose === 'refresh' ? 'NORMAL' : 'HIGH',
      ttl: `${Math.floor(message.ttlSeconds)}s`,
      collapse_key: await collapseKey(message),
    },
  }
}

/** @returns undefined when FCM can take it */
export function fcmTrouble(message: PushMessage): PushResult | undefined {
  const data = Object.entries(payloadOf(message))
  const reserved = data.find(([name]) => RESERVED.test(name))
  if (reserved) return failed(`data.${reserved[0]}: FCM keeps this name for itself; choose another`)
  const octets = data.reduce((sum, [name, value]) => sum + octetsIn(name) + octetsIn(value), 0)
  return tooLarge(octets, MAX_DATA, 'FCM')
}
