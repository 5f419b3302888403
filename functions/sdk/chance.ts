/**
 * Chance that a replay meets again: the same seed gives the same draws. Two different seeds have nothing in common; whoever knows the
 * seed knows the draws.
 */
export class Chance {
  readonly #state: Uint32Array

  constructor(seed: string) {
    this.#state = spread(seed)
  }

  /** From 0 up to but not including 1, with 53 random bits as `Math.random` has. */
  next(): number {
    return ((this.#draw() >>> 5) * 0x400_0000 + (this.#draw() >>> 6)) / 0x20_0000_0000_0000
  }

  /** In the form of a version 4 UUID (RFC 9562 5.4). */
  uuid(): string {
    const words = [this.#draw(), this.#draw(), this.#draw(), this.#draw()]
    words[1] = (words[1]! & 0xffff_0fff) | 0x4000
    words[2] = (words[2]! & 0x3fff_ffff) | 0x8000_0000
    const hex = words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }

  /** 32 bits of sfc32. */
  #draw(): number {
    const state = this.#state
    const [a, b, c, count] = state as unknown as [number, number, number, number]
    const drawn = (a + b + count) >>> 0
    state[3] = count + 1
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + drawn
    return drawn
  }
}

/** 128 bits of a text, after which sfc32 has forgotten how they began. */
function spread(text: string): Uint32Array {
  const words = new Uint32Array([0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x1])
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    for (let word = 0; word < 4; word++) {
      const mixed = Math.imul(words[word]! ^ code, 0x5bd1e995 + 2 * word) ^ words[(word + 1) % 4]!
      words[word] = mixed ^ (mixed >>> 15)
    }
  }
  return words
}
