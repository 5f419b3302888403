import { pause } from '../../functions/contract/clock.ts'
import type { Delivery, SuspendedTransaction } from '../../functions/store/store.ts'
import type { CallDetail, CallSummary } from '../api/types.ts'
import { SteadyMap } from '../transaction/steady-map.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import { Call, type CallFacts, RETRY_LATER } from './call.ts'
import { callDetail, callSummary } from './call-view.ts'
import type { CallParts } from './parts.ts'
import { type Predecessor, TakingUp } from './taking-up.ts'

/** How many calls that have ended are still shown to people who look. */
const REMEMBERED = 100
/** What is handled before others get their turn: an event that wakes thousands must not hold up the rest. */
const SLICE_MS = 2
/** Fewer than the datagrams a socket gives in one turn: what they are answered with must not pile up. */
const SLICE_DELIVERIES = 16
/** So many calls are written at once when they become this gateway's. */
const MOVED_AT_ONCE = 64
/** So many deliveries, and then what they set off, before the time is looked at. */
const STEP = 4
/** Phones that are told to ring no more have so long to say that they do not, and are looked at so often. Milliseconds. */
const LAST_WORDS_MS = 2000
const LOOK_MS = 50
/** Microtasks after which in-process functions without I/O have answered and been obeyed. */
const CONTINUATION_TURNS = 32

/** The calls of this gateway that functions route. */
export class Calls {
  readonly #live = new SteadyMap<Call>()
  readonly #ended: Call[] = []
  readonly #parts: CallParts
  readonly #takingUp: TakingUp
  #backlog: Delivery[] = []
  /** Settled once the backlog is empty; undefined while it is. */
  #delivering: Promise<void> | undefined
  #next = 0

