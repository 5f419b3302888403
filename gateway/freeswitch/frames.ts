/** One message of the event socket: its headers, and a body as long as they say. */
export interface Frame {
  headers: Headers
  body: string
}

/** By name in lower case; the first of each counts. */
export type Headers = ReadonlyMap<string, string>

/** Octets of the headers of one message, and of its body, at most: an event of a long call has some 40 kB. */
const MAX_HEAD_BYTES = 65_536
const MAX_BODY_BYTES = 4 * 1024 * 1024
/** Headers of one message, or event, at most; what is beyond is not read. */
const MAX_HEADERS = 4096
const LINE_END = 0x0a
const END_OF_HEAD = '\n\n'

/** Cuts what comes over the event socket into messages, however it comes. */
export class FrameReader {
  readonly #gathered = new Gathered()
  /** Where the search for the end of the headers goes on. */
  #searched = 0
  /** Headers that were read, whose body has not come yet. */
  #head: { headers: Headers; length: number } | undefined

  /** What is complete with this chunk. After a fault, what cannot be a message, the connection is of no use any more. */
  push(chunk: Uint8Array): { frames: Frame[]; fault: string | undefined } {
    this.#gathered.add(chunk)
    const frames: Frame[] = []
    let next = this.#next()
    for (; typeof next === 'object'; next = this.#next()) frames.push(next)
    return { frames, fault: next }
  }

  #next(): Frame | string | undefined {
    const head = this.#head ?? this.#readHead()
    if (typeof head === 'string') return head
    this.#head = head
    if (!head || this.#gathered.octets.length < head.length) return undefined
    this.#head = undefined
    return { headers: head.headers, body: this.#gathered.take(head.length) }
  }

  #readHead(): { headers: Headers; length: number } | string | undefined {
    this.#skipLineEnds()
    const { octets } = this.#gathered
    const end = octets.indexOf(END_OF_HEAD, Math.max(0, this.#searched - 1), 'latin1')
    if ((end < 0 ? octets.length : end) > MAX_HEAD_BYTES) return 'a message with endless headers'
    this.#searched = end < 0 ? octets.length : 0
    if (end < 0) return undefined
    const headers = readHeaders(this.#gathered.take(end + END_OF_HEAD.length))
    const text = headers.get('content-length') ?? '0'
    const length = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    return length <= MAX_BODY_BYTES ? { headers, length } : `a message of ${text.slice(0, 20)} octets`
  }

  /** Some answers end with an empty line more. */
  #skipLineEnds(): void {
    if (this.#searched > 0) return
    const { octets } = this.#gathered
    let count = 0
    while (octets[count] === LINE_END) count++
    if (count > 0) this.#gathered.take(count)
  }
}

/** Octets that have come and are not used: each is copied a few times at most, in whatever pieces they come. */
class Gathered {
  #store: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0

  get octets(): Buffer {
    return this.#store.subarray(this.#start, this.#end)
  }

  add(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#store.length) this.#makeRoom(chunk.length)
    this.#store.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** The first ones, as text. */
  take(length: number): string {
    const text = this.#store.toString('utf8', this.#start, this.#start + length)
    this.#start += length
    // A large message leaves no large buffer behind.
    if (this.#start === this.#end) {
      this.#start = 0
      this.#end = 0
      if (this.#store.length > MAX_HEAD_BYTES) this.#store = Buffer.alloc(0)
    }
    return text
  }

  #makeRoom(length: number): void {
    const kept = this.octets
    const store = Buffer.allocUnsafeSlow(Math.max(4096, 2 * (kept.length + length)))
    kept.copy(store)
    this.#store = store
    this.#end = kept.length
    this.#start = 0
  }
}

/** `Name: value`, a line each. */
export function readHeaders(text: string): Headers {
  const headers = new Map<string, string>()
  for (let at = 0, count = 0; at < text.length && count < MAX_HEADERS; count++) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    const line = text.slice(at, end)
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    if (colon > 0 && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim())
    at = end + 1
  }
  return headers
}
