/** What the ng protocol is written in. Texts are octets as latin1. */
export type Bencoded = string | number | Bencoded[] | { [key: string]: Bencoded }
export type Dictionary = { [key: string]: Bencoded }

/** Far more than any answer of an rtpengine has, and little enough to be read at once. */
const MAX_DEPTH = 16
const MAX_VALUES = 10_000
const MAX_DIGITS = 15

/** Keys in the order they have; whole numbers only. */
export function bencode(value: Bencoded): string {
  if (typeof value === 'string') return `${value.length}:${value}`
  if (typeof value === 'number') return `i${value}e`
  if (Array.isArray(value)) return `l${value.map(bencode).join('')}e`
  const pairs = Object.entries(value).map(([key, each]) => bencode(key) + bencode(each))
  return `d${pairs.join('')}e`
}

/** @returns undefined for anything but one dictionary, whole and with nothing after it */
export function readDictionary(text: string): Dictionary | undefined {
  const reader = new BencodeReader(text)
  const value = reader.value(0)
  if (value === undefined || reader.at !== text.length) return undefined
  return typeof value === 'object' && !Array.isArray(value) ? value : undefined
}

class BencodeReader {
  at = 0
  readonly #text: string
  #values = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): Bencoded | undefined {
    if (depth > MAX_DEPTH || ++this.#values > MAX_VALUES) return undefined
    const first = this.#text[this.at]
    if (first === 'i') return this.#integer()
    if (first === 'l') return this.#list(depth)
    if (first === 'd') return this.#dictionary(depth)
    return this.#string()
  }

  #integer(): number | undefined {
    this.at++
    return this.#number('e')
  }

  #string(): string | undefined {
    const length = this.#number(':')
    if (length === undefined || length < 0 || this.at + length > this.#text.length) return undefined
    this.at += length
    return this.#text.slice(this.at - length, this.at)
  }

  /** Up to and with `end`. */
  #number(end: string): number | undefined {
    const until = this.#text.indexOf(end, this.at)
    if (until < 0 || until - this.at > MAX_DIGITS) return undefined
    const digits = this.#text.slice(this.at, until)
    this.at = until + 1
    return /^-?\d+$/.test(digits) ? Number(digits) : undefined
  }

  #list(depth: number): Bencoded[] | undefined {
    const list: Bencoded[] = []
    this.at++
    while (this.#text[this.at] !== 'e') {
      const value = this.value(depth + 1)
      if (value === undefined) return undefined
      list.push(value)
    }
    this.at++
    return list
  }

  #dictionary(depth: number): Dictionary | undefined {
    const pairs: [string, Bencoded][] = []
    this.at++
    while (this.#text[this.at] !== 'e') {
      const key = this.#string()
      const value = key === undefined ? undefined : this.value(depth + 1)
      if (value === undefined) return undefined
      pairs.push([key!, value])
    }
    this.at++
    return Object.fromEntries(pairs)
  }
}
