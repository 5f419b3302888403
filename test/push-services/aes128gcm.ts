import { createDecipheriv, type ECDH, hkdfSync } from 'node:crypto'

/** Message encryption for Web Push (RFC 8291) over the content coding aes128gcm (RFC 8188), the receiver's half. */

export interface Receiver {
  /** the user agent's key pair on P-256 */
  keys: ECDH
  /** the authentication secret, 16 bytes */
  auth: Buffer
}

const SALT_BYTES = 16
const TAG_BYTES = 16
const KEY_ID_BYTES = 65

/** @throws Error that names the rule of RFC 8188 or 8291 that the body breaks */
export function decrypt(body: Buffer, { keys, auth }: Receiver): Buffer {
  const headerBytes = SALT_BYTES + 4 + 1 + KEY_ID_BYTES
  if (body.length < headerBytes + TAG_BYTES + 1) throw new Error('RFC 8188 2.1: the body is shorter than its header')
  const salt = body.subarray(0, SALT_BYTES)
  const recordSize = body.readUInt32BE(SALT_BYTES)
  if (body[SALT_BYTES + 4] !== KEY_ID_BYTES) throw new Error('RFC 8291 4: keyid is the sender’s public key, 65 bytes')
  const sender = body.subarray(SALT_BYTES + 5, headerBytes)
  const record = body.subarray(headerBytes)
  if (recordSize < 18) throw new Error('RFC 8188 2.1: a record size below 18')
  if (record.length > recordSize) throw new Error('RFC 8291 4: more than one record')

  const secret = keys.computeSecret(sender)
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), keys.getPublicKey(), sender])
  const ikm = derive(secret, auth, info, 32)
  const key = derive(ikm, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16)
  const nonce = derive(ikm, salt, Buffer.from('Content-Encoding: nonce\0'), 12)

  const decipher = createDecipheriv('aes-128-gcm', key, nonce)
  decipher.setAuthTag(record.subarray(-TAG_BYTES))
  const padded = Buffer.concat([decipher.update(record.subarray(0, -TAG_BYTES)), decipher.final()])
  const end = padded.findLastIndex((byte) => byte !== 0)
  // The last record ends its text with 2, then zeros.
  if (padded[end] !== 2) throw new Error('RFC 8188 2: the last record has no delimiter 2')
  return padded.subarray(0, end)
}

function derive(input: Buffer, salt: Buffer, info: Buffer, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', input, salt, info, bytes))
}
