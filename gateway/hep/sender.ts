import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { type Counters, series } from '../observe/counters.ts'
import type { Log } from '../observe/log.ts'
import { Backlog } from './backlog.ts'
import type { Link, OpenLink } from './link.ts'

export interface SenderParts {
  open: OpenLink
  /** Where to, for people. */
  target: string
  /** Whether the other side says anything about what gets there: a connection does. */
  isConfirmed: boolean
  clock: Clock
  /** From 0 to 1. */
  random(): number
  counters: Counters
  log: Log
}

/** Octets that wait while the collector is away or slow; then the oldest ones go. */
export const BACKLOG_BYTES = 4 * 1024 * 1024
/** Octets given to the link at a time: what it holds is lost with it. */
const WINDOW_BYTES = 256 * 1024
/** Pause before the second try to reach the collector, doubled before each further one. Milliseconds. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000
/** A link that takes this long to open, or takes nothing for so long, is given up. Milliseconds. */
const OPEN_MS = 10_000
const STALL_MS = 30_000
/** After a failure over UDP all is well again when no other one was heard for so long after something was sent. Milliseconds. */
const QUIET_MS = 1000
/** A collector that goes on refusing datagrams may have moved: its name is looked up again at most so often. Milliseconds. */
const REOPEN_MS = 30_000
/** How long `stop` waits for what is still held. Milliseconds. */
const FLUSH_MS = 2000

const SENT = series('hep_packets', { result: 'sent' })
const DROPPED = series('hep_packets', { result: 'dropped' })

type State = 'stopped' | 'opening' | 'open' | 'pausing'

/** Gets packets to the collector in order, and keeps nobody waiting: all that is sent in one turn of the event loop goes out after it. */
export class Sender {
  readonly #parts: SenderParts
  readonly #backlog = new Backlog(BACKLOG_BYTES)
  #state: State = 'stopped'
  #link: Link | undefined
  #openedAt = 0
  /** Opening, pausing, or a link that takes nothing. */
  #timer: Timer | undefined
  #isFlushDue = false
  #pauseMs = FIRST_PAUSE_MS
  /** Why the collector is away; undefined: it is not, as far as is known. */
  #trouble: string | undefined
  /** It came from the other side, and the link goes on. */
  #isRefused = false
  /** When something was sent first after that; undefined: nothing was. */
  #sentSince: number | undefined
  /** Octets given to the link that is open. */
  #written = 0
  #whenClosed: (() => void) | undefined

