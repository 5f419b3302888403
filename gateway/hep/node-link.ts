import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Link, LinkEvents, OpenLink } from './link.ts'
import type { HepUrl } from './settings.ts'

/** Links over the system's sockets. A name is looked up anew for each. */

/** An idle connection whose collector is gone without a word is noticed after about this long. Milliseconds. */
const KEEP_ALIVE_MS = 30_000

export function nodeLink(url: HepUrl): OpenLink {
  return url.transport === 'udp' ? (events) => new DatagramLink(url, events) : (events) => new StreamLink(url, events)
}

class StreamLink implements Link {
  readonly #socket: Socket

  constructor({ transport, host, port }: HepUrl, events: LinkEvents) {
    const options = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }
    const isTls = transport === 'tls'
    this.#socket = isTls ? connectTls({ ...options, ...(isIP(host) ? {} : { servername: host }) }) : connectTcp(options)
    let reason = 'the collector has closed the connection'
    this.#socket.on('error', (error) => {
      reason = reasonOf(error)
    })
    this.#socket.once(isTls ? 'secureConnect' : 'connect', () => events.opened())
    this.#socket.on('drain', () => events.drained())
    this.#socket.once('close', () => events.closed(reason))
    // Nothing is expected; what is not read would keep the end from being seen.
    this.#socket.resume()
  }

  get queued(): number {
    return this.#socket.writableLength
  }

  /** All of them in one system call, as far as the socket takes them. */
  write(packets: readonly Buffer[]): void {
    this.#socket.cork()
    for (const packet of packets) this.#socket.write(packet)
    this.#socket.uncork()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** Connected, so that the system tells when nobody listens there. */
class DatagramLink implements Link {
  readonly #events: LinkEvents
  #socket: UdpSocket | undefined
  #isClosed = false
  #isEnding = false
  /** The system could not take all at once. */
  #isFull = false

  constructor({ host, port }: HepUrl, events: LinkEvents) {
    this.#events = events
    const family = isIP(host)
    this.#open(family === 6 ? 'udp6' : 'udp4', host, port, family === 0)
  }

  get queued(): number {
    return this.#socket?.getSendQueueSize() ?? 0
  }

  write(packets: readonly Buffer[]): void {
    const socket = this.#socket
    if (!socket || this.#isClosed) return
    for (const packet of packets) socket.send(packet, this.#sent)
    this.#isFull = this.queued > 0
  }

  readonly #sent = (error: Error | null): void => {
    if (this.#isClosed) return
    if (error) this.#events.failed(reasonOf(error))
    if (!this.#isFull || this.queued > 0) return
    this.#isFull = false
    if (this.#isEnding) this.destroy()
    else this.#events.drained()
  }

  end(): void {
    this.#isEnding = true
    if (this.queued === 0) this.destroy()
  }

  destroy(): void {
    this.#close('closed')
  }

  /** @param isName of which there may be an IPv6 address only: that is tried when there is no other */
  #open(type: 'udp4' | 'udp6', host: string, port: number, isName: boolean): void {
    const socket = createSocket(type)
    this.#socket = socket
    let isOpen = false
    socket.once('connect', () => {
      isOpen = true
      if (!this.#isClosed) this.#events.opened()
    })
    socket.on('error', (error) => {
      if (this.#isClosed) return
      if (isOpen) return this.#events.failed(reasonOf(error))
      if (!isName || type === 'udp6') return this.#close(reasonOf(error))
      socket.close()
      this.#open('udp6', host, port, isName)
    })
    socket.connect(port, host)
  }

  #close(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket?.close()
    queueMicrotask(() => this.#events.closed(reason))
  }
}

function reasonOf(error: Error & { code?: string }): string {
  if (error.code === 'ECONNREFUSED') return 'nobody listens there'
  return error.message || (error.code ?? 'an error without a name')
}
