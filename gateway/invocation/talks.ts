import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Store, SuspendedTransaction } from '../../functions/store/store.ts'
import type { Log } from '../observe/log.ts'
import type { TimerHandle, TimerQueue } from '../transaction/timer-queue.ts'
import { wholeSeconds } from './cdr.ts'
import { isoTime } from './iso-time.ts'
import { Kept } from './kept.ts'
import { isObject, parsed } from './record.ts'
import type { Writing } from './writing.ts'

export interface TalksParts {
  /** Name of this gateway. */
  gateway: string
  store: Store
  timers: TimerQueue
  writing: Writing
  /** Takes the records of calls whose gateway has died. */
  publish(events: RouseEvent[]): void
  count(series: string): void
  log: Log
}

/** So long a call is known to have been answered. Milliseconds. */
const LIFETIME_MS = 24 * 3_600_000

/** A gateway that was only frozen, or cut off, is back by then, and goes on with its calls. Milliseconds. */
const DOUBT_MS = 60_000

/** A record that will be told unless its gateway is back before. */
interface Doubt {
  gateway: string
  timer: TimerHandle
}

/**
 * Calls that are talked on, in the store, each with its record as far as it is known at the answer: when the gateway that follows them dies,
 * whoever has its calls next tells these records, up to when it was last seen.
 */
export class Talks {
  readonly #parts: TalksParts
  readonly #kept: Kept
  readonly #doubts = new Map<string, Doubt>()

  constructor(parts: TalksParts) {
    this.#parts = parts
    this.#kept = new Kept('talk-', { ...parts, failed: (error) => this.#failed(error) })
  }

  /** It was answered. @param record `cdr.created` as far as it is known at the answer */
  begin(id: string, callId: string, record: () => RouseEvent): void {
    const { gateway } = this.#parts
    void this.#kept.keep(id, () => {
      const told = record()
      return { gateway, callId, expiresAt: told.time + LIFETIME_MS, state: JSON.stringify(told) }
    })
  }

  /** The store has lost what it had of them. */
  writeAgain(): void {
    this.#kept.writeAgain()
  }

  /** Its record is told. */
  over(id: string): void {
    this.#kept.drop(id)
  }

  /**
   * Whether it is one of these; nobody has seen how it went on.
   * @param lastSeen when its gateway was, milliseconds since the epoch
   */
  takeUp(stored: SuspendedTransaction, lastSeen: number): boolean {
    const { id, gateway } = stored
    if (!this.#kept.isOne(stored)) return false
    if (this.#kept.isHere(stored) || this.#doubts.has(id)) return true
    if (gateway === this.#parts.gateway) this.#tell(stored, lastSeen)
    else {
      const onTimer = () => {
        this.#doubts.delete(id)
        this.#tell(stored, lastSeen)
      }
      this.#doubts.set(id, { gateway, timer: this.#parts.timers.start(DOUBT_MS, { onTimer }, 'lost call') })
    }
    return true
  }

  /** Whether records of that gateway wait for it to be back. */
  waitsFor(gateway: string): boolean {
    for (const doubt of this.#doubts.values()) if (doubt.gateway === gateway) return true
    return false
  }

  /** It is back, or somebody else has its calls: whoever that is tells, or goes on. */
  letGo(gateway: string): void {
    for (const [id, doubt] of this.#doubts) if (doubt.gateway === gateway) this.#forget(id, doubt)
  }

  stop(): void {
    for (const [id, doubt] of this.#doubts) this.#forget(id, doubt)
  }

  #forget(id: string, { timer }: Doubt): void {
    this.#parts.timers.stop(timer)
    this.#doubts.delete(id)
  }

  #tell(stored: SuspendedTransaction, lastSeen: number): void {
    const { publish, count, log } = this.#parts
    const record = parsed(stored.state)
    count('answered calls lost')
    log.warn('a call was talked on when its gateway died', { callId: stored.callId })
    if (isRecord(record)) publish([until(record, lastSeen)])
    // What is left there would be told once more.
    void this.#kept.release(stored)
  }

  /** Settled once the store has heard, or cannot hear, of all that is over. */
  told(): Promise<void> {
    return this.#kept.settled()
  }

  #failed(error: unknown): void {
    this.#parts.count('store failures')
    this.#parts.log.debug('the store has not taken what is known of an answered call', { error: String(error) })
  }
}

function isRecord(value: unknown): value is RouseEvent {
  return isObject(value) && typeof value.id === 'string' && typeof value.time === 'number' && isObject(value.attributes)
}

/** The record was made at the answer. */
function until(record: RouseEvent, lastSeen: number): RouseEvent {
  const endedAt = Math.max(record.time, lastSeen)
  const duration = wholeSeconds(endedAt - record.time)
  return { ...record, time: endedAt, attributes: { ...record.attributes, endedAt: isoTime(endedAt), duration } }
}
