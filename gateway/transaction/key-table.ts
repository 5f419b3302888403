/** Places of the ring at first, a power of two. */
const SMALLEST = 1024
/** Numbers of a slot: both halves of the fingerprint, and the place in the ring, from 1; 0 is a free slot. */
const SLOT = 3
const [SEED_A, SEED_B] = crypto.getRandomValues(new Int32Array(2)) as unknown as [number, number]

/**
 * A map by string whose entries leave in the order in which they came. A key is kept as its fingerprint of 64 bits, seeded anew in each
 * process: two keys of a million that are held are taken for one once in 10^13 look-ups, and nobody can make such a pair. The table is
 * typed arrays (open addressing, half full at most), so that a garbage collector sees three arrays instead of a million strings.
 */
export class KeyTable<Value> {
  /** What came, in order, from `#first` to before `#end`, by position modulo the capacity. */
  #capacity = SMALLEST
  #prints = new Int32Array(SMALLEST * 2)
  #ends = new Float64Array(SMALLEST)
  #notes = new Float64Array(SMALLEST)
  #values: (Value | undefined)[] = new Array(SMALLEST)
  #first = 0
  #end = 0
  #slots = new Int32Array(SMALLEST * 2 * SLOT)
  #size = 0
  /** The fingerprint of the key that was asked for last. */
  #a = 0
  #b = 0

  get size(): number {
    return this.#size
  }

  /** @returns its place, good until something changes the table; -1 when it is not there */
  find(key: string): number {
    this.#take(key)
    const slot = this.#slotOf()
    return slot < 0 ? -1 : this.#slots[slot + 2]! - 1
  }

  valueAt(place: number): Value | undefined {
    return this.#values[place]
  }

  noteAt(place: number): number {
    return this.#notes[place]!
  }

  /**
   * @param note any number
   * @param endsAt not before that of the entries that are there
   */
  add(key: string, value: Value | undefined, note: number, endsAt: number): void {
    if (this.#end - this.#first === this.#capacity) this.#resize(this.#capacity * 2)
    this.#take(key)
    const place = this.#end++ & (this.#capacity - 1)
    this.#prints[place * 2] = this.#a
    this.#prints[place * 2 + 1] = this.#b
    this.#ends[place] = endsAt
    this.#notes[place] = note
    this.#values[place] = value
    const known = this.#slotOf()
    if (known < 0) this.#size++
    else this.#values[this.#slots[known + 2]! - 1] = undefined
    this.#put(known < 0 ? ~known : known, place)
  }

  delete(key: string): void {
    this.#take(key)
    const slot = this.#slotOf()
    if (slot >= 0) this.#remove(slot)
  }

  /** Forgets what has ended. @returns the next end, `Infinity` when nothing is left */
  expire(now: number): number {
    const mask = this.#capacity - 1
    for (; this.#first < this.#end; this.#first++) {
      const place = this.#first & mask
      if (this.#ends[place]! > now) break
      this.#leave(place)
    }
    const left = this.#end - this.#first
    if (this.#capacity > SMALLEST && left < this.#capacity / 8) this.#resize(this.#capacity / 4)
    return left === 0 ? Number.POSITIVE_INFINITY : this.#ends[this.#first & (this.#capacity - 1)]!
  }

  /** The key may have gone before, or have come again since. */
  #leave(place: number): void {
    this.#a = this.#prints[place * 2]!
    this.#b = this.#prints[place * 2 + 1]!
    const slot = this.#slotOf()
    if (slot >= 0 && this.#slots[slot + 2] === place + 1) this.#remove(slot)
  }

  /** Two multiplicative hashes, of which one turns, so that what meets in one does not meet in the other. */
  #take(key: string): void {
    let a = SEED_A
    let b = SEED_B
    for (let index = 0; index < key.length; index++) {
      const code = key.charCodeAt(index)
      a = Math.imul(a ^ code, 0x01000193)
      b = Math.imul(((b << 7) | (b >>> 25)) ^ code, 0x2c1b3c6d)
    }
    a = Math.imul(a ^ (a >>> 15) ^ b, 0x297a2d39)
    this.#a = a ^ (a >>> 16)
    this.#b = b ^ (b >>> 15)
  }

  /** @returns the slot that has the fingerprint taken last, or else `~` of the free one where it would go */
  #slotOf(): number {
    const slots = this.#slots
    const mask = this.#capacity * 2 - 1
    for (let index = this.#a & mask; ; index = (index + 1) & mask) {
      const slot = index * SLOT
      if (slots[slot + 2] === 0) return ~slot
      if (slots[slot] === this.#a && slots[slot + 1] === this.#b) return slot
    }
  }

  #put(slot: number, place: number): void {
    this.#slots[slot] = this.#a
    this.#slots[slot + 1] = this.#b
    this.#slots[slot + 2] = place + 1
  }

  /** What stands behind a removed slot moves up, where that brings it closer to where it belongs. */
  #remove(slot: number): void {
    const slots = this.#slots
    const mask = this.#capacity * 2 - 1
    this.#values[slots[slot + 2]! - 1] = undefined
    this.#size--
    let hole = slot / SLOT
    for (let index = (hole + 1) & mask; slots[index * SLOT + 2] !== 0; index = (index + 1) & mask) {
      const home = slots[index * SLOT]! & mask
      if (((index - home) & mask) < ((index - hole) & mask)) continue
      slots.copyWithin(hole * SLOT, index * SLOT, index * SLOT + SLOT)
      hole = index
    }
    slots[hole * SLOT + 2] = 0
  }

  #resize(capacity: number): void {
    const [prints, ends, notes, values, slots] = [this.#prints, this.#ends, this.#notes, this.#values, this.#slots]
    const [old, end] = [this.#capacity, this.#end]
    this.#capacity = capacity
    this.#prints = new Int32Array(capacity * 2)
    this.#ends = new Float64Array(capacity)
    this.#notes = new Float64Array(capacity)
    this.#values = new Array(capacity)
    this.#slots = new Int32Array(capacity * 2 * SLOT)
    const moved = new Int32Array(old)
    this.#end = 0
    for (let position = this.#first; position < end; position++) {
      const from = position & (old - 1)
      const to = this.#end++
      this.#prints[to * 2] = prints[from * 2]!
      this.#prints[to * 2 + 1] = prints[from * 2 + 1]!
      this.#ends[to] = ends[from]!
      this.#notes[to] = notes[from]!
      this.#values[to] = values[from]
      moved[from] = to
    }
    this.#first = 0
    for (let slot = 0; slot < slots.length; slot += SLOT) {
      if (slots[slot + 2] === 0) continue
      this.#a = slots[slot]!
      this.#b = slots[slot + 1]!
      this.#put(~this.#slotOf(), moved[slots[slot + 2]! - 1]!)
    }
  }
}
