/** RESP2, the protocol of Redis, as values: commands to octets, octets to replies. */

/** One word of a command; a string is sent as UTF-8. */
export type Word = string | Uint8Array
export type Command = readonly Word[]

/** `+OK`: a simple string, of which Redis says itself that it is no data. */
export interface Status {
  readonly status: string
}

/** `-ERR …`: what Redis answers to a command it refuses. */
export interface Refusal {
  readonly error: string
}

/** What Redis answers. Integers beyond 2^53 lose their last digits; `null` is a nil string or a nil array. */
export type Reply = null | number | Buffer | Status | Refusal | Reply[]

export interface ReplyLimits {
  /** Most octets of one reply with everything in it; default 64 MiB. */
  octets?: number
  /** Most arrays within arrays; default 128. */
  depth?: number
}

/** The other side does not speak RESP2, or says more than may be said: the connection cannot be used any longer. */
export class RespError extends Error {}

const CRLF = Buffer.from('\r\n')
/** Octets of a status, an error or a number. */
const LINE_LIMIT = 65_536

export function encodeCommand(command: Command): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${command.length}\r\n`)]
  for (const word of command) {
    const octets = typeof word === 'string' ? Buffer.from(word) : word
    parts.push(Buffer.from(`$${octets.length}\r\n`), octets, CRLF)
  }
  return Buffer.concat(parts)
}

/** Cuts a stream into replies, wherever its chunks begin and end. */
export class ReplyDecoder {
  readonly #limits: Required<ReplyLimits>
  #chunks: Buffer[] = []
  #waiting = 0
  /** Octets that have to be there before it is worth looking again. */
  #needed = 1
  /** Arrays that are not full yet, the innermost last. */
  #open: { items: Reply[]; length: number }[] = []
  /** Octets of the reply that is being read. */
  #size = 0

  constructor({ octets = 64 * 1024 * 1024, depth = 128 }: ReplyLimits = {}) {
    this.#limits = { octets, depth }
  }

  /** @returns the replies this chunk completes; throws a RespError, after which nothing more can be read */
  push(chunk: Buffer): Reply[] {
    this.#chunks.push(chunk)
    this.#waiting += chunk.length
    if (this.#waiting < this.#needed) return []
    const data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const replies: Reply[] = []
    let at = 0
    let token = readToken(data, at)
    while (token.kind !== 'incomplete') {
      this.#grow(token.end - at)
      at = token.end
      const reply = this.#take(token)
      if (reply !== undefined) replies.push(reply)
      token = readToken(data, at)
    }
    this.#keep(data.subarray(at), token.needed)
    return replies
  }

  #keep(rest: Buffer, needed: number): void {
    if (this.#size + needed > this.#limits.octets) throw tooLarge(this.#limits.octets)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#waiting = rest.length
    this.#needed = needed
  }

  #grow(octets: number): void {
    this.#size += octets
    if (this.#size > this.#limits.octets) throw tooLarge(this.#limits.octets)
  }

  /** @returns the whole reply, when this token was its last */
  #take(token: Value | Opening): Reply | undefined {
    if (token.kind === 'array' && token.length > 0) {
      if (this.#open.length === this.#limits.depth)
        throw new RespError(`a reply has more than ${this.#limits.depth} arrays within arrays`)
      this.#open.push({ items: [], length: token.length })
      return undefined
    }
    let reply: Reply = token.kind === 'array' ? [] : token.value
    for (let outer = this.#open.at(-1); outer; outer = this.#open.at(-1)) {
      outer.items.push(reply)
      if (outer.items.length < outer.length) return undefined
      reply = outer.items
      this.#open.pop()
    }
    this.#size = 0
    return reply
  }
}

interface Value {
  kind: 'value'
  value: Exclude<Reply, Reply[]>
  end: number
}
/** The head of an array: so many replies follow. */
interface Opening {
  kind: 'array'
  length: number
  end: number
}
/** `needed`: octets from here on that have to be there at least. */
interface Incomplete {
  kind: 'incomplete'
  needed: number
}

function readToken(data: Buffer, at: number): Value | Opening | Incomplete {
  const lineEnd = data.indexOf(CRLF, at)
  if (lineEnd - at > LINE_LIMIT || (lineEnd < 0 && data.length - at > LINE_LIMIT))
    throw new RespError(`a line of a reply has more than ${LINE_LIMIT} octets`)
  if (lineEnd < 0) return { kind: 'incomplete', needed: data.length - at + 1 }
  const text = data.toString('utf8', at + 1, lineEnd)
  const end = lineEnd + CRLF.length
  switch (data[at]) {
    case 0x2b: // +
      return { kind: 'value', value: { status: text }, end }
    case 0x2d: // -
      return { kind: 'value', value: { error: text }, end }
    case 0x3a: // :
      return { kind: 'value', value: integer(text), end }
    case 0x24: // $
      return readString(data, at, end, integer(text))
    case 0x2a: // *
      return readHead(end, integer(text))
    default:
      throw new RespError(`a reply begins with ${JSON.stringify(data.toString('latin1', at, at + 1))}, not with RESP2`)
  }
}

function readString(data: Buffer, at: number, start: number, length: number): Value | Incomplete {
  if (length === -1) return { kind: 'value', value: null, end: start }
  if (length < 0) throw new RespError(`a string of ${length} octets`)
  const end = start + length + CRLF.length
  if (end > data.length) return { kind: 'incomplete', needed: end - at }
  if (!data.subarray(start + length, end).equals(CRLF)) throw new RespError('a string is longer than it says')
  return { kind: 'value', value: data.subarray(start, start + length), end }
}

function readHead(end: number, length: number): Value | Opening {
  if (length === -1) return { kind: 'value', value: null, end }
  if (length < 0) throw new RespError(`an array of ${length} replies`)
  return { kind: 'array', length, end }
}

function integer(text: string): number {
  if (!/^[+-]?\d{1,20}$/.test(text)) throw new RespError(`expected a number, got ${JSON.stringify(text.slice(0, 40))}`)
  return Number(text)
}

function tooLarge(limit: number): RespError {
  return new RespError(`a reply has more than ${limit} octets`)
}
