import { createHash } from 'node:crypto'
import { parseCredentials } from '../../sip/digest.ts'
import type { SipMessage } from '../../sip/message.ts'

export interface DigestInput {
  user: string
  password: string
  method: string
  uri: string
  cnonce: string
  /** How many requests had credentials, this one included. */
  count: number
}

const HASHES: Readonly<Record<string, string>> = { 'SHA-256': 'sha256', 'MD5': 'md5' }

/**
 * The header field that answers a challenge (RFC 7616 3.4, `qop=auth`; RFC 8760: the first algorithm that is known).
 * @param challenge a 401 or 407
 * @returns undefined when it holds no challenge that can be answered
 */
export function authorization(challenge: SipMessage, input: DigestInput): [name: string, value: string] | undefined {
  const isProxy = challenge.status === 407
  for (const line of challenge.lines(isProxy ? 'Proxy-Authenticate' : 'WWW-Authenticate')) {
    const read = parseCredentials(line)
    const algorithm = (read?.params.get('algorithm') ?? 'MD5').toUpperCase()
    const hash = HASHES[algorithm]
    if (read?.scheme.toLowerCase() !== 'digest' || !hash) continue
    return [isProxy ? 'Proxy-Authorization' : 'Authorization', response(read.params, algorithm, hash, input)]
  }
  return undefined
}

function response(
  challenge: ReadonlyMap<string, string>,
  algorithm: string,
  hash: string,
  { user, password, method, uri, cnonce, count }: DigestInput,
): string {
  const digest = (text: string) => createHash(hash).update(text).digest('hex')
  const [realm = '', nonce = '', opaque] = ['realm', 'nonce', 'opaque'].map((name) => challenge.get(name))
  const nc = count.toString(16).padStart(8, '0')
  const ha1 = digest(`${user}:${realm}:${password}`)
  const ha2 = digest(`${method}:${uri}`)
  const params = [
    `username="${user}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `uri="${uri}"`,
    `response="${digest(`${ha1}:${nonce}:${nc}:${cnonce}:auth:${ha2}`)}"`,
    `algorithm=${algorithm}`,
    'qop=auth',
    `nc=${nc}`,
    `cnonce="${cnonce}"`,
    ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
  ]
  return `Digest ${params.join(', ')}`
}
