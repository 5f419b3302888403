import * as z from 'zod/mini'
import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { Store } from '../../functions/store/store.ts'
import { BilledCall } from './requests.ts'

/** A call that is over and to be told of. */
export const Entry = z.object({
  call: BilledCall,
  /** Milliseconds since the epoch. */
  endedAt: z.number(),
  /** Whether CGRateS has a session of it. `unsure`: it is asked before the session is ended, since to end none would be a charge of its own. */
  session: z.enum(['none', 'open', 'unsure']),
})
export type Entry = z.infer<typeof Entry>
const Entries = z.array(Entry)

/** Keys that the entries are spread over: one is written whole when one of its entries changes. */
const SLOTS = 512
/** Read at once when a process begins. */
const READ_AT_ONCE = 32
/** How long an entry is kept. Milliseconds: 30 days. */
const KEPT_MS = 30 * 24 * 3_600_000
const AGAIN_MS = 1000

export interface LedgerParts {
  store: Pick<Store, 'recall' | 'remember'>
  clock: Clock
  gatewayId: string
  /** What is in the store has been read. */
  onLoaded(before: readonly Entry[]): void
  onTrouble(error: unknown): void
}

/**
 * The calls that are over and not told of, in the store under the name of this gateway, so that the next process of it can tell of them.
 * What the store does not take is given to it again.
 */
export class Ledger {
  readonly #parts: LedgerParts
  readonly #entries = Array.from({ length: SLOTS }, () => new Map<string, Entry>())
  readonly #dirty = new Set<number>()
  #writing: Promise<void> | undefined
  #timer: Timer | undefined
  #isLoaded = false
  #isStopped = false
  #isTroubled = false

  constructor(parts: LedgerParts) {
    this.#parts = parts
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.reduce((sum, slot) => sum + slot.size, 0)
  }

  get all(): Entry[] {
    return this.#entries.flatMap((slot) => [...slot.values()])
  }

  /** Until the store has said what a former process has left, nothing is written over it. */
  start(): void {
    void this.#load()
  }

  put(entry: Entry): void {
    const slot = slotOf(entry.call.id)
    this.#entries[slot]!.set(entry.call.id, entry)
    this.#changed(slot)
  }

  delete(id: string): void {
    const slot = slotOf(id)
    if (this.#entries[slot]!.delete(id)) this.#changed(slot)
  }

  /** What is not written yet is, if the store takes it. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#writing
    this.#isStopped = true
    this.#timer?.cancel()
    if (this.#isLoaded && this.#dirty.size > 0) await this.#write().catch(() => {})
  }

  async #load(): Promise<void> {
    try {
      const before: Entry[] = []
      for (let first = 0; first < SLOTS; first += READ_AT_ONCE) {
        const keys = Array.from({ length: READ_AT_ONCE }, (_, index) => this.#key(first + index))
        const texts = await Promise.all(keys.map((key) => this.#parts.store.recall(key)))
        for (const text of texts) if (text !== undefined) before.push(...readEntries(text))
      }
      if (this.#isStopped) return
      const unknown = before.filter(({ call }) => !this.#entries[slotOf(call.id)]!.has(call.id))
      for (const entry of unknown) this.#entries[slotOf(entry.call.id)]!.set(entry.call.id, entry)
      this.#isLoaded = true
      this.#isTroubled = false
      this.#parts.onLoaded(unknown)
      this.#writeSoon()
    } catch (error) {
      this.#tell(error)
      if (!this.#isStopped) this.#timer = this.#parts.clock.after(AGAIN_MS, () => void this.#load())
    }
  }

  #changed(slot: number): void {
    this.#dirty.add(slot)
    this.#writeSoon()
  }

  /** What changes in one turn, and while a write is under way, goes together. */
  #writeSoon(): void {
    if (!this.#isLoaded || this.#isStopped || this.#writing || this.#dirty.size === 0) return
    this.#writing = Promise.resolve()
      .then(() => this.#write())
      .then(
        () => this.#written(),
        (error: unknown) => this.#failed(error),
      )
  }

  async #write(): Promise<void> {
    const slots = [...this.#dirty]
    this.#dirty.clear()
    const done = await Promise.allSettled(slots.map((slot) => this.#writeSlot(slot)))
    const failed = done.find((each) => each.status === 'rejected')
    done.forEach(({ status }, at) => {
      if (status === 'rejected') this.#dirty.add(slots[at]!)
    })
    if (failed) throw failed.reason
  }

  #writeSlot(slot: number): Promise<void> {
    const entries = [...this.#entries[slot]!.values()]
    return this.#parts.store.remember(this.#key(slot), JSON.stringify(entries), entries.length > 0 ? KEPT_MS : AGAIN_MS)
  }

  #written(): void {
    this.#writing = undefined
    this.#isTroubled = false
    this.#writeSoon()
  }

  #failed(error: unknown): void {
    this.#writing = undefined
    this.#tell(error)
    if (!this.#isStopped) this.#timer = this.#parts.clock.after(AGAIN_MS, () => this.#writeSoon())
  }

  /** The first of several failures. */
  #tell(error: unknown): void {
    if (!this.#isTroubled) this.#parts.onTrouble(error)
    this.#isTroubled = true
  }

  #key(slot: number): string {
    return `cgrates/${this.#parts.gatewayId}/${slot}`
  }
}

/** What cannot be read holds up nothing. */
function readEntries(text: string): Entry[] {
  try {
    return Entries.parse(JSON.parse(text))
  } catch {
    return []
  }
}

function slotOf(id: string): number {
  let hash = 0
  for (let at = 0; at < id.length; at++) hash = (Math.imul(hash, 31) + id.charCodeAt(at)) >>> 0
  return hash % SLOTS
}
