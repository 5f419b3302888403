import { type Clock, pauseAfter, type Timer } from '../../contract/clock.ts'
import type { Delivery, Receive } from '../store.ts'
import type { Call, Commands } from './commands.ts'
import type { InboxEntry } from './events.ts'
import type { Lane } from './executor.ts'
import { ABSENT_MS, type Keys, SEEN_MS } from './keys.ts'
import type { WriteCounts } from './write-counts.ts'

export interface InboxOptions {
  /** How long one read waits for something to come; milliseconds. */
  blockMs: number
  /** Pause between two reads where nothing can block; milliseconds. */
  pollMs: number
  /** Deliveries handed over at once, before other work has its turn. */
  batch: number
  /** See RedisStoreOptions. */
  onTaken: ((gateway: string, lagMs: number) => void) | undefined
}

/** So many deliveries may be with the receiver at once: the next ones wait until those before are taken over. */
const UNDER_WAY = 256
/** Entries of the stream read at once. */
const READ_AT_ONCE = 64
/**
 * What was taken over less than this before the reader stopped is handed over again: what Redis did not take of it at once is given to it
 * within this time. Milliseconds.
 */
const REPEAT_MS = 5000
const BACKOFF_MS = [50, 100, 200, 500, 1000, 2000]
const BEGINNING = '0-0'

type Stream = [id: string, fields: string[]][]

/**
 * Reads a gateway's stream from where it was left, for as long as it is open, and not much faster than deliveries are taken over. A failure
 * costs a pause, never a delivery: it goes on after the last entry that was handed over, and the next process after the last one before which
 * all are taken over.
 */
export class InboxReader {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #writes: WriteCounts
  readonly #clock: Clock
  readonly #options: InboxOptions
  readonly #gateway: string
  readonly #receive: Receive
  /** Its own connection, where one can be had. */
  readonly #lane: Lane | undefined
  /** The last entry handed over; `undefined` until it is known where to begin. */
  #last: string | undefined
  /** Deliveries that are not taken over yet, and when all of them will be. */
  #underWay = 0
  #taken: Promise<unknown> = Promise.resolve()
  #failures = 0
  #isClosed = false
  #timer: Timer | undefined
  #wake = (): void => {}
  readonly #countCall: Call = (pipeline) => pipeline.get(this.#keys.writes(this.#gateway))

  constructor(
    parts: { commands: Commands; keys: Keys; writes: WriteCounts; clock: Clock; lane: Lane | undefined },
    options: InboxOptions,
    gateway: string,
    receive: Receive,
  ) {
    this.#commands = parts.commands
    this.#keys = parts.keys
    this.#writes = parts.writes
    this.#clock = parts.clock
    this.#lane = parts.lane
    this.#options = options
    this.#gateway = gateway
    this.#receive = receive
  }

