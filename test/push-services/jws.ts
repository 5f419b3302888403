import { createPublicKey, type KeyObject, verify } from 'node:crypto'

/** JSON Web Signature in compact form (RFC 7515 3.1), as far as push services use it. */

export interface Jws {
  header: Record<string, unknown>
  claims: Record<string, unknown>
  /** @returns whether `key` made the signature and the header names exactly this algorithm */
  isSignedBy(key: KeyObject, algorithm: 'ES256' | 'RS256'): boolean
}

/** @returns undefined when this is no compact JWS with a JSON object in header and payload */
export function parseJws(text: string): Jws | undefined {
  const parts = text.split('.')
  if (parts.length !== 3 || !parts.every((part) => /^[\w-]+$/.test(part))) return undefined
  const [header, claims] = parts.slice(0, 2).map(objectOf)
  if (!header || !claims) return undefined
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`)
  const signature = Buffer.from(parts[2]!, 'base64url')
  return {
    header,
    claims,
    // RFC 7518 3.4: an ES256 signature is R and S side by side, not DER.
    isSignedBy: (key, algorithm) =>
      header.alg === algorithm && verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature),
  }
}

/** @param point a P-256 public key in uncompressed form, 65 bytes; anything else is refused with undefined */
export function p256Key(point: Buffer): KeyObject | undefined {
  if (point.length !== 65 || point[0] !== 4) return undefined
  const coordinate = (from: number) => point.subarray(from, from + 32).toString('base64url')
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: coordinate(1), y: coordinate(33) } })
  } catch {
    return undefined
  }
}

function objectOf(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
