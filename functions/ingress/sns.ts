import { type CryptoKey, importX509 } from 'jose'
import { bounded } from '../contract/bounded.ts'
import type { Clock } from '../contract/clock.ts'
import type { Problem, Result } from '../contract/problem.ts'
import { RateLimit } from '../contract/rate.ts'
import { readBody } from '../contract/read-body.ts'
import { SIGNATURE_TOLERANCE_SECONDS } from '../contract/sign.ts'
import { parsedJson } from './incoming.ts'
import { SNS_AGE_MS } from './once.ts'
import { unauthorized } from './posted-event.ts'
import { certificateUrl, confirmationUrl, SnsMessage, signatureOf, signedText } from './sns-message.ts'

export interface SnsParts {
  /** Pinned: nobody else's topic is listened to. */
  topics: readonly string[]
  fetch: typeof fetch
  clock: Clock
}

/** Milliseconds that SNS may take to show its certificate, or to confirm. */
const TIMEOUT_MS = 3000
/** Octets of a certificate, or of a confirmation's answer. */
const MAX_OCTETS = 16_384
/** Certificates that are kept; SNS has one for each region at a time. */
const MAX_KEYS = 16
/** Certificates that are fetched: whoever knows an ARN could name any number. */
const FETCHES = { count: 20, perMs: 60_000 }

/** Listens to topics of Amazon SNS: says what is genuine, and confirms subscriptions. */
export class Sns {
  readonly #parts: SnsParts
  readonly #keys = new Map<string, CryptoKey>()
  readonly #fetches: RateLimit

  constructor(parts: SnsParts) {
    this.#parts = parts
    this.#fetches = new RateLimit(FETCHES, parts.clock)
  }

  /** Problem `request.unauthorized` unless a pinned topic has signed this a moment ago; `upstream.unavailable` when that is not known. */
  async read(text: string): Promise<Result<SnsMessage>> {
    const { topics, clock } = this.#parts
    const parsed = SnsMessage.safeParse(parsedJson(text))
    if (!parsed.success)
      return unauthorized('expected a message of Amazon SNS; raw message delivery is not signed: turn it off')
    const message = parsed.data
    if (!topics.includes(message.TopicArn))
      return unauthorized(`SNS_TOPICS has no ${message.TopicArn.slice(0, 300)}; add it if it is yours`)
    if (message.SignatureVersion !== '2')
      return unauthorized('SignatureVersion: expected 2; set the attribute SignatureVersion of the topic to 2')
    const ageMs = clock.now() - Date.parse(message.Timestamp)
    if (ageMs > SNS_AGE_MS || ageMs < -SIGNATURE_TOLERANCE_SECONDS * 1000)
      return unauthorized('Timestamp is too far off')
    const url = certificateUrl(message.SigningCertURL)
    if (!url) return unauthorized('SigningCertURL: expected a certificate of Amazon SNS')
    const key = await this.#keyAt(url)
    if (!key.ok) return key
    return (await isSigned(message, key.value))
      ? { ok: true, value: message }
      : unauthorized('Signature does not match')
  }

  /** Asks SNS to send what is published to the topic. Problem `upstream.unavailable` when it does not; it asks again. */
  async confirm({ SubscribeURL = '', TopicArn }: SnsMessage): Promise<Result<void>> {
    const url = confirmationUrl(SubscribeURL, TopicArn)
    if (!url) return unauthorized('SubscribeURL: expected the confirmation of a subscription to this topic')
    const answer = await this.#get(url)
    return answer.ok ? { ok: true, value: undefined } : answer
  }

  async #keyAt(url: URL): Promise<Result<CryptoKey>> {
    const known = this.#keys.get(url.href)
    if (known) return { ok: true, value: known }
    if (!this.#fetches.take('')) return unavailable('too many certificates were asked for; try again')
    const pem = await this.#get(url)
    if (!pem.ok) return pem
    try {
      const key = await importX509(pem.value, 'RS256')
      this.#keys.set(url.href, key)
      if (this.#keys.size > MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value!)
      return { ok: true, value: key }
    } catch {
      return unavailable('SigningCertURL does not lead to a certificate with an RSA key')
    }
  }

  /** Never where a redirection leads. */
  async #get(url: URL): Promise<Result<string>> {
    const { fetch, clock } = this.#parts
    try {
      return await bounded(clock, TIMEOUT_MS, async (signal) => {
        const response = await fetch(url.href, { redirect: 'manual', signal })
        if (response.status !== 200) return unavailable(`${url.hostname} answered ${response.status}`)
        const body = await readBody(response, MAX_OCTETS)
        return body.ok ? body : unavailable(`${url.hostname} answered more than ${MAX_OCTETS} octets`)
      })
    } catch {
      return unavailable(`${url.hostname} does not answer`)
    }
  }
}

async function isSigned(message: SnsMessage, key: CryptoKey): Promise<boolean> {
  const signature = signatureOf(message)
  if (!signature) return false
  const text = new TextEncoder().encode(signedText(message))
  return crypto.subtle.verify('RSASSA-PKCS1-v1_5', key, signature, text)
}

function unavailable(detail: string): { ok: false; problem: Problem } {
  return { ok: false, problem: { code: 'upstream.unavailable', detail } }
}
