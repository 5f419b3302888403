import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { Charge } from './charging.ts'
import type { Entry, Ledger } from './ledger.ts'
import { isTrouble, maxUsageMs, refusalOf } from './replies.ts'
import { initiateRequest, type Request, updateRequest } from './requests.ts'
import type { Reply, Rpc } from './rpc.ts'

export interface SessionParts {
  rpc: Pick<Rpc, 'call'>
  ledger: Ledger
  clock: Clock
  /** What is debited at a time, of a prepaid account. */
  intervalMs: number
  /** What becomes of calls while CGRateS is away: see `CGRATES_AWAY`. */
  away: 'refuse' | 'pass'
  hangUp(reason: string): void
  /** It is over, nothing of it is under way, and it is to be told of. */
  onOver(session: Session): void
}

/** The next debit is asked for so long before the last one is used up. */
const LEAD_MS = 5000
/** A debit that was not answered is asked for again after this, while there is time. */
const AGAIN_MS = 1000
/** And after this, while the call goes on unpaid. */
const UNPAID_MS = 10_000
/** Timers do not reach further; nor do calls. */
const LONGEST_MS = 24 * 3_600_000

const BALANCE_ENDED = 'the balance has ended'
const BILLING_AWAY = 'billing is away'

/**
 * The session of one call that was answered: begun at once, paid for piece by piece while it is prepaid, and never longer than it is paid
 * for. Its requests go out one after the other.
 */
export class Session implements Charge {
  readonly entry: Entry
  readonly #parts: SessionParts
  /** Milliseconds from the answer that are paid for. */
  #paidMs = 0
  /** How often it was asked for. */
  #asked = 0
  #isAsking = false
  #isOver = false
  /** The last request was not answered. */
  #isAway = false
  /** Nothing more will be paid. */
  #isLast = false
  #end: Timer | undefined
  #next: Timer | undefined

  constructor(entry: Entry, parts: SessionParts) {
    this.entry = entry
    this.#parts = parts
  }

  get id(): string {
    return this.entry.call.id
  }

  begin(): void {
    const { requestType, maxMs } = this.entry.call
    this.#parts.ledger.put(this.entry)
    if (requestType === 'pseudoprepaid' && maxMs !== undefined) this.#endAt(maxMs)
    void this.#ask()
  }

  /** The other side wants the call to end. */
  disconnect(reason: string): void {
    this.#hangUp(reason === '' ? 'ended by billing' : `ended by billing: ${reason}`)
  }

  end(endedAt: number): void {
    if (this.#isOver) return
    this.#isOver = true
    this.entry.endedAt = endedAt
    this.entry.seenAt = endedAt
    this.#end?.cancel()
    this.#next?.cancel()
    this.#parts.ledger.put(this.entry)
    if (!this.#isAsking) this.#parts.onOver(this)
  }

  get #isPrepaid(): boolean {
    return this.entry.call.requestType === 'prepaid'
  }

  get #talkedMs(): number {
    return this.#parts.clock.now() - this.entry.call.answeredAt
  }

  /** Milliseconds that are paid for and not talked yet; below 0 while calls may pass unpaid. */
  get #leftMs(): number {
    return this.#paidMs - this.#talkedMs
  }

  get #leadMs(): number {
    return Math.min(LEAD_MS, this.#parts.intervalMs / 2)
  }

  async #ask(): Promise<void> {
    if (this.#isOver || this.#isAsking) return
    const request = this.#request()
    if (!request) return this.#seen()
    this.#asked++
    this.#isAsking = true
    const reply = await this.#parts.rpc.call(request.method, request.param)
    this.#take(reply)
    this.#isAsking = false
    if (this.#isOver) this.#parts.onOver(this)
    else this.#seen()
  }

  /** What is due: the session itself, or a further piece of a prepaid one. To update a session that is not there begins it. */
  #request(): Request | undefined {
    const { call, session } = this.entry
    const { intervalMs } = this.#parts
    if (call.requestType === 'rated') return undefined
    if (this.#asked === 0) return initiateRequest(call, intervalMs)
    if (!this.#isPrepaid) return session === 'open' ? undefined : updateRequest(call, this.#asked, intervalMs)
    if (this.#isLast || this.#leftMs > this.#leadMs) return undefined
    return updateRequest(call, this.#asked, intervalMs + Math.max(0, -this.#leftMs))
  }

  #take(reply: Reply): void {
    if (reply.kind === 'result') this.#granted(maxUsageMs(reply.result) ?? 0)
    else if (reply.kind === 'away') this.#notAnswered(reply.wasSent)
    else if (isTrouble(reply.error)) this.#notAnswered(true)
    else this.#refused(reply.error)
  }

  #granted(ms: number): void {
    this.entry.session = 'open'
    this.#isAway = false
    if (!this.#isPrepaid || this.#isOver) return
    this.#paidMs += ms
    if (ms === 0) this.#isLast = true
    this.#endAt(this.#paidMs)
  }

  /** @param wasSent it may have been done: what there is now of the session is not known */
  #notAnswered(wasSent: boolean): void {
    if (wasSent || this.entry.session === 'open') this.entry.session = 'unsure'
    this.#isAway = true
    if (!this.#isPrepaid || this.#isOver) return
    if (this.#parts.away === 'pass') this.#end?.cancel()
    else if (this.#paidMs === 0) this.#hangUp(BILLING_AWAY)
  }

  #refused(error: string): void {
    this.#isAway = false
    if (!this.#isPrepaid || this.#isOver) return
    this.#isLast = true
    const { code, reason } = refusalOf(error)
    if (this.#leftMs <= 0) this.#hangUp(code === 402 ? BALANCE_ENDED : reason)
    else this.#endAt(this.#paidMs)
  }

  /** Prepares the next step, and writes down that the call is still talked. */
  #seen(): void {
    if (this.#isOver) return
    this.entry.seenAt = this.#parts.clock.now()
    this.#parts.ledger.put(this.entry)
    this.#next?.cancel()
    this.#next = this.#parts.clock.after(this.#pauseMs(), () => void this.#ask())
  }

  #pauseMs(): number {
    const { intervalMs } = this.#parts
    const beforeDebitMs = this.#leftMs - this.#leadMs
    if (!this.#isPrepaid || this.#isLast) return intervalMs
    if (this.#isAway && this.#parts.away === 'pass') return Math.min(intervalMs, UNPAID_MS)
    return beforeDebitMs > 0 ? Math.min(beforeDebitMs, intervalMs) : AGAIN_MS
  }

  #endAt(paidMs: number): void {
    this.#end?.cancel()
    if (paidMs === Number.POSITIVE_INFINITY) return
    const leftMs = paidMs - this.#talkedMs
    const ended = () => this.#hangUp(this.#isAway ? BILLING_AWAY : BALANCE_ENDED)
    if (leftMs <= 0) ended()
    else if (leftMs <= LONGEST_MS) this.#end = this.#parts.clock.after(leftMs, ended)
  }

  #hangUp(reason: string): void {
    if (!this.#isOver) this.#parts.hangUp(reason)
  }
}
