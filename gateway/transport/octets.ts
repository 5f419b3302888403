import type { Latin1Buffer } from '../sip/latin1-buffer.ts'

/** Latin1 text of octets: one character per octet, so nothing is lost either way. */
export function textOf(octets: Uint8Array, start = 0, end = octets.length): string {
  return (asBuffer(octets) as unknown as Latin1Buffer).latin1Slice(start, end)
}

/** The octets of latin1 text. */
export function octetsOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** The same memory seen as a Buffer. */
export function asBuffer(octets: Uint8Array): Buffer {
  return Buffer.isBuffer(octets) ? octets : Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
}
