import { createHash, timingSafeEqual } from 'node:crypto'
import { Address } from './address.ts'
import type { Password } from './authenticate.ts'

export interface DigestCheck {
  /** Parameters of the Authorization header, unquoted. */
  params: Readonly<Record<string, string>>
  method: string
  /** The Request-URI. */
  uri: string
  /** undefined: no such user; the check takes as long as with one. */
  password: Password | undefined
  algorithms: readonly string[]
}

const HASHES: Readonly<Record<string, { name: string; hexDigits: number }>> = {
  'SHA-256': { name: 'sha256', hexDigits: 64 },
  'MD5': { name: 'md5', hexDigits: 32 },
}

/**
 * Whether the response proves the password (RFC 7616 3.4.1, `qop=auth`; RFC 8760 2.4). The digest URI must name what the
 * Request-URI names. A response without qop is refused: we always offer it, and RFC 3261 22.4 wants it sent then.
 */
export function isRightResponse({ params, method, uri, password, algorithms }: DigestCheck): boolean {
  const { username = '', realm = '', nonce = '', nc = '', cnonce = '', qop = '', response = '' } = params
  const algorithm = (params.algorithm ?? 'MD5').toUpperCase()
  const hash = algorithms.includes(algorithm) ? HASHES[algorithm] : undefined
  if (!hash || qop.toLowerCase() !== 'auth' || cnonce === '' || nonce === '' || !/^[0-9a-f]{8}$/i.test(nc)) return false
  const digest = (text: string) => createHash(hash.name).update(text).digest('hex')
  const ha1 =
    typeof password === 'object' ? password.ha1.toLowerCase() : digest(`${username}:${realm}:${password ?? ''}`)
  if (ha1.length !== hash.hexDigits) return false
  const ha2 = digest(`${method}:${params.uri ?? ''}`)
  const expected = digest(`${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`)
  return isSame(expected, response.toLowerCase()) && password !== undefined && isSameTarget(params.uri ?? '', uri)
}

/** In constant time. */
function isSame(expected: string, given: string): boolean {
  const a = Buffer.from(expected)
  const b = Buffer.from(given)
  return a.length === b.length && timingSafeEqual(a, b)
}

function isSameTarget(digestUri: string, requestUri: string): boolean {
  return new Address(digestUri).aor === new Address(requestUri).aor
}
