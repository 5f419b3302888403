import { type KeyObject, sign } from 'node:crypto'

/** What the tests of the stand-ins sign by hand. */

export function jwt(
  algorithm: 'ES256' | 'RS256',
  key: KeyObject,
  claims: object,
  header: Record<string, unknown> = {},
): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: algorithm, ...header })}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}
