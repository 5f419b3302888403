import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * Checks an `Authorization: Bearer …` value (RFC 6750 2.1) in a time that says nothing about the token: both sides are hashed
 * first, so that they have one length.
 */
export function createTokenCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token)
  return (authorization) => {
    const [scheme = '', given = ''] = (authorization ?? '').split(' ', 2)
    const isEqual = timingSafeEqual(digest(given), expected)
    return isEqual && scheme.toLowerCase() === 'bearer'
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
