/** Packets that are to go out, in order, up to so many octets: what is too much pushes the oldest ones out. */
export class Backlog {
  readonly #maxBytes: number
  #packets: Buffer[] = []
  /** Those before it are gone. */
  #first = 0
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#packets.length - this.#first
  }

  /** @returns how many had to go for it */
  push(packet: Buffer): number {
    this.#packets.push(packet)
    this.#bytes += packet.length
    let dropped = 0
    while (this.#bytes > this.#maxBytes && this.length > 1) {
      this.#bytes -= this.#packets[this.#first++]!.length
      dropped++
    }
    if (this.#first > this.#packets.length >> 1) this.#forget()
    return dropped
  }

  /** The oldest ones, at least one and no more than so many octets; `[]` when there are none. */
  take(maxBytes: number): Buffer[] {
    let bytes = 0
    let end = this.#first
    while (end < this.#packets.length && (end === this.#first || bytes + this.#packets[end]!.length <= maxBytes))
      bytes += this.#packets[end++]!.length
    const taken = this.#packets.slice(this.#first, end)
    this.#first = end
    this.#bytes -= bytes
    this.#forget()
    return taken
  }

  #forget(): void {
    this.#packets = this.#packets.slice(this.#first)
    this.#first = 0
  }
}
