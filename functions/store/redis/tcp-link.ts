import { ClientOfflineError, ErrorReply } from '@redis/client'
import { type Clock, pauseAfter } from '../../contract/clock.ts'
import { type Client, clientFor, SILENCE_MS } from './tcp-client.ts'

export interface LinkOptions {
  /** `redis[s]://`, `redis[s]+cluster://host:port,host:port`, or `redis[s]+sentinel://host:port,host:port/name`. */
  url: string
  clock: Clock
  /** An answer later than this is no answer; milliseconds. */
  deadlineMs: number
  told(isUp: boolean): void
}

/** At most once in this time a connection is given up for a new one. */
const RENEW_MS = 2000
const BACKOFF_MS = [50, 100, 200, 500, 1000, 2000]

/**
 * A connection that is there again by itself: it reconnects with growing pauses, holds nothing back while it is away, and is given up for
 * a new one when commands stay without an answer, since a peer that is gone without a word leaves a socket that looks alive.
 */
export class Link {
  readonly isCluster: boolean
  readonly #options: LinkOptions
  #client: Client
  /** That of a cluster which is to take its place once it is there. */
  #next: Client | undefined
  /** Settled once the first attempt to connect has ended, either way. */
  readonly #attempted: Promise<void>
  #hasAttempted = (): void => {}
  #lastReplyAt = 0
  #trouble: Error | undefined
  #openedAt = 0
  #attempts = 0
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.isCluster = /^rediss?\+cluster:/.test(options.url)
    this.#attempted = new Promise((resolve) => {
      this.#hasAttempted = resolve
    })
    this.#client = this.#make()
    this.#connect(this.#client)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Rejects when there is no connection, and with an error reply. */
  async send(command: string[]): Promise<unknown> {
    if (!this.#client.isReady()) await this.#attempted
    try {
      const reply = await this.#client.send(command)
      this.#lastReplyAt = this.#options.clock.now()
      return reply
    } catch (error) {
      if (error instanceof ErrorReply) this.#lastReplyAt = this.#options.clock.now()
      else if (this.isCluster) this.#renew()
      throw error instanceof ClientOfflineError ? this.#offline(error) : error
    }
  }

  /** The reason why there is no connection says more than that there is none. */
  #offline(error: Error): Error {
    const { message, code } = (this.#trouble ?? error) as Error & { code?: string }
    return new Error(`no connection to Redis: ${message || code}`, { cause: error })
  }

  /** A command has had no answer in time: if nothing else has either, the connection is not what it looks like. */
  stuck(): void {
    if (this.isCluster || this.#options.clock.now() - this.#lastReplyAt >= this.#options.deadlineMs) this.#renew()
  }

  close(): void {
    this.#isClosed = true
    this.#client.destroy()
    this.#next?.destroy()
    this.#next = undefined
    this.#hasAttempted()
  }

  /** A cluster's other servers go on answering until the new connections are there: it may be that one of them only is away. */
  #renew(): void {
    const { clock } = this.#options
    const patienceMs = this.#client.isReady() ? RENEW_MS : SILENCE_MS
    if (this.#isClosed || clock.now() - this.#openedAt < patienceMs) return
    this.#openedAt = clock.now()
    const next = this.#make()
    if (!this.isCluster || !this.#client.isReady()) {
      this.#replace(next)
      this.#connect(next)
      return
    }
    this.#next?.destroy()
    this.#next = next
    next.connect().then(
      () => (this.#next === next ? this.#replace(next) : next.destroy()),
      () => next.destroy(),
    )
  }

  #replace(next: Client): void {
    const old = this.#client
    this.#client = next
    this.#next = undefined
    old.destroy()
  }

  #make(): Client {
    const isOver = () => this.#isClosed || (client !== this.#client && client !== this.#next)
    const client: Client = clientFor(this.#options.url, {
      up: () => {
        if (client !== this.#client) return
        this.#attempts = 0
        this.#trouble = undefined
        this.#options.told(true)
        this.#hasAttempted()
      },
      down: (error) => {
        if (client !== this.#client) return
        this.#trouble = error
        this.#options.told(false)
        this.#hasAttempted()
      },
      // Connections that a client is just making are not among those that it destroys.
      pause: () => (isOver() ? false : this.#pause()),
      isOver,
    })
    return client
  }

  #connect(client: Client): void {
    this.#openedAt = this.#options.clock.now()
    client.connect().then(this.#hasAttempted, () => this.#retry(client))
  }

  /** A cluster of which no server was there does not try again by itself. */
  #retry(client: Client): void {
    this.#hasAttempted()
    if (this.#isClosed || client !== this.#client) return
    this.#options.told(false)
    this.#options.clock.after(this.#pause(), () => {
      if (this.#isClosed || client !== this.#client) return
      this.#replace(this.#make())
      this.#connect(this.#client)
    })
  }

  #pause(): number {
    return pauseAfter(this.#attempts++, BACKOFF_MS)
  }
}