  constructor(parts: SenderParts) {
    this.#parts = parts
    parts.counters.gauge('hep_backlog_bytes', () => this.#backlog.bytes)
  }

  send(packet: Buffer): void {
    const dropped = this.#backlog.push(packet)
    if (dropped > 0) this.#parts.counters.count(DROPPED, dropped)
    this.#flushSoon()
  }

  start(): void {
    this.#open()
  }

  get health(): { isUp: boolean; text: string } {
    const { target, isConfirmed } = this.#parts
    if (this.#trouble !== undefined && !this.#hasRecovered) return { isUp: false, text: `away: ${this.#trouble}` }
    if (this.#state !== 'open') return { isUp: false, text: `connecting to ${target}` }
    return { isUp: true, text: isConfirmed ? `connected to ${target}` : `sending to ${target}` }
  }

  /** Resolves when what is held has gone out, or could not. */
  async stop(): Promise<void> {
    this.#clear()
    if (this.#link && this.#state === 'open') {
      this.#write(this.#link, Number.POSITIVE_INFINITY)
      await this.#ended(this.#link)
    }
    this.#letGo()
    this.#state = 'stopped'
    this.#drop()
  }

  #ended(link: Link): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenClosed = resolve
    const timer = this.#parts.clock.after(FLUSH_MS, () => link.destroy())
    link.end()
    return promise.finally(() => timer.cancel())
  }

  #open(): void {
    this.#clear()
    this.#state = 'opening'
    const { clock, open } = this.#parts
    const current: { link?: Link } = {}
    const ifCurrent =
      <Args extends unknown[]>(act: (...args: Args) => void) =>
      (...args: Args) => {
        if (this.#link !== undefined && current.link === this.#link) act(...args)
      }
    const link = open({
      opened: ifCurrent(() => this.#opened()),
      drained: ifCurrent(() => this.#flush()),
      failed: ifCurrent((reason) => this.#failed(reason)),
      closed: ifCurrent((reason) => this.#closed(reason)),
    })
    current.link = link
    this.#link = link
    this.#timer = clock.after(OPEN_MS, () => this.#giveUp(`no answer within ${OPEN_MS / 1000} s`))
  }

  #opened(): void {
    const { clock, log, target } = this.#parts
    this.#clear()
    this.#state = 'open'
    this.#openedAt = clock.now()
    this.#written = 0
    if (!this.#isRefused) {
      if (this.#trouble !== undefined) log.info('hep: the collector is back', { target })
      this.#trouble = undefined
    }
    this.#flush()
  }

  #failed(reason: string): void {
    if (this.#trouble === undefined || this.#hasRecovered) this.#warn(reason)
    this.#trouble = reason
    this.#isRefused = true
    this.#sentSince = undefined
    if (this.#state === 'open' && this.#parts.clock.now() - this.#openedAt >= REOPEN_MS) {
      this.#letGo()
      this.#open()
    }
  }

  #closed(reason: string): void {
    this.#link = undefined
    if (this.#whenClosed) return this.#whenClosed()
    const { clock, random } = this.#parts
    this.#clear()
    if (this.#trouble === undefined) this.#warn(reason)
    this.#trouble = reason
    this.#isRefused = false
    if (this.#state === 'open' && clock.now() - this.#openedAt > this.#pauseMs) this.#pauseMs = FIRST_PAUSE_MS
    this.#state = 'pausing'
    this.#timer = clock.after(this.#pauseMs * (0.5 + random() / 2), () => this.#open())
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2)
  }

  #flushSoon(): void {
    if (this.#isFlushDue || this.#state !== 'open') return
    this.#isFlushDue = true
    this.#parts.clock.after(0, () => {
      this.#isFlushDue = false
      this.#flush()
    })
  }

  #flush(): void {
    const link = this.#link
    if (!link || this.#state !== 'open') return
    this.#write(link, WINDOW_BYTES)
    if (link.queued > 0 && !this.#timer) this.#watch(link)
  }

  /** A connection whose other side is gone without a word only fills up. */
  #watch(link: Link): void {
    const before = this.#written - link.queued
    this.#timer = this.#parts.clock.after(STALL_MS, () => {
      this.#timer = undefined
      if (link.queued === 0) return
      if (this.#written - link.queued > before) return this.#watch(link)
      this.#giveUp('the collector takes nothing')
    })
  }

  #giveUp(reason: string): void {
    this.#letGo()
    this.#closed(reason)
  }

  /** Whatever becomes of the link concerns nobody any more. */
  #letGo(): void {
    const link = this.#link
    this.#link = undefined
    link?.destroy()
  }

  /** As long as the link holds less than `limit`. */
  #write(link: Link, limit: number): void {
    const { counters, clock } = this.#parts
    while (this.#backlog.length > 0 && link.queued < limit) {
      const before = this.#backlog.bytes
      const packets = this.#backlog.take(Math.min(WINDOW_BYTES, limit - link.queued))
      const bytes = before - this.#backlog.bytes
      link.write(packets)
      this.#written += bytes
      this.#sentSince ??= clock.now()
      counters.count(SENT, packets.length)
      counters.count('hep_bytes', bytes)
    }
  }

  /** Of a link over which only failures are heard. */
  get #hasRecovered(): boolean {
    const { clock } = this.#parts
    return this.#isRefused && this.#sentSince !== undefined && clock.now() - this.#sentSince >= QUIET_MS
  }

  #warn(reason: string): void {
    const { log, target } = this.#parts
    log.warn('hep: the collector is away', { target, reason })
  }

  #drop(): void {
    const { length } = this.#backlog
    if (length > 0) this.#parts.counters.count(DROPPED, length)
    this.#backlog.take(Number.POSITIVE_INFINITY)
  }

  #clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
