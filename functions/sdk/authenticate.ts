import type { Credentials, InvocationData } from '../contract/envelope.ts'

type Algorithm = 'SHA-256' | 'MD5'
/** A password, or the hash of `username:realm:password` in hex: 64 digits are SHA-256, 32 are MD5. */
export type Password = string | { ha1: string }

export interface AuthenticateOptions {
  realm: string
  /** The password of a user; undefined when there is no such user. */
  user(username: string): Password | undefined | Promise<Password | undefined>
  /** What is offered and taken, best first; default `['SHA-256', 'MD5']`. */
  algorithms?: Algorithm[]
}

/** `stale`: the response was right, but its nonce has outlived. */
export interface CheckedCredentials {
  username?: string
  stale?: true
}

/**
 * Verifies digest credentials with `qop=auth` (RFC 7616 3.4, RFC 8760). The gateway has checked the nonce already.
 * @returns `{}` when there are none, or they are wrong
 */
export async function checkCredentials(
  auth: Readonly<Credentials> | undefined,
  method: string,
  request: Pick<InvocationData['request'], 'uri'>,
  options: AuthenticateOptions,
): Promise<CheckedCredentials> {
  if (auth?.scheme.toLowerCase() !== 'digest' || auth.nonceState === 'foreign') return {}
  const { username, realm } = auth.params
  if (username === undefined || realm !== options.realm) return {}
  // Loaded when needed: MD5 is not in WebCrypto, and a function without authentication runs where node:crypto does not exist.
  const { isRightResponse } = await import('./digest.ts')
  const password = await options.user(username)
  const algorithms = options.algorithms ?? ['SHA-256', 'MD5']
  if (!isRightResponse({ params: auth.params, method, uri: request.uri, password, algorithms })) return {}
  return auth.nonceState === 'stale' ? { stale: true } : { username }
}
