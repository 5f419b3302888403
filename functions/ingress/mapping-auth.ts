import { fromBase64, type Hmac, isSigned, platformHmac, toBase64 } from '../contract/hmac.ts'
import type { Result } from '../contract/problem.ts'
import { isRecent, MAX_SIGNATURES } from '../contract/sign.ts'
import { createSecretCheck } from '../contract/token.ts'
import type { Incoming } from './incoming.ts'
import type { Auth } from './mapping-rules.ts'
import { unauthorized } from './posted-event.ts'
import { type Sender, type SenderCheck, standardWebhooks } from './sender.ts'

/** The ways in which third parties show who they are. */

const encoder = new TextEncoder()

/**
 * @param name    of the mapping
 * @param secrets any of which is right
 * @throws TypeError when a secret of Standard Webhooks cannot be read
 */
export function mappingCheck(auth: Auth, name: string, secrets: readonly string[]): SenderCheck {
  const sender: Sender = { name }
  switch (auth.scheme) {
    case 'standard-webhooks':
      return standardWebhooks(secrets.join(' '), name)
    case 'header':
      return given(sender, secrets, ({ header }) => header(auth.name.toLowerCase()), `the secret in ${auth.name}`)
    case 'query':
      return given(sender, secrets, ({ url }) => url.searchParams.get(auth.name), `the secret as ?${auth.name}=`)
    case 'basic': {
      const pairs = secrets.map((secret) => `${auth.user}:${secret}`)
      return given(sender, pairs, ({ header }) => basicOf(header('authorization')), 'user and password (Basic)')
    }
    case 'hmac-sha256':
      return hmacCheck(auth, sender, secrets)
    case 'stripe':
      return stripeCheck(auth.header ?? 'stripe-signature', sender, secrets)
  }
}

function given(
  sender: Sender,
  secrets: readonly string[],
  read: (incoming: Incoming) => string | null | undefined,
  expected: string,
): SenderCheck {
  const checks = secrets.map(createSecretCheck)
  return async (incoming) => {
    const text = read(incoming) ?? ''
    for (const isRight of checks) if (await isRight(text)) return { ok: true, value: sender }
    return unauthorized(`expected ${expected}`)
  }
}

/** `user:password` (RFC 7617), undefined when there is none. */
function basicOf(authorization: string | undefined): string | undefined {
  const [, base64] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization ?? '') ?? []
  const octets = base64 === undefined ? undefined : fromBase64(base64)
  return octets && new TextDecoder().decode(octets)
}

/** Over the body as it was sent, and what else `signs` names; the header may have several signatures, with a comma or a space between. */
function hmacCheck(
  auth: Extract<Auth, { scheme: 'hmac-sha256' }>,
  sender: Sender,
  secrets: readonly string[],
): SenderCheck {
  const keys = keysOf(secrets)
  const { prefix = '', signs = '{body}', time } = auth
  const decode = auth.encoding === 'hex' ? base64OfHex : (base64: string) => base64
  return async ({ header, body }, now) => {
    const seconds = time === undefined ? '' : (header(time.toLowerCase()) ?? '')
    if (time !== undefined && !isRecent(seconds, now)) return outOfTime(time)
    const read = await body()
    if (!read.ok) return read
    const parts = (header(auth.header.toLowerCase()) ?? '').split(/[, ]+/, MAX_SIGNATURES)
    const given = parts.filter((part) => part.startsWith(prefix)).map((part) => decode(part.slice(prefix.length)))
    const [before = '', after = ''] = signs.replace('{time}', seconds).split('{body}')
    return judged(sender, await isSigned(keys, given, before, read.value.octets, after), auth.header)
  }
}

/** `t=<seconds>,v1=<hex>,…`: over the time, a dot and the body; good for five minutes. */
function stripeCheck(name: string, sender: Sender, secrets: readonly string[]): SenderCheck {
  const keys = keysOf(secrets)
  return async ({ header, body }, now) => {
    const read = await body()
    if (!read.ok) return read
    const parts = (header(name.toLowerCase()) ?? '').split(/, */, 2 * MAX_SIGNATURES).map((part) => part.split('=', 2))
    const time = parts.find(([key]) => key === 't')?.[1] ?? ''
    if (!isRecent(time, now)) return outOfTime(name)
    const given = parts.filter(([key]) => key === 'v1').map(([, hex = '']) => base64OfHex(hex))
    return judged(sender, await isSigned(keys, given.slice(0, MAX_SIGNATURES), `${time}.`, read.value.octets), name)
  }
}

function keysOf(secrets: readonly string[]): Hmac[] {
  return secrets.map((secret) => platformHmac(encoder.encode(secret)))
}

function judged(sender: Sender, isGenuine: boolean, header: string): Result<Sender> {
  return isGenuine
    ? { ok: true, value: sender }
    : unauthorized(`${header}: no signature matches; check the secret on both sides`)
}

function outOfTime(header: string): Result<never> {
  return unauthorized(`${header}: expected a time that is at most five minutes off`)
}

/** '' for what is none, and so no signature. */
function base64OfHex(text: string): string {
  if (!/^([0-9a-f]{2})+$/i.test(text)) return ''
  return toBase64(Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16)))
}
