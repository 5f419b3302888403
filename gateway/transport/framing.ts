import { contentLength } from './content-length.ts'
import { asBuffer, textOf } from './octets.ts'

export interface FramingLimits {
  /** Octets of a start line and its headers, the empty line included. */
  maxHeaderBytes: number
  maxBodyBytes: number
}

export type Frame =
  /** One whole message, latin1. */
  | { kind: 'message'; text: string }
  /** A double CRLF, to be answered with a single one (RFC 5626 3.5.1); at most one per received chunk. */
  | { kind: 'keep-alive' }
  /** Framing is lost and nothing more is read. `text` is the header block as far as it was read, '' when none of it makes a line. */
  | { kind: 'broken'; text: string; status: 400 | 513; reason: string }

const CR = 0x0d
const LF = 0x0a
const NOTHING = Buffer.alloc(0)
const KEEP_ALIVE: Frame = { kind: 'keep-alive' }

/**
 * Cuts a stream of octets into messages by Content-Length (RFC 3261 7.5, 18.3).
 * `push` a chunk, then call `next` until it returns undefined: only then may the chunk's memory be used again.
 * Every octet is searched once and copied at most a few times, however slowly it drips; memory is bounded by the limits.
 */
export class StreamFramer {
  readonly #limits: FramingLimits
  /** The chunk of this turn, or our own growing storage when a message came in pieces. */
  #octets: Buffer = NOTHING
  #owned = false
  #start = 0
  #end = 0
  /** Where the search for the end of the headers goes on. */
  #searched = 0
  /** Octets of the message in hand once its headers are read, else 0. */
  #total = 0
  /** How much of a double CRLF was seen, 0 to 3. */
  #lineEnds = 0
  #ponged = false
  #broken = false

  constructor(limits: FramingLimits) {
    this.#limits = limits
  }

  /** A message was begun and is not complete. */
  get partial(): boolean {
    return this.#end > this.#start
  }

  push(chunk: Uint8Array): void {
    if (this.#broken) return
    this.#ponged = false
    if (this.partial) this.#append(chunk)
    else this.#take(asBuffer(chunk))
  }

  next(): Frame | undefined {
    if (this.#broken) return undefined
    if (this.#total === 0) {
      if (this.#skipLineEnds()) return KEEP_ALIVE
      const broken = this.#readHeaders()
      if (broken) return broken
    }
    if (this.#total === 0 || this.#end - this.#start < this.#total) return this.#keepRest()
    return this.#takeMessage()
  }

  #take(chunk: Buffer): void {
    this.#octets = chunk
    this.#owned = false
    this.#start = 0
    this.#searched = 0
    this.#end = chunk.length
  }

  #append(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#octets.length) this.#move(2 * (this.#end - this.#start) + chunk.length)
    this.#octets.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Moves what is unread to the front of storage of our own. */
  #move(capacity: number): void {
    const storage = Buffer.allocUnsafe(capacity)
    this.#octets.copy(storage, 0, this.#start, this.#end)
    this.#octets = storage
    this.#owned = true
    this.#end -= this.#start
    this.#searched = Math.max(0, this.#searched - this.#start)
    this.#start = 0
  }

  /** The chunk's memory is not ours after this turn, and a large storage is not kept for a small rest. */
  #keepRest(): undefined {
    if (!this.partial) this.#take(NOTHING)
    else if (!this.#owned || this.#start > 0) this.#move(2 * (this.#end - this.#start))
    return undefined
  }

  /** Skips line ends between messages; true once per chunk when a double CRLF was among them. */
  #skipLineEnds(): boolean {
    let pairs = 0
    for (; this.#start < this.#end; this.#start++) {
      const octet = this.#octets[this.#start]
      if (octet !== CR && octet !== LF) break
      const expected = this.#lineEnds % 2 === 0 ? CR : LF
      this.#lineEnds = octet === expected ? this.#lineEnds + 1 : Number(octet === CR)
      if (this.#lineEnds === 4) {
        this.#lineEnds = 0
        pairs++
      }
    }
    if (this.partial) this.#lineEnds = 0
    if (pairs === 0 || this.#ponged) return false
    this.#ponged = true
    return true
  }

  #readHeaders(): Frame | undefined {
    if (!this.partial) return undefined
    const end = this.#headersEnd()
    if (end < 0) return this.#end - this.#start > this.#limits.maxHeaderBytes ? this.#tooLargeHeaders() : undefined
    if (end - this.#start > this.#limits.maxHeaderBytes) return this.#tooLargeHeaders()
    const block = textOf(this.#octets, this.#start, end)
    const length = contentLength(block)
    if (typeof length === 'string') return this.#break(block, 400, length)
    if (length > this.#limits.maxBodyBytes) return this.#break(block, 513, 'Message Too Large')
    this.#total = end - this.#start + length
    return undefined
  }

  /** Where the body begins; -1 while the empty line has not come. */
  #headersEnd(): number {
    const from = Math.max(this.#start, this.#searched - 3)
    const found = this.#octets.subarray(from, this.#end).indexOf('\r\n\r\n', 0, 'latin1')
    this.#searched = this.#end
    return found < 0 ? -1 : from + found + 4
  }

  #takeMessage(): Frame {
    const end = this.#start + this.#total
    const text = textOf(this.#octets, this.#start, end)
    this.#start = end
    this.#searched = end
    this.#total = 0
    return { kind: 'message', text }
  }

  /** Answers what was read up to the limit, cut at a line's end so that it reads as a header block. */
  #tooLargeHeaders(): Frame {
    const read = textOf(this.#octets, this.#start, this.#start + this.#limits.maxHeaderBytes)
    const cut = read.lastIndexOf('\r\n')
    return this.#break(cut > 0 ? `${read.slice(0, cut)}\r\n\r\n` : '', 513, 'Message Too Large')
  }

  #break(text: string, status: 400 | 513, reason: string): Frame {
    this.#broken = true
    this.#take(NOTHING)
    return { kind: 'broken', text, status, reason }
  }
}
