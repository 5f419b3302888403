import { isIP } from 'node:net'
import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { isIpv6 } from '../transport/addresses.ts'
import type { Network, Stream, UdpSocket } from '../transport/types.ts'
import type { Collector } from './settings.ts'

export interface SenderParts {
  collector: Collector
  network: Network
  /** Addresses of a name; rejects when there are none. */
  resolve(host: string): Promise<string>
  clock: Clock
  /** From 0 to 1. */
  random(): number
  /** Counts packets: `sent`, or why they were `dropped`. */
  count(result: 'sent' | 'dropped'): void
  /** It is there, or away and why. */
  onState(trouble: string | undefined): void
}

/** Octets that wait for a collector that is slow or away; what comes beyond is dropped. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024
const BACKOFF_MS = [500, 1000, 2000, 5000, 10_000, 30_000]
/** Milliseconds a connection may take to open. */
const CONNECT_MS = 5000
/** Milliseconds that what is queued gets to go out at the end. */
const FLUSH_MS = 1000

/**
 * Brings packets to a collector, and never holds anybody up: over UDP they are sent and forgotten, over TCP a bounded number waits while the
 * collector is away or slow.
 */
export class Sender {
  readonly #parts: SenderParts
  #address: string | undefined
  #socket: UdpSocket | undefined
  #stream: Stream | undefined
  #isOpen = false
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #attempts = 0
  #timer: Timer | undefined
  #isOver = false

  constructor(parts: SenderParts) {
    this.#parts = parts
  }

  start(): void {
    void this.#reach()
  }

  send(packet: Buffer): void {
    const { count, collector } = this.#parts
    if (this.#socket) {
      this.#socket.send(packet, this.#address!, collector.port, this.#refused)
      count('sent')
    } else if (this.#stream && this.#isOpen && this.#stream.queued + packet.length <= MAX_QUEUED_BYTES) {
      this.#stream.write(packet)
      count('sent')
    } else if (!this.#isOpen && !this.#isOver && this.#waitingBytes + packet.length <= MAX_QUEUED_BYTES) {
      this.#waiting.push(packet)
      this.#waitingBytes += packet.length
    } else count('dropped')
  }

  /** What is queued goes out, within a second. */
  async stop(): Promise<void> {
    this.#isOver = true
    this.#timer?.cancel()
    this.#socket?.close()
    for (const _packet of this.#waiting.splice(0)) this.#parts.count('dropped')
    const stream = this.#stream
    if (!stream) return
    await new Promise<void>((resolve) => {
      const deadline = this.#parts.clock.after(FLUSH_MS, () => stream.destroy())
      this.#closed = () => {
        deadline.cancel()
        resolve()
      }
      if (this.#isOpen) stream.end()
      else stream.destroy()
    })
  }

  /** Resolves what `stop` waits for. */
  #closed = (): void => {}

  async #reach(): Promise<void> {
    const { collector, network, resolve } = this.#parts
    try {
      const address = isIP(collector.host) === 0 ? await resolve(collector.host) : collector.host
      if (this.#isOver) return
      this.#address = address
      if (collector.transport === 'tcp') return this.#connect(address)
      const local = { address: isIpv6(address) ? '::' : '0.0.0.0', port: 0 }
      this.#socket = await network.udp(local, { receive: () => {} })
      if (this.#isOver) return this.#socket.close()
      this.#there()
    } catch (error) {
      this.#away(error instanceof Error ? error.message : String(error))
    }
  }

  #connect(address: string): void {
    const { collector, network, clock } = this.#parts
    const patience = clock.after(CONNECT_MS, () => stream.destroy())
    const stream = network.connect({ address, port: collector.port }, '', {
      opened: () => {
        patience.cancel()
        this.#there()
      },
      receive: () => {},
      closed: (failure) => {
        patience.cancel()
        this.#stream = undefined
        this.#closed()
        this.#away(failure ?? 'closed')
      },
    })
    this.#stream = stream
  }

  #there(): void {
    this.#isOpen = true
    this.#attempts = 0
    this.#parts.onState(undefined)
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const packet of waiting) this.send(packet)
  }

  #away(why: string): void {
    this.#isOpen = false
    if (this.#isOver) return
    const { clock, random, onState } = this.#parts
    onState(why)
    const pauseMs = BACKOFF_MS[Math.min(this.#attempts++, BACKOFF_MS.length - 1)]!
    this.#timer = clock.after(pauseMs * (0.75 + random() / 2), () => void this.#reach())
  }

  /** Over UDP it is hardly ever known; what is known is told, and sending goes on. */
  readonly #refused = (failure: string): void => {
    this.#parts.onState(failure)
  }
}
