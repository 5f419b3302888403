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
   * Checks that one of the live keys signed exactly this body, at most five minutes from `now`.
   * @param header a header by its lower-case name
   * @returns the id, or problem `request.unauthorized`
   */
  verify(header: (name: string) => string | null | undefined, body: string, now: number): Promise<Result<string>>
}

/** How far a timestamp may be off, in seconds, either way. */
export const SIGNATURE_TOLERANCE_SECONDS = 300
/** Signatures of one message that are looked at: enough for keys that rotate, bounded for strangers. */
const MAX_SIGNATURES = 8

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>

const encoder = new TextEncoder()

/**
 * Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, with WebCrypto, so it runs wherever functions do.
 * @param secrets `whsec_<base64>`; several separated by a space while they rotate
 * @throws TypeError when a secret cannot be read
 */
export function createSigner(secrets: string): Signer {
  const keys = Promise.all(readSecrets(secrets).map(importKey))
  return {
    async sign(id, body, now) {
      const timestamp = String(Math.floor(now / 1000))
      const message = encoder.encode(`${id}.${timestamp}.${body}`)
      const signatures = await Promise.all((await keys).map((key) => crypto.subtle.sign('HMAC', key, message)))
      return {
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatures.map((signature) => `v1,${toBase64(signature)}`).join(' '),
      }
    },
    async verify(header, body, now) {
      const id = header('webhook-id')
      const timestamp = header('webhook-timestamp')
      const signatures = header('webhook-signature')
      if (!id || !timestamp || !signatures) return refused('webhook-id, -timestamp and -signature are required')
      if (!isRecent(timestamp, now)) return refused('webhook-timestamp is more than five minutes off')
      const message = encoder.encode(`${id}.${timestamp}.${body}`)
      const genuine = await someKeySigned(await keys, readSignatures(signatures), message)
      return genuine ? { ok: true, value: id } : refused('no signature matches; check the secret on both sides')
    },
  }
}

function readSecrets(secrets: string): Uint8Array<ArrayBuffer>[] {
  const read = secrets.split(' ').filter(Boolean).map(readSecret)
  if (read.length === 0) throw new TypeError('secret: expected whsec_ followed by base64, got nothing')
  return read
}

function readSecret(secret: string): Uint8Array<ArrayBuffer> {
  const octets = fromBase64(secret.startsWith('whsec_') ? secret.slice(6) : secret)
  if (!octets || octets.length === 0) throw new TypeError('secret: expected whsec_ followed by base64')
  return octets
}

function importKey(octets: Uint8Array<ArrayBuffer>): Promise<Key> {
  return crypto.subtle.importKey('raw', octets, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
}

function isRecent(timestamp: string, now: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now / 1000 - Number(timestamp)) <= SIGNATURE_TOLERANCE_SECONDS
}

function readSignatures(header: string): Uint8Array<ArrayBuffer>[] {
  const versioned = header.split(' ', MAX_SIGNATURES).filter((part) => part.startsWith('v1,'))
  return versioned.map((part) => fromBase64(part.slice(3))).filter((octets) => octets !== undefined)
}

async function someKeySigned(
  keys: Key[],
  signatures: Uint8Array<ArrayBuffer>[],
  message: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  for (const key of keys) {
    for (const signature of signatures) {
      if (await crypto.subtle.verify('HMAC', key, signature, message)) return true
    }
  }
  return false
}

function toBase64(octets: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(octets)))
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}

function refused(detail: string): { ok: false; problem: Problem } {
  return { ok: false, problem: { code: 'request.unauthorized', detail } }
}
