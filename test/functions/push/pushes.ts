import { generateKeyPairSync } from 'node:crypto'
import type { PushMessage } from '../../../functions/contract/push.ts'

/** Pushes and keys for the tests of providers. */

export const NOW = 1_700_000_000_000

export function pushOf(changes: Partial<PushMessage> = {}): PushMessage {
  return {
    id: 'push-1',
    aor: 'sip:bob@example.com',
    device: 'urn:uuid:1',
    provider: 'fcm',
    purpose: 'call',
    prid: 'token-of-bob',
    param: 'project-1',
    call: { id: 'call-1', from: 'sip:alice@example.com', to: 'sip:bob@example.com', displayName: 'Alice' },
    ttlSeconds: 30,
    ...changes,
  }
}

/** Without a call: what asks a device to refresh its binding. */
export function refreshOf(changes: Partial<PushMessage> = {}): PushMessage {
  const { call: _, ...push } = pushOf({ purpose: 'refresh', ...changes })
  return push
}

export function rsaKeys() {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { publicKey: keys.publicKey, pem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

export function ecKeys() {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '', d = '' } = keys.privateKey.export({ format: 'jwk' })
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  return {
    publicKey: keys.publicKey,
    pem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    /** base64url, as VAPID has them. */
    raw: { publicKey: point.toString('base64url'), privateKey: d },
  }
}

export interface Asked {
  url: string
  method: string
  headers: Headers
  text: string
  octets: Buffer
}

/** A fetch that keeps what it is asked, and answers by a rule. */
export function recordingFetch(answer: (asked: Asked, nth: number) => Response | Promise<Response>) {
  const asked: Asked[] = []
  const ask = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    const octets = Buffer.from(await request.arrayBuffer())
    const { url, method, headers } = request
    asked.push({ url, method, headers, octets, text: octets.toString() })
    return answer(asked.at(-1)!, asked.length)
  }
  return { asked, fetch: ask as typeof fetch }
}