  async run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        this.#last ??= await this.#whereToBegin()
        const found = await this.#read(this.#last)
        this.#failures = 0
        await this.#hand(found)
        if (found.length === 0 && !this.#lane) await this.#pause(this.#options.pollMs)
      } catch {
        // Told by the operation that failed.
        await this.#pause(pauseAfter(this.#failures++, BACKOFF_MS))
        await this.#reconsider()
      }
    }
  }

  close(): void {
    this.#isClosed = true
    this.#lane?.close()
    this.#timer?.cancel()
    this.#wake()
  }

  async #whereToBegin(): Promise<string> {
    const [read] = await this.#commands.operation('inbox', (run) => run([(p) => p.get(this.#keys.read(this.#gateway))]))
    const ms = Number.parseInt(String(read ?? ''), 10)
    return Number.isNaN(ms) ? BEGINNING : `${Math.max(0, ms - REPEAT_MS)}-0`
  }

  /**
   * What has come after that entry. Says on the way that this gateway is alive, and asks how often was written, which tells whether Redis is
   * still what it was: nothing more is sent for either.
   */
  async #read(after: string): Promise<Stream> {
    const key = this.#keys.inbox(this.#gateway)
    const { blockMs } = this.#options
    const options = { count: READ_AT_ONCE, ...(this.#lane ? { blockMS: blockMs } : {}) }
    const extraMs = this.#lane ? blockMs : 0
    const seen = this.#keys.seen(this.#gateway)
    const floor = this.#writes.floorOf(this.#gateway)
    const reading = this.#commands.operation(
      'inbox',
      (run) =>
        run([
          (p) => p.set(seen, this.#clock.now(), { px: SEEN_MS }),
          (p) => p.xread(key, after, options),
          this.#countCall,
        ]),
      this.#lane,
      extraMs,
    )
    const [, reply, count] = (await reading) as [unknown, [key: string, stream: Stream][] | null, unknown]
    this.#writes.read(this.#gateway, Number(count), floor)
    return reply?.[0]?.[1] ?? []
  }

  async #hand(stream: Stream): Promise<void> {
    for (const [id] of stream) this.#options.onTaken?.(this.#gateway, Math.max(0, this.#clock.now() - msOf(id)))
    const deliveries = stream.flatMap(([, [, json]]) => deliveriesIn(json!))
    for (let first = 0; first < deliveries.length; first += this.#options.batch) {
      if (first > 0) await this.#pause(0)
      if (this.#underWay >= UNDER_WAY) await this.#taken
      this.#taken = Promise.all([this.#taken, this.#give(deliveries.slice(first, first + this.#options.batch))])
    }
    const last = stream.at(-1)?.[0]
    if (last === undefined) return
    this.#last = last
    this.#taken = this.#taken.then(() => this.#remember(last))
  }

  async #give(batch: Delivery[]): Promise<void> {
    if (this.#isClosed) return
    this.#underWay += batch.length
    try {
      await this.#receive(batch)
    } catch (error) {
      // A fault of the receiver: told as one, and no reason to hand the same over for ever.
      queueMicrotask(() => {
        throw error
      })
    }
    this.#underWay -= batch.length
  }

  /** Where to go on is written down without waiting for it: at worst more is handed over again. */
  #remember(last: string): void {
    if (this.#isClosed) return
    const key = this.#keys.read(this.#gateway)
    this.#commands.operation('inbox', (run) => run([(p) => p.set(key, last, { px: ABSENT_MS })])).catch(() => {})
  }

  /**
   * After a failure, before a read that may wait. A stream that has ended before where we are is another one: Redis has lost the former.
   * Its entries count from the first.
   */
  async #reconsider(): Promise<void> {
    if (this.#isClosed || this.#last === undefined) return
    try {
      const key = this.#keys.inbox(this.#gateway)
      const floor = this.#writes.floorOf(this.#gateway)
      const [newest, count] = await this.#commands.operation('inbox', (run) =>
        run([(p) => p.xrevrange(key, '+', '-', 1), this.#countCall]),
      )
      this.#writes.read(this.#gateway, Number(count), floor)
      const id = (newest as unknown as Stream)[0]?.[0]
      if (id === undefined || isBefore(id, this.#last)) this.#last = BEGINNING
    } catch {
      // Still away: the next read will tell.
    }
  }

  #pause(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#timer = this.#clock.after(ms, resolve)
    })
  }
}

/** What cannot be read holds up nothing. */
function deliveriesIn(json: string): Delivery[] {
  try {
    const { event, to, location } = JSON.parse(json) as InboxEntry
    const carried = location && { location }
    return to.map(([subscription, transaction]) => ({ event, subscription, transaction, ...carried }))
  } catch {
    return []
  }
}

/** When an entry was added, by Redis' clock; milliseconds since the epoch. */
function msOf(id: string): number {
  return Number.parseInt(id, 10)
}

/** Ids of a stream are two numbers. */
function isBefore(one: string, other: string): boolean {
  const [a, b] = [one, other].map((id) => id.split('-').map(Number))
  return a![0]! < b![0]! || (a![0] === b![0] && a![1]! < b![1]!)
}
