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

/** Whether the host of a URL means this machine itself: what a request without a token has to be for. */
export function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
