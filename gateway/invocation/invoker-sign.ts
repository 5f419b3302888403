import { nodeHmac, type SyncHmac } from '../../functions/contract/hmac.ts'
import { isRecent, readSignatures } from '../../functions/contract/sign.ts'

/** Signs one message: the value of `webhook-signature`, one `v1,<base64>` for each live key. */
export type Sign = (id: string, timestampSeconds: number, body: Uint8Array) => string

/** What a received message says of its signature. */
export interface ReceivedSignature {
  /** `webhook-id`, `webhook-timestamp`, `webhook-signature`; '' when they were not sent. */
  id: string
  timestamp: string
  signature: string
}

/** Standard Webhooks, synchronous and over the octets that are sent: for the gateway, which signs each invocation. */
export interface Signatures {
  sign: Sign
  /** Whether one of the live keys signed exactly these octets, at most five minutes from `now` (milliseconds since the epoch). */
  isGenuine(received: ReceivedSignature, body: Uint8Array, now: number): boolean
}

/**
 * Standard Webhooks signatures (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`.
 * @param secret `whsec_<base64>`; two separated by a space while keys rotate
 */
export function createSignatures(secret: string): Signatures {
  const keys = secret.split(' ').filter(Boolean).map(keyOf)
  return {
    sign: (id, timestamp, body) => keys.map((key) => `v1,${key.sign(`${id}.${timestamp}.`, body)}`).join(' '),
    isGenuine({ id, timestamp, signature }, body, now) {
      if (!isRecent(timestamp, now)) return false
      const given = readSignatures(signature)
      const before = `${id}.${timestamp}.`
      return keys.some((key) => given.some((each) => key.isGenuine(each, before, body)))
    },
  }
}

/** See Signatures. */
export function createSign(secret: string): Sign {
  return createSignatures(secret).sign
}

function keyOf(secret: string): SyncHmac {
  return nodeHmac(Buffer.from(secret.startsWith('whsec_') ? secret.slice(6) : secret, 'base64'))
}
