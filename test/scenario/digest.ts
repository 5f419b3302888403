import { createHash } from 'node:crypto'
import type { WireMessage } from '../support/wire.ts'

export interface Account {
  method: string
  /** Request-URI. */
  uri: string
  username: string
  password: string
}

/** The header with which a phone answers a challenge, by SHA-256 (RFC 7616 3.4, RFC 8760). */
export function authorization(challenge: WireMessage, { method, uri, username, password }: Account): [string, string] {
  const isProxy = challenge.status === 407
  const offered = challenge.headers(isProxy ? 'Proxy-Authenticate' : 'WWW-Authenticate')
  const line = offered.find((value) => value.includes('SHA-256'))!
  const realm = /realm="([^"]*)"/.exec(line)![1]!
  const nonce = /nonce="([^"]*)"/.exec(line)![1]!
  const ha1 = sha256(`${username}:${realm}:${password}`)
  const response = sha256(`${ha1}:${nonce}:00000001:cn:auth:${sha256(`${method}:${uri}`)}`)
  const value = `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="cn", response="${response}"`
  return [isProxy ? 'Proxy-Authorization' : 'Authorization', value]
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
