import { bounded } from '../../functions/contract/bounded.ts'
import { type Clock, pause } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Store } from '../../functions/store/store.ts'

export interface BacklogParts {
  store: Pick<Store, 'publish'>
  clock: Clock
  /** There are more than should be, or few again. */
  full(isFull: boolean): void
  /** The store has failed, for the first time since it took something; it is tried again. */
  failed(error: unknown): void
  /** So many are given up, since nobody waits for them any more. */
  lost(count: number): void
}

/** Events that go to the store at once. */
const BATCH = 64
/** With so many nothing is read from FreeSWITCH until there are few again: it keeps what it has to say, by the thousand. */
const MANY = 1000
const FEW = 200
const RETRY_MS = 500
/** For so long a store that fails is tried; what a call waits for rarely takes longer. Milliseconds. */
const KEEP_MS = 30_000

/** Events on their way to the store, in their order. A slow store is waited for, one that fails is tried again. */
export class Backlog {
  readonly #parts: BacklogParts
  #events: RouseEvent[] = []
  #isFull = false
  #hasFailed = false
  #work: Promise<void> | undefined

  constructor(parts: BacklogParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#events.length
  }

  add(event: RouseEvent): void {
    this.#events.push(event)
    if (this.size >= MANY) this.#tell(true)
    this.#work ??= this.#publishAll()
  }

  /** Waits until all are in the store, so long at most; what is left then is given up. */
  async close(withinMs: number): Promise<void> {
    const work = this.#work
    if (!work) return
    await bounded(this.#parts.clock, withinMs, () => work).catch(() => {})
    if (this.size > 0) this.#parts.lost(this.size)
    this.#events = []
  }

  async #publishAll(): Promise<void> {
    while (this.size > 0) {
      const batch = this.#events.slice(0, BATCH)
      try {
        await this.#parts.store.publish(batch)
        this.#events.splice(0, batch.length)
        this.#hasFailed = false
      } catch (error) {
        if (!this.#hasFailed) this.#parts.failed(error)
        this.#hasFailed = true
        await pause(this.#parts.clock, RETRY_MS)
        this.#giveUpOld()
      }
      if (this.size <= FEW) this.#tell(false)
    }
    this.#work = undefined
  }

  #giveUpOld(): void {
    const since = this.#parts.clock.now() - KEEP_MS
    const kept = this.#events.filter(({ time }) => time > since)
    if (kept.length < this.size) this.#parts.lost(this.size - kept.length)
    this.#events = kept
  }

  #tell(isFull: boolean): void {
    if (this.#isFull === isFull) return
    this.#isFull = isFull
    this.#parts.full(isFull)
  }
}