  readonly #finished = (call: Call, hasEnded: boolean): void => {
    this.#live.delete(call.id)
    this.#parts.elsewhere.over(call, hasEnded)
    this.#ended[this.#next] = call
    this.#next = (this.#next + 1) % REMEMBERED
  }

  constructor(parts: CallParts) {
    this.#parts = parts
    this.#takingUp = new TakingUp(parts, {
      begins: (call) => void this.#live.set(call.id, call),
      writeAgain: (call) => this.#writeAgain([call]),
      finished: this.#finished,
    })
  }

  get size(): number {
    return this.#live.size
  }

  begin(server: ServerTransaction, facts: CallFacts): Call {
    const call = new Call(this.#parts, server, facts, this.#finished)
    this.#live.set(call.id, call)
    return call
  }

  /** Goes on with the calls that are this one's from now on, see TakingUp.goOn. */
  async takeUp(suspended: readonly SuspendedTransaction[], from: Predecessor): Promise<void> {
    const known = new Set(suspended.map(({ id }) => id))
    // Answered ones that were followed here while they were somebody else's, and that the store knows nothing of: they have ended, or are, there.
    for (const call of this.#callsOf(from.gateway))
      if (call.isKept && call.suspension.isHanded && !known.has(call.id)) void call.letGo()
    for (const { id, rev } of suspended) this.#live.get(id)?.suspension.isAt(rev)
    await this.#takingUp.goOn(
      suspended.filter(({ id }) => !this.#live.has(id)),
      from,
    )
  }

  /** Nobody goes on with these: what is known of those that were talked on is told. */
  bury(suspended: readonly SuspendedTransaction[], lastSeen: number): void {
    this.#takingUp.bury(suspended, lastSeen)
  }

  /**
   * Whether the process could end without losing a call.
   * @param areKept a store keeps what rings for the next process, or another one
   */
  canStop(areKept: boolean): boolean {
    for (const { context, request, invocations } of this.#live.values()) {
      const isPending = context.finalStatus === 0
      if (isPending && (!areKept || request.method !== 'INVITE' || invocations.isBusy)) return false
    }
    return true
  }

  /**
   * Nobody goes on with what is not answered: callers hear that they may try again, and phones that they need not ring any more. These have a
   * moment to say that they do not.
   */
  async giveUp(): Promise<void> {
    const { clock } = this.#parts
    const pending = [...this.#live.values()]
      .map(({ context }) => context)
      .filter(({ finalStatus }) => finalStatus === 0)
    for (const context of pending) context.respondLocally(503, undefined, RETRY_LATER)
    const deadline = clock.now() + LAST_WORDS_MS
    while (pending.some(({ hasLiveBranch }) => hasLiveBranch) && clock.now() < deadline) await pause(clock, LOOK_MS)
  }

  /** Calls that nobody has suspended so far are written down as well. */
  keep(): void {
    for (const { context, request, suspension } of this.#live.values())
      if (context.finalStatus === 0 && request.method === 'INVITE') suspension.keep()
  }

  /** The store has lost what it had of them: every suspended call is written again, whole, and what is known of answered ones. */
  writeAgain(): void {
    const { count, log, elsewhere } = this.#parts
    const suspended = [...this.#live.values()].filter((call) => call.isStored)
    count('store losses')
    log.warn('the store has lost something, suspended calls are written again', { calls: suspended.length })
    this.#writeAgain(suspended)
    elsewhere.writeAgain()
  }

  #writeAgain(calls: readonly Call[]): void {
    const suspensions = calls.map(({ suspension }) => suspension)
    for (const suspension of suspensions) suspension.lost()
    this.#parts.writing.addAll(suspensions)
  }

  /** The process is to end: suspended calls are left to the next one as they are now, whatever becomes of them here. */
  async stop(): Promise<void> {
    for (const call of this.#live.values()) call.leave()
    await Promise.all([...this.#live.values()].map((call) => call.freeze()))
  }

  /**
   * The calls of that gateway are another process's from now on, but for those that people talk on by way of this one: where these are is told.
   * @param isTaken that process has them already, and goes on with those of them, too, that the store knows of
   */
  async letGo(gateway: string, isTaken: boolean): Promise<void> {
    const isOwn = gateway === this.#parts.gatewayId
    const calls = this.#callsOf(gateway)
    const isLeft = (call: Call) => call.isOthers || (isTaken && !isOwn && call.suspension.isHanded)
    const others = calls.filter((call) => call.context.finalStatus === 0 || isLeft(call))
    await Promise.all(others.map((call) => call.letGo()))
    if (isOwn) return
    const answered = calls.filter((call) => call.dialogs.length > 0)
    for (let first = 0; first < answered.length; first += MOVED_AT_ONCE)
      await Promise.all(answered.slice(first, first + MOVED_AT_ONCE).map((call) => call.stay()))
  }

  hasCallsOf(gateway: string): boolean {
    for (const call of this.#live.values()) if (call.gateway === gateway) return true
    return false
  }

  #callsOf(gateway: string): Call[] {
    return [...this.#live.values()].filter((call) => call.gateway === gateway)
  }

  /**
   * Events for waiting calls, from the store's inbox. Settled once they have changed the calls they are for, and these are written: another
   * process can then do without them.
   */
  async deliver(deliveries: readonly Delivery[]): Promise<void> {
    for (const delivery of deliveries) this.#backlog.push(delivery)
    this.#delivering ??= this.#work()
    await this.#delivering
    const met = new Set(deliveries.map(({ transaction }) => this.#live.get(transaction)))
    await Promise.all([...met].map((call) => call?.written()))
  }

  /** The backlog, slice by slice: each waits until sockets have been served. */
  async #work(): Promise<void> {
    for (;;) {
      const slice = this.#backlog.splice(0, SLICE_DELIVERIES)
      const done = await this.#deliverSlice(slice)
      if (done < slice.length) this.#backlog = slice.slice(done).concat(this.#backlog)
      if (this.#backlog.length === 0) break
      await pause(this.#parts.clock, 0)
    }
    this.#delivering = undefined
  }

  /** Also the time counts that is spent on what the deliveries set off. @returns how many had their turn */
  async #deliverSlice(slice: readonly Delivery[]): Promise<number> {
    const { clock } = this.#parts
    const endsAt = clock.now() + SLICE_MS
    let done = 0
    while (done < slice.length) {
      this.#deliverOne(slice[done++]!)
      if (done % STEP !== 0) continue
      for (let turn = 0; turn < CONTINUATION_TURNS; turn++) await undefined
      if (clock.now() >= endsAt) break
    }
    return done
  }

  /** A bug that one delivery meets must not cost the others theirs. */
  #deliverOne(delivery: Delivery): void {
    try {
      const call = this.#live.get(delivery.transaction)
      if (call) call.deliver(delivery)
      else this.#parts.farewells.deliver(delivery)
    } catch (error) {
      this.#parts.onBug(error)
    }
  }

  /** Newest first: those under way, then those that ended last. */
  list(limit: number): CallSummary[] {
    return this.#newestFirst().slice(0, limit).map(callSummary)
  }

  /** A call by its transaction's id or its Call-ID. */
  get(id: string): CallDetail | undefined {
    const call = this.#live.get(id) ?? this.#newestFirst().find((each) => each.id === id || each.request.callId === id)
    return call && callDetail(call)
  }

  #newestFirst(): Call[] {
    const ended = [...this.#ended.slice(this.#next), ...this.#ended.slice(0, this.#next)].reverse()
    return [...[...this.#live.values()].reverse(), ...ended]
  }
}
