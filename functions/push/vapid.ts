import { importJWK, SignJWT } from 'jose'
import type { Clock } from '../contract/clock.ts'
import { PushError } from './deadline.ts'
import { failed } from './outcome.ts'
import { toBase64Url } from './payload.ts'
import { Renewed } from './renewed.ts'

/** Voluntary application server identification (RFC 8292). */
export interface VapidKeys {
  /** base64url of 65 octets: what phones subscribe with, and the registrar announces (RFC 8599 8). */
  publicKey: string
  /** base64url of 32 octets. */
  privateKey: string
  /** `mailto:` or `https:`: whom a push service may ask. */
  subject: string
}

/** How long a token holds, and when it is made anew; at most 24 hours (RFC 8292 2). Milliseconds. */
const LIFE_MS = 12 * 3_600_000
const RENEW_MS = 6 * 3_600_000
/** Push services whose tokens are kept. */
const MAX_ORIGINS = 100

/** @returns the `Authorization` header for a push service, by its origin; each has a token of its own, which is used again */
export function vapid(keys: VapidKeys, clock: Clock): (origin: string) => Promise<string> {
  const tokens = new Map<string, Renewed>()
  return async (origin) => {
    let token = tokens.get(origin)
    if (!token) {
      token = new Renewed(clock, async () => {
        const now = clock.now()
        return { value: await sign(keys, origin, now), renewAt: now + RENEW_MS }
      })
      if (tokens.size >= MAX_ORIGINS) tokens.delete(tokens.keys().next().value!)
      tokens.set(origin, token)
    }
    return `vapid t=${await token.get()}, k=${keys.publicKey}`
  }
}

async function sign(keys: VapidKeys, origin: string, now: number): Promise<string> {
  const key = await importJWK({ ...jwkOf(keys), d: keys.privateKey }, 'ES256').catch(() => {
    throw new PushError(failed('VAPID_PRIVATE_KEY is not the one that belongs to VAPID_PUBLIC_KEY'))
  })
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .setAudience(origin)
    .setSubject(keys.subject)
    .setExpirationTime(Math.floor((now + LIFE_MS) / 1000))
    .sign(key)
}

/** 0x04, then x and y. */
function jwkOf({ publicKey }: VapidKeys) {
  // 43 characters hold 32 octets and 2 bits, so they cannot simply be cut out.
  const octets = Uint8Array.from(atob(publicKey.replaceAll('-', '+').replaceAll('_', '/')), (each) =>
    each.charCodeAt(0),
  )
  return { kty: 'EC', crv: 'P-256', x: toBase64Url(octets.subarray(1, 33)), y: toBase64Url(octets.subarray(33)) }
}
