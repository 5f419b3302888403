import type { Latin1Buffer } from '../sip/latin1-buffer.ts'

/** Octets of a chunk: several times the longest datagram. */
const CHUNK = 262_144
/** Octets before a text, for its length. */
const PREFIX = 4

interface Chunk {
  octets: Buffer & Latin1Buffer
  /** When its last text may be forgotten. */
  endsAt: number
}

/**
 * Latin1 texts outside the heap, forgotten in the order in which they came. A garbage collector copies what is kept for half a minute twice
 * before it lets it be; here it sees one buffer for some hundred texts.
 */
export class TextQueue {
  readonly #chunks: Chunk[] = []
  /** How many chunks have gone. */
  #gone = 0
  /** Octets that are taken of the last one. */
  #taken = CHUNK

  /**
   * @param endsAt not before that of the texts that are there
   * @returns where it is; `undefined` when it is longer than any datagram
   */
  push(text: string, endsAt: number): number | undefined {
    const octets = PREFIX + text.length
    if (octets > CHUNK) return undefined
    if (this.#taken + octets > CHUNK) {
      this.#chunks.push({ octets: Buffer.allocUnsafeSlow(CHUNK) as Chunk['octets'], endsAt })
      this.#taken = 0
    }
    const last = this.#chunks.length - 1
    const chunk = this.#chunks[last]!
    const offset = this.#taken
    chunk.octets.writeUInt32LE(text.length, offset)
    chunk.octets.latin1Write(text, offset + PREFIX)
    chunk.endsAt = endsAt
    this.#taken += octets
    return (this.#gone + last) * CHUNK + offset
  }

  /** @param at what `push` has returned, before the end of that text */
  read(at: number): string {
    const { octets } = this.#chunks[Math.floor(at / CHUNK) - this.#gone]!
    const start = (at % CHUNK) + PREFIX
    return octets.latin1Slice(start, start + octets.readUInt32LE(start - PREFIX))
  }

  /** Gives back the chunks in which every text has ended. */
  expire(now: number): void {
    let gone = 0
    while (gone < this.#chunks.length && this.#chunks[gone]!.endsAt <= now) gone++
    if (gone === 0) return
    this.#chunks.splice(0, gone)
    this.#gone += gone
    if (this.#chunks.length === 0) this.#taken = CHUNK
  }
}
