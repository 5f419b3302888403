import type { Latin1Buffer } from './latin1-buffer.ts'

const SCRATCH_OCTETS = 4096
const scratch = Buffer.allocUnsafe(SCRATCH_OCTETS) as unknown as Latin1Buffer

/**
 * The same latin1 text as a string of its own, for what is kept. A slice keeps alive the whole message it was cut from, and a joined string
 * the messages of all its parts: a key of 60 octets would weigh some kilobytes.
 */
export function ownText(text: string): string {
  if (text.length > SCRATCH_OCTETS) return Buffer.from(text, 'latin1').toString('latin1')
  return scratch.latin1Slice(0, scratch.latin1Write(text, 0))
}
