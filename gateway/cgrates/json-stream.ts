/** Octets of one message at most, and how deep it may nest. */
export const MAX_MESSAGE_OCTETS = 1_048_576
const MAX_DEPTH = 64

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** What the other side has sent is no sequence of JSON objects: nothing after it can be told apart. */
export class StreamFault extends Error {}

/** Cuts a stream of JSON objects, which stand one after the other with nothing or blanks between, into messages. */
export class JsonStream {
  #parts: Buffer[] = []
  #octets = 0
  #depth = 0
  #isText = false
  #isEscaped = false

  /**
   * @returns the objects that are complete now, in order
   * @throws StreamFault; the stream is of no use any more
   */
  push(chunk: Buffer): unknown[] {
    const messages: unknown[] = []
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      if (this.#depth === 0) {
        if (isBlank(chunk[at]!)) {
          from = at + 1
          continue
        }
        if (chunk[at] !== OPEN_BRACE) throw new StreamFault('expected a JSON object')
        from = at
      }
      if (!this.#endsAt(chunk[at]!)) continue
      messages.push(this.#complete(chunk.subarray(from, at + 1)))
      from = at + 1
    }
    this.#keep(chunk.subarray(from))
    return messages
  }

  /** Takes one octet into account. @returns whether an object ends with it */
  #endsAt(octet: number): boolean {
    if (this.#isText) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (octet === BACKSLASH) this.#isEscaped = true
      else if (octet === QUOTE) this.#isText = false
      return false
    }
    if (octet === QUOTE) this.#isText = true
    else if (octet === OPEN_BRACE || octet === OPEN_BRACKET) {
      if (++this.#depth > MAX_DEPTH) throw new StreamFault('a message nests too deeply')
    } else if (octet === CLOSE_BRACE || octet === CLOSE_BRACKET) return --this.#depth === 0
    return false
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#octets += part.length
    if (this.#octets > MAX_MESSAGE_OCTETS) throw new StreamFault('a message is too long')
    this.#parts.push(part)
  }

  #complete(last: Buffer): unknown {
    this.#keep(last)
    const text = Buffer.concat(this.#parts).toString('utf8')
    this.#parts = []
    this.#octets = 0
    try {
      return JSON.parse(text)
    } catch {
      throw new StreamFault('a message is not JSON')
    }
  }
}

function isBlank(octet: number): boolean {
  return octet === 0x20 || octet === 0x0a || octet === 0x0d || octet === 0x09
}
