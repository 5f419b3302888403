import { fromBase64, type Hmac, isSigned, type Octets, platformHmac } from './hmac.ts'
import type { Problem, Result } from './problem.ts'

/** The headers of one signed message (https://www.standardwebhooks.com). */
export interface SignatureHeaders {
  'webhook-id': string
  'webhook-timestamp': string
  'webhook-signature': string
}

export interface Signer {
  /**
   * Signs with every live key.
   * @param id the message's id: the same on every retry
   * @param now milliseconds since the epoch
   */
  sign(id: string, body: string, now: number): Promise<SignatureHeaders>
  /**
   * Checks that one of the live keys signed exactly this body, at most five minutes from `now`. A message that is sent again as it is
   * passes again: whoever acts on it remembers what it has seen, see `SeenMessages`.
   * @param header a header by its lower-case name
   * @returns problem `request.unauthorized` when it is not genuine
   */
  verify(header: (name: string) => string | null | undefined, body: string, now: number): Promise<Result<SignedMessage>>
}

/** What was signed besides the body. */
export interface SignedMessage {
  id: string
  /** When it was signed, seconds since the epoch. */
  timestamp: number
}

/** How far a timestamp may be off, in seconds, either way. */
export const SIGNATURE_TOLERANCE_SECONDS = 300
/** Signatures of one message that are looked at: enough for keys that rotate, bounded for strangers. */
export const MAX_SIGNATURES = 8

/**
 * Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.
 * @param secrets `whsec_<base64>`; several separated by a space while they rotate
 * @param hmacOf  how; default what is fastest on the platform, and WebCrypto at the edge
 * @throws TypeError when a secret cannot be read
 */
export function createSigner(secrets: string, hmacOf: (key: Octets) => Hmac = platformHmac): Signer {
  const keys = readSecrets(secrets).map(hmacOf)
  return {
    async sign(id, body, now) {
      const timestamp = String(Math.floor(now / 1000))
      const signatures: string[] = []
      for (const key of keys) signatures.push(`v1,${await key.sign(`${id}.${timestamp}.`, body)}`)
      return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
    },
    async verify(header, body, now) {
      const id = header('webhook-id')
      const timestamp = header('webhook-timestamp')
      const signatures = header('webhook-signature')
      if (!id || !timestamp || !signatures) return refused('webhook-id, -timestamp and -signature are required')
      if (!isRecent(timestamp, now)) return refused('webhook-timestamp is more than five minutes off')
      if (!(await isSigned(keys, readSignatures(signatures), `${id}.${timestamp}.`, body)))
        return refused('no signature matches; check the secret on both sides')
      return { ok: true, value: { id, timestamp: Number(timestamp) } }
    },
  }
}

function readSecrets(secrets: string): Octets[] {
  const read = secrets.split(/\s+/).filter(Boolean).map(readSecret)
  if (read.length === 0) throw new TypeError('secret: expected whsec_ followed by base64, got nothing')
  return read
}

function readSecret(secret: string): Octets {
  const octets = fromBase64(secret.startsWith('whsec_') ? secret.slice(6) : secret)
  if (!octets || octets.length === 0) throw new TypeError('secret: expected whsec_ followed by base64')
  return octets
}

/**
 * @param timestamp seconds since the epoch, as it was sent
 * @param now       milliseconds since the epoch
 */
export function isRecent(timestamp: string, now: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now / 1000 - Number(timestamp)) <= SIGNATURE_TOLERANCE_SECONDS
}

/** The signatures of a header `webhook-signature` that we can check, in base64: most have one. */
export function readSignatures(header: string): string[] {
  const parts = header.includes(' ') ? header.split(' ', MAX_SIGNATURES) : [header]
  return parts.filter((part) => part.startsWith('v1,')).map((part) => part.slice(3))
}

function refused(detail: string): { ok: false; problem: Problem } {
  return { ok: false, problem: { code: 'request.unauthorized', detail } }
}
