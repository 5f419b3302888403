import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { Charge } from './charging.ts'
import type { Entry, Ledger } from './ledger.ts'
import { activeUsageMs, isTrouble, maxUsageMs, refusalOf } from './replies.ts'
import { activeRequest, type BilledCall, initiateRequest, type Request, updateRequest } from './requests.ts'
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
  onOver(entry: Entry): void
  /** Somebody else goes on with it. */
  onLeft(): void
}

/** The next debit is asked for so long before the last one is used up. */
const LEAD_MS = 5000
/** A debit that was not answered is asked for again after this, while there is time. */
const AGAIN_MS = 1000
/** And after this, while the call goes on unpaid. */
const UNPAID_MS = 10_000
/**
 * A debit that is under way when the last one is used up has so long to be answered: nobody who can pay is cut off because a process was held
 * up for a moment. The end of the session settles what was talked meanwhile.
 */
const LATE_MS = 1000
/** Timers do not reach further; nor do calls. */
const LONGEST_MS = 24 * 3_600_000
/** What another process has begun goes on so long until it is known that it is paid for: nothing is connected yet when a process begins. */
const RESUMED_MS = 30_000

const BALANCE_ENDED = 'the balance has ended'
const BILLING_AWAY = 'billing is away'

/**
 * The session of one call that was answered: begun at once, paid for piece by piece while it is prepaid, and never longer than it is paid
 * for. Its requests go out one after the other.
 */
export class Session implements Charge {
  readonly call: BilledCall
  readonly #parts: SessionParts
  /** Whether CGRateS has a session of it. */
  #state: Entry['session'] = 'none'
  /** Once it is over. */
  #entry: Entry | undefined
  /** Milliseconds from the answer that are paid for. */
  #paidMs = 0
  /** How often it was asked for. */
  #asked = 0
  #isAsking = false
  /** Another process has begun it, or a debit was not answered and may have been taken: what it stands at is to be asked first. */
  #isUnknown = false
  #isOver = false
  /** The last request was not answered. */
  #isAway = false
  /** Nothing more will be paid. */
  #isLast = false
  #end: Timer | undefined
  #next: Timer | undefined

  constructor(call: BilledCall, parts: SessionParts) {
    this.call = call
    this.#parts = parts
  }

  begin(): void {
    const { requestType, maxMs } = this.call
    if (requestType === 'pseudoprepaid' && maxMs !== undefined) this.#endAt(maxMs)
    void this.#ask()
  }

  /** Another process has begun it, and has paid at least for what was talked until `since`, milliseconds since the epoch. */
  resume(since: number): void {
    // No number that the other process has used.
    this.#asked = Math.max(1, this.#talkedMs)
    this.#isUnknown = this.call.requestType !== 'rated'
    if (this.#isUnknown) this.#state = 'unsure'
    if (this.#isPrepaid) {
      this.#paidMs = Math.max(1, since - this.call.answeredAt)
      this.#end = this.#parts.clock.after(RESUMED_MS, () => this.#hangUp(BILLING_AWAY))
    }
    this.begin()
  }

  /** The other side wants the call to end. */
  disconnect(reason: string): void {
    this.#hangUp(reason === '' ? 'ended by billing' : `ended by billing: ${reason}`)
  }

  end(endedAt: number): void {
    if (this.#isOver) return
    this.#stop()
    this.#entry = { call: this.call, session: this.#state, endedAt }
    this.#parts.ledger.put(this.#entry)
    if (!this.#isAsking) this.#parts.onOver(this.#entry)
  }

  leave(): void {
    if (this.#isOver) return
    this.#stop()
    this.#parts.onLeft()
  }

  #stop(): void {
    this.#isOver = true
    this.#end?.cancel()
    this.#next?.cancel()
  }

  #stands(state: Entry['session']): void {
    this.#state = state
    if (this.#entry) this.#entry.session = state
  }

  get #isPrepaid(): boolean {
    return this.call.requestType === 'prepaid'
  }

  get #talkedMs(): number {
    return this.#parts.clock.now() - this.call.answeredAt
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
    if (!request) return this.#prepare()
    this.#asked++
    this.#isAsking = true
    const reply = await this.#parts.rpc.call(request.method, request.param)
    this.#take(reply)
    this.#isAsking = false
    if (this.#entry) this.#parts.onOver(this.#entry)
    else this.#prepare()
  }

  /** What is due: the session itself, or a further piece of a prepaid one. To update a session that is not there begins it. */
  #request(): Request | undefined {
    const call = this.call
    const { intervalMs } = this.#parts
    if (call.requestType === 'rated') return undefined
    if (this.#isUnknown) return activeRequest(call)
    if (this.#asked === 0) return initiateRequest(call, intervalMs)
    if (!this.#isPrepaid) return this.#state === 'open' ? undefined : updateRequest(call, this.#asked, intervalMs)
    if (this.#isLast || this.#leftMs > this.#leadMs) return undefined
    return updateRequest(call, this.#asked, intervalMs + Math.max(0, -this.#leftMs))
  }

  #take(reply: Reply): void {
    const isTroubled = reply.kind === 'away' || (reply.kind === 'error' && isTrouble(reply.error))
    if (this.#isUnknown && !isTroubled) this.#recalled(reply)
    else if (reply.kind === 'result') this.#granted(maxUsageMs(reply.result) ?? 0)
    else if (reply.kind === 'away') this.#notAnswered(reply.wasSent)
    else if (isTrouble(reply.error)) this.#notAnswered(true)
    else this.#refused(reply.error)
  }

  /** What the other process has debited counts; of a session that is not there the next debit makes one. */
  #recalled(reply: Reply): void {
    const debitedMs = reply.kind === 'result' ? activeUsageMs(reply.result) : undefined
    this.#isUnknown = false
    this.#isAway = false
    this.#stands(debitedMs === undefined ? 'none' : 'open')
    this.#paidMs = Math.max(this.#paidMs, debitedMs ?? 0)
    if (this.#isPrepaid && !this.#isOver && this.#leftMs > 0) this.#endAt(this.#paidMs)
  }

  #granted(ms: number): void {
    this.#stands('open')
    this.#isAway = false
    if (!this.#isPrepaid || this.#isOver) return
    this.#paidMs += ms
    if (ms === 0) this.#isLast = true
    this.#endAt(this.#paidMs)
  }

  /** @param wasSent it may have been done: what there is now of the session is not known */
  #notAnswered(wasSent: boolean): void {
    if (wasSent || this.#state === 'open') this.#stands('unsure')
    if (wasSent) this.#isUnknown = true
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

  /** The next step. */
  #prepare(): void {
    if (this.#isOver) return
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
    // Not at once: who has just begun it does not have it in hand yet.
    const leftMs = Math.max(0, paidMs - this.#talkedMs)
    if (leftMs <= LONGEST_MS) this.#end = this.#parts.clock.after(leftMs, () => this.#usedUp())
  }

  /** Unless it is known that there is no more, it is asked for: what was paid for may have become known when it was as good as over. */
  #usedUp(): void {
    if (!this.#isPrepaid || this.#isLast) return this.#hangUp(BALANCE_ENDED)
    if (this.#isAway && !this.#isAsking) return this.#hangUp(BILLING_AWAY)
    // A call that may pass unpaid goes on until there is an answer, or none.
    if (this.#parts.away === 'refuse') this.#end = this.#parts.clock.after(LATE_MS, () => this.#hangUp(BILLING_AWAY))
    void this.#ask()
  }

  #hangUp(reason: string): void {
    if (!this.#isOver) this.#parts.hangUp(reason)
  }
}
