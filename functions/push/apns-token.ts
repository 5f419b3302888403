import { importPKCS8, SignJWT } from 'jose'
import type { Clock } from '../contract/clock.ts'
import { PushError } from './deadline.ts'
import { failed } from './outcome.ts'
import { Renewed } from './renewed.ts'

export interface ApnsKey {
  /** PEM of the `.p8` file. */
  key: string
  keyId: string
  teamId: string
}

/** Apple takes a token for an hour, and not another one before twenty minutes are over. Milliseconds. */
const RENEW_MS = 45 * 60_000
const AT_LEAST_MS = 20 * 60_000

/** The provider token, which all connections share. */
export class ApnsToken {
  readonly #clock: Clock
  readonly #token: Renewed
  /** The last one that was made before its time. */
  #early: { instead: string; token: Promise<string>; at: number } | undefined

  constructor({ key, keyId, teamId }: ApnsKey, clock: Clock) {
    this.#clock = clock
    this.#token = new Renewed(clock, async () => {
      const now = clock.now()
      const imported = await importPKCS8(key, 'ES256').catch(() => {
        throw new PushError(failed('APNS_KEY is no EC key in PEM, as the .p8 file of Apple has it'))
      })
      const value = await new SignJWT()
        .setProtectedHeader({ alg: 'ES256', kid: keyId })
        .setIssuer(teamId)
        .setIssuedAt(Math.floor(now / 1000))
        .sign(imported)
      return { value, renewAt: now + RENEW_MS }
    })
  }

  get(): Promise<string> {
    return this.#token.get()
  }

  /** @returns undefined when this has been made newly so lately that Apple would refuse yet another one */
  async renew(expired: string): Promise<string | undefined> {
    const current = await this.#token.get()
    if (current !== expired) return current
    const now = this.#clock.now()
    if (this.#early?.instead === expired) return this.#early.token
    if (this.#early && now < this.#early.at + AT_LEAST_MS) return undefined
    this.#early = { instead: expired, token: this.#token.get(expired), at: now }
    return this.#early.token
  }
}
