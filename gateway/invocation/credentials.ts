import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ActionOf } from '../../functions/contract/actions.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import type { Credentials } from '../../functions/contract/envelope.ts'
import { parseCredentials } from '../sip/digest.ts'
import type { SipMessage } from '../sip/message.ts'
import { latin1, utf8 } from './request-data.ts'

/** Milliseconds for which a nonce of ours is taken. */
const NONCE_LIFE_MS = 300_000

/**
 * Digest authentication without state (RFC 8760, RFC 7616): the gateway issues nonces that carry their own time and proof; the function
 * knows the passwords and checks the response.
 */
export class Nonces {
  readonly #clock: Clock
  readonly #secret: string

  /** @param secret unguessable; nonces of another secret are foreign */
  constructor(clock: Clock, secret: string) {
    this.#clock = clock
    this.#secret = secret
  }

  issue(): string {
    const time = this.#clock.now().toString(36)
    return `${time}.${this.#proof(time)}`
  }

  stateOf(nonce: string): Credentials['nonceState'] {
    const [time = '', proof = ''] = nonce.split('.')
    const expected = Buffer.from(this.#proof(time))
    const given = Buffer.from(proof)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'foreign'
    const age = this.#clock.now() - Number.parseInt(time, 36)
    return age >= 0 && age <= NONCE_LIFE_MS ? 'valid' : 'stale'
  }

  #proof(time: string): string {
    return createHmac('sha256', this.#secret).update(time).digest('hex').slice(0, 32)
  }
}

/** The digest credentials of a request, undefined when it has none that can be read. */
export function credentialsOf(request: SipMessage, nonces: Nonces): Credentials | undefined {
  for (const name of ['Authorization', 'Proxy-Authorization'] as const) {
    for (const line of request.lines(name)) {
      const parsed = parseCredentials(line)
      if (parsed?.scheme.toLowerCase() !== 'digest') continue
      const params = Object.fromEntries([...parsed.params].map(([name, value]) => [name, utf8(value) ?? value]))
      return {
        scheme: 'Digest',
        proxy: name === 'Proxy-Authorization',
        nonceState: nonces.stateOf(params.nonce ?? ''),
        params,
      }
    }
  }
  return undefined
}

/** The challenge headers of a 401 or 407: one for each algorithm, best first (RFC 8760 2.3). */
export function challengeHeaders(challenge: ActionOf<'challenge'>, nonces: Nonces): [string, string][] {
  const name = challenge.proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'
  const nonce = nonces.issue()
  const stale = challenge.stale ? ', stale=true' : ''
  return (challenge.algorithms ?? ['SHA-256', 'MD5']).map((algorithm) => [
    name,
    `Digest realm="${latin1(challenge.realm)}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale}`,
  ])
}
