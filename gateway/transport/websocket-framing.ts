import type { Frame, FramingLimits } from './framing.ts'
import { asBuffer, textOf } from './octets.ts'

const PING = '\r\n\r\n'

/**
 * What came as one WebSocket message is one SIP message, as a datagram is (RFC 7118 5): nothing is cut by Content-Length, and nothing is
 * left over.
 */
export class WebSocketFramer {
  readonly partial = false
  readonly #limits: FramingLimits
  #frame: Frame | undefined

  constructor(limits: FramingLimits) {
    this.#limits = limits
  }

  push(message: Uint8Array): void {
    const text = textOf(asBuffer(message), 0, message.length)
    if (text === PING) this.#frame = { kind: 'keep-alive' }
    else if (text.trim() !== '') this.#frame = this.#frameOf(text)
  }

  next(): Frame | undefined {
    const frame = this.#frame
    this.#frame = undefined
    return frame
  }

  #frameOf(text: string): Frame {
    const { maxHeaderBytes, maxBodyBytes } = this.#limits
    const end = text.indexOf('\r\n\r\n')
    const headers = end < 0 ? text.length : end + 4
    if (headers <= maxHeaderBytes && text.length - headers <= maxBodyBytes) return { kind: 'message', text }
    return {
      kind: 'broken',
      text: headers <= maxHeaderBytes ? text.slice(0, headers) : '',
      status: 513,
      reason: 'Message Too Large',
    }
  }
}
