import { platformHmac } from './hmac.ts'

/** Whether what was given is the secret, in a time that says nothing about where it differs. */
export type SecretCheck = (given: string) => boolean | Promise<boolean>

/** Compares what both come to under one key, so that they have one length. */
export function createSecretCheck(secret: string): SecretCheck {
  const hmac = platformHmac(new TextEncoder().encode(secret))
  const expected = hmac.sign(secret)
  return (given) =>
    typeof expected === 'string'
      ? hmac.isGenuine(expected, given)
      : expected.then((signature) => hmac.isGenuine(signature, given))
}

/** Checks an `Authorization: Bearer …` value (RFC 6750 2.1), as a secret is checked. */
export function createTokenCheck(
  token: string,
): (authorization: string | null | undefined) => boolean | Promise<boolean> {
  const isRight = createSecretCheck(token)
  return (authorization) => {
    const [scheme = '', given = ''] = (authorization ?? '').split(' ', 2)
    return scheme.toLowerCase() === 'bearer' && isRight(given)
  }
}

/** Whether the host of a URL means this machine itself: what a request without a token has to be for. */
export function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}
