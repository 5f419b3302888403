import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { MAX_SIGNATURES, SIGNATURE_TOLERANCE_SECONDS } from '../../functions/contract/sign.ts'

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
    sign: (id, timestamp, body) =>
      keys.map((key) => `v1,${hmac(key, id, timestamp, body).toString('base64')}`).join(' '),
    isGenuine({ id, timestamp, signature }, body, now) {
      if (!/^\d{1,12}$/.test(timestamp)) return false
      if (Math.abs(now / 1000 - Number(timestamp)) > SIGNATURE_TOLERANCE_SECONDS) return false
      const given = readSignatures(signature)
      return keys.some((key) => {
        const right = hmac(key, id, timestamp, body)
        return given.some((each) => each.length === right.length && timingSafeEqual(each, right))
      })
    },
  }
}

/** See Signatures. */
export function createSign(secret: string): Sign {
  return createSignatures(secret).sign
}

function hmac(key: KeyObject, id: string, timestamp: number | string, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
}

function readSignatures(header: string): Buffer[] {
  const versioned = header.split(' ', MAX_SIGNATURES).filter((part) => part.startsWith('v1,'))
  return versioned.map((part) => Buffer.from(part.slice(3), 'base64'))
}

/** A key object: OpenSSL takes raw octets in anew for every message, which costs three times the signature itself. */
function keyOf(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret.startsWith('whsec_') ? secret.slice(6) : secret, 'base64'))
}
