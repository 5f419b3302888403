import type { Latin1Buffer } from '../sip/latin1-buffer.ts'
import { octetsOf } from './octets.ts'

/** Memory that each message is written into in its turn, since most are sent before the next one comes. */
export class SendBuffer {
  readonly #bytes: number
  #memory: Buffer | undefined = undefined

  /** @param bytes of the memory; longer messages get their own */
  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** The octets of latin1 text, until the next call; after `leave` for as long as anybody holds them. */
  octetsOf(text: string): Buffer {
    if (text.length > this.#bytes) return octetsOf(text)
    this.#memory ??= Buffer.allocUnsafeSlow(this.#bytes)
    return this.#memory.subarray(0, (this.#memory as unknown as Latin1Buffer).latin1Write(text, 0))
  }

  /** Somebody still reads the octets: the next message gets other memory. */
  leave(): void {
    this.#memory = undefined
  }
}
