import { type Clock, pauseAfter, type Timer } from '../../functions/contract/clock.ts'
import { series } from '../observe/counters.ts'
import type { Entry, Ledger } from './ledger.ts'
import { activeUsageMs, isKnownAlready, isTrouble } from './replies.ts'
import { activeRequest, cdrRequest, type Request, terminateRequest } from './requests.ts'
import type { Reply, Rpc } from './rpc.ts'

export interface DeliveryParts {
  rpc: Pick<Rpc, 'call' | 'health'>
  ledger: Ledger
  clock: Clock
  count(series: string): void
  /** A record that CGRateS refuses for good: it is nowhere else. */
  onRefused(entry: Entry, error: string): void
}

/** So many records are told at once. */
const AT_ONCE = 16
const BACKOFF_MS = [1000, 2000, 5000, 15_000, 60_000, 300_000]
/** A record that is refused so often, over more than an hour, is given up. */
const TRIES = 18

const TOLD = series('cgrates_records', { result: 'told' })
const REFUSED = series('cgrates_records', { result: 'refused' })

type Done = 'done' | 'away' | { refused: string }

/** Tells CGRateS of the calls that are over: ends the session, then the record. Keeps them until it has heard. */
export class Delivery {
  readonly #parts: DeliveryParts
  readonly #waiting: Entry[] = []
  readonly #failures = new Map<string, { tries: number; refusals: number }>()
  readonly #timers = new Set<Timer>()
  #running = 0
  #isStopped = false

  constructor(parts: DeliveryParts) {
    this.#parts = parts
  }

  /** How many calls are over and not told of. */
  get size(): number {
    return this.#waiting.length + this.#running + this.#timers.size
  }

  add(entry: Entry): void {
    this.#waiting.push(entry)
    this.wake()
  }

  /** It can be reached (again). */
  wake(): void {
    while (this.#running < AT_ONCE && this.#waiting.length > 0 && this.#parts.rpc.health.isUp && !this.#isStopped) {
      this.#running++
      void this.#run(this.#waiting.shift()!)
    }
  }

  /** Something is being told. */
  get isBusy(): boolean {
    return this.#running > 0
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) timer.cancel()
  }

  async #run(entry: Entry): Promise<void> {
    const done = await this.#tell(entry)
    this.#running--
    if (done === 'done') this.#forget(entry)
    else if (done !== 'away') this.#refused(entry, done.refused)
    else if (this.#parts.rpc.health.isUp) this.#later(entry)
    else this.#waiting.push(entry)
    this.wake()
  }

  #forget({ call }: Entry): void {
    this.#failures.delete(call.id)
    this.#parts.ledger.delete(call.id)
  }

  #refused(entry: Entry, error: string): void {
    const { onRefused, count } = this.#parts
    count(REFUSED)
    const failures = this.#failuresOf(entry)
    if (++failures.refusals < TRIES) return this.#later(entry)
    onRefused(entry, error)
    this.#forget(entry)
  }

  /** Later and later. */
  #later(entry: Entry): void {
    const ms = pauseAfter(this.#failuresOf(entry).tries++, BACKOFF_MS)
    const timer = this.#parts.clock.after(ms, () => {
      this.#timers.delete(timer)
      this.add(entry)
    })
    this.#timers.add(timer)
  }

  #failuresOf({ call }: Entry): { tries: number; refusals: number } {
    const failures = this.#failures.get(call.id) ?? { tries: 0, refusals: 0 }
    this.#failures.set(call.id, failures)
    return failures
  }

  async #tell(entry: Entry): Promise<Done> {
    const ended = await this.#endSession(entry)
    if (ended !== 'done') return ended
    const reply = await this.#ask(cdrRequest(entry.call, usageMs(entry)))
    if (reply.kind === 'error' && isKnownAlready(reply.error)) return 'done'
    if (reply.kind !== 'result') return failed(reply)
    this.#parts.count(TOLD)
    return 'done'
  }

  /**
   * Ends the session if there is one. That of a call which is `unsure` may have ended before: then CGRateS would take the word for one
   * more call, and charge it again.
   */
  async #endSession(entry: Entry): Promise<Done> {
    if (entry.session === 'none') return 'done'
    if (entry.session === 'unsure') {
      const active = await this.#ask(activeRequest(entry.call))
      if (active.kind === 'away' || (active.kind === 'error' && isTrouble(active.error))) return 'away'
      if (active.kind !== 'result' || activeUsageMs(active.result) === undefined) return over(entry)
    }
    entry.session = 'unsure'
    const reply = await this.#ask(terminateRequest(entry.call, usageMs(entry)))
    return reply.kind === 'result' ? over(entry) : failed(reply)
  }

  #ask({ method, param }: Request): Promise<Reply> {
    return this.#parts.rpc.call(method, param)
  }
}

function over(entry: Entry): 'done' {
  entry.session = 'none'
  return 'done'
}

/** What it cannot do now it may be asked again for as long as that lasts. */
function failed(reply: Exclude<Reply, { kind: 'result' }>): Done {
  return reply.kind === 'away' || isTrouble(reply.error) ? 'away' : { refused: reply.error }
}

/** How long it was talked, as far as somebody has seen it. */
function usageMs({ call, endedAt }: Entry): number {
  return Math.max(0, endedAt - call.answeredAt)
}
