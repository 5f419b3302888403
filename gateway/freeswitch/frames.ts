/** One message of the event socket: its headers, and a body as long as they say. */
export interface Frame {
  /** Names as they are written; the first of each counts. */
  headers: ReadonlyMap<string, string>
  body: string
}

/** Octets of the headers of one message, and of its body, at most: an event of a long call has some 40 kB. */
const MAX_HEAD_BYTES = 65_536
const MAX_BODY_BYTES = 4 * 1024 * 1024
const END_OF_HEAD = '\n\n'

/** Cuts what comes over the event socket into messages, however it comes. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)
  /** Where the search for the end of the headers goes on. */
  #searched = 0
  /** Headers that were read, whose body has not come yet. */
  #head: { headers: Map<string, string>; length: number } | undefined

  /**
   * What is complete with this chunk.
   * @throws when it cannot be a message: the connection is of no use any more
   */
  push(chunk: Uint8Array): Frame[] {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame)
    return frames
  }

  #next(): Frame | undefined {
    this.#head ??= this.#readHead()
    const head = this.#head
    if (!head || this.#rest.length < head.length) return undefined
    const body = this.#rest.toString('utf8', 0, head.length)
    this.#rest = this.#rest.subarray(head.length)
    this.#head = undefined
    return { headers: head.headers, body }
  }

  #readHead() {
    // Between messages there may be line ends.
    let start = 0
    while (this.#rest[start] === 0x0a) start++
    if (start > 0) this.#rest = this.#rest.subarray(start)
    const end = this.#rest.indexOf(END_OF_HEAD, Math.max(0, this.#searched - start - 1), 'latin1')
    if (end < 0 ? this.#rest.length > MAX_HEAD_BYTES : end > MAX_HEAD_BYTES)
      throw new Error('a message with endless headers')
    if (end < 0) {
      this.#searched = this.#rest.length
      return undefined
    }
    const headers = readHeaders(this.#rest.toString('utf8', 0, end))
    this.#rest = this.#rest.subarray(end + END_OF_HEAD.length)
    this.#searched = 0
    return { headers, length: lengthIn(headers) }
  }
}

/** `Name: value`, a line each. */
export function readHeaders(text: string): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon)
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim())
  }
  return headers
}

function lengthIn(headers: ReadonlyMap<string, string>): number {
  const text = headers.get('Content-Length') ?? '0'
  const length = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(length <= MAX_BODY_BYTES)) throw new Error(`a message of ${text.slice(0, 20)} octets`)
  return length
}
