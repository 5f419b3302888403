import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

/** Signs one message: the value of `webhook-signature`, one `v1,<base64>` for each live key. */
export type Sign = (id: string, timestampSeconds: number, body: Uint8Array) => string

/**
 * Standard Webhooks signatures (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`. Synchronous, over
 * the octets that are sent: the gateway signs each invocation.
 * @param secret `whsec_<base64>`; two separated by a space while keys rotate
 */
export function createSign(secret: string): Sign {
  const keys = secret.split(' ').filter(Boolean).map(keyOf)
  return (id, timestampSeconds, body) => {
    const prefix = `${id}.${timestampSeconds}.`
    return keys.map((key) => `v1,${createHmac('sha256', key).update(prefix).update(body).digest('base64')}`).join(' ')
  }
}

/** A key object: OpenSSL takes raw octets in anew for every message, which costs three times the signature itself. */
function keyOf(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret.startsWith('whsec_') ? secret.slice(6) : secret, 'base64'))
}
