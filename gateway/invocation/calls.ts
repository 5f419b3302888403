import { pause } from '../../functions/contract/clock.ts'
import type { Delivery, SuspendedTransaction } from '../../functions/store/store.ts'
import type { CallDetail, CallSummary } from '../api/types.ts'
import { flowOf } from '../proxy/state.ts'
import { buildResponse, reasonPhrase, receivedOf } from '../sip/build.ts'
import { readMessage } from '../sip/message.ts'
import { SteadyMap } from '../transaction/steady-map.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import { Call, type CallFacts, RETRY_LATER } from './call.ts'
import { callDetail, callSummary } from './call-view.ts'
import type { CallParts } from './parts.ts'
import { type Beginning, type CallRecord, readRecord } from './record.ts'
import { takeUp } from './take-up.ts'

/** How many calls that have ended are still shown to people who look. */
const REMEMBERED = 100
/** What is handled before others get their turn: an event that wakes thousands must not hold up the rest. */
const SLICE_MS = 2
/** Fewer than the datagrams a socket gives in one turn: what they are answered with must not pile up. */
const SLICE_DELIVERIES = 16
/** So many deliveries, and then what they set off, before the time is looked at. */
const STEP = 4
/** Microtasks after which in-process functions without I/O have answered and been obeyed. */
const CONTINUATION_TURNS = 32

/** The calls of this gateway that functions route. */
export class Calls {
  readonly #live = new SteadyMap<Call>()
  readonly #ended: Call[] = []
  readonly #parts: CallParts
  #backlog: Delivery[] = []
  /** Settled once the backlog is empty; undefined while it is. */
  #delivering: Promise<void> | undefined
  #next = 0

  constructor(parts: CallParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#live.size
  }

  begin(server: ServerTransaction, facts: CallFacts): Call {
    const call = new Call(this.#parts, server, facts, this.#finished)
    this.#live.set(call.id, call)
    return call
  }

  /**
   * Goes on with the calls that were suspended when this gateway was last at work, or one whose calls are this one's now. One that cannot be
   * read costs only itself; the others are written down as they are now, so that whatever keeps track of what this process has written knows
   * them.
   * @param lastSeen see Store.lastSeen
   */
  takeUp(suspended: readonly SuspendedTransaction[], lastSeen: number): void {
    for (const stored of suspended) {
      if (this.#live.has(stored.id) || this.#isOther(stored, lastSeen)) continue
      const read = readRecord(stored.state)
      try {
        if (read.ok) this.#takeUpOne(stored, read.record, lastSeen)
        else this.#lose(stored, read.why, read.beginning)
      } catch (error) {
        this.#lose(stored, String(error), read.ok ? read.record : undefined)
      }
    }
  }

  /** Whether it is no suspended call, but one of the other things that are kept as such. */
  #isOther(stored: SuspendedTransaction, lastSeen: number): boolean {
    const { farewells, elsewhere, talks } = this.#parts
    return farewells.takeUp(stored) || elsewhere.takeUp(stored) || talks?.takeUp(stored, lastSeen) === true
  }

  #takeUpOne(stored: SuspendedTransaction, record: CallRecord, lastSeen: number): void {
    const { log, count } = this.#parts
    // Its dialog goes on without us: requests within it find their way by Record-Route.
    if (record.proxy.finalStatus !== 0) return this.#release(stored)
    const server = this.#takeUpServer(record, record.startedAt)
    if (server === 'over') return this.#release(stored)
    if (typeof server === 'string') return this.#lose(stored, server, undefined)
    const before = { id: stored.id, gateway: stored.gateway, startedAt: record.startedAt }
    const call = new Call(this.#parts, server, record.facts, this.#finished, before)
    this.#live.set(call.id, call)
    count('resumed calls')
    if (stored.gateway !== this.#parts.gatewayId) count('adopted calls')
    log.info('call taken up', {
      callId: stored.callId,
      waits: record.waits.length,
      branches: record.proxy.branches.length,
    })
    try {
      takeUp(call, record, stored.rev, lastSeen)
      this.#writeAgain([call])
    } catch (error) {
      this.#parts.onBug(error)
      call.context.respondLocally(500)
    }
  }

  /** The caller's transaction; `over` when he has given up by now, any other text says why there is none. */
  #takeUpServer({ request, flow, lastResponse }: Beginning, startedAt: number): ServerTransaction | string {
    const { transactions, transport } = this.#parts.hangup
    const read = readMessage(request)
    const from = flowOf(flow, transport)
    if (!read.ok) return 'request: cannot be read'
    if (!from) return 'flow: no listener to answer from'
    const leftMs = startedAt + transactions.patienceMs - this.#parts.clock.now()
    if (read.message.method !== 'INVITE' && leftMs <= 0) return 'over'
    const progress = { isProceeding: lastResponse !== undefined, leftMs }
    return transactions.takeUpServer(read.message, from, lastResponse, progress) ?? 'request: is answered already'
  }

  /** What cannot be taken up is told once; its caller, when there is a way, hears that he has to try again. */
  #lose(stored: SuspendedTransaction, why: string, beginning: Beginning | undefined): void {
    const { clock, count, ids, log } = this.#parts
    count('suspended calls lost')
    log.error('a suspended call cannot be taken up', { callId: stored.callId, transaction: stored.id, why })
    this.#release(stored)
    const server = beginning && this.#takeUpServer(beginning, clock.now())
    if (server === undefined || typeof server === 'string') return
    const { request, flow } = server
    const received = receivedOf(request, flow.remoteAddress, flow.remotePort)
    const options = { toTag: ids.next('tag'), received, ...RETRY_LATER }
    server.respond(buildResponse(request, 503, reasonPhrase(503), options), 503)
  }

  #release({ id, callId, rev }: SuspendedTransaction): void {
    this.#parts.store.release(id, rev).catch((error: unknown) => {
      this.#parts.count('store failures')
      this.#parts.log.error('a suspended call could not be released', { callId, error: String(error) })
    })
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

  /** Calls that nobody has suspended so far are written down as well. */
  keep(): void {
    for (const { context, request, suspension } of this.#live.values())
      if (context.finalStatus === 0 && request.method === 'INVITE') suspension.keep()
  }

  /** The store has lost what it had of them: every suspended call is written again, whole, and what is known of answered ones. */
  writeAgain(): void {
    const { count, log, talks, elsewhere } = this.#parts
    const suspended = [...this.#live.values()].filter((call) => call.isStored)
    count('store losses')
    log.warn('the store has lost something, suspended calls are written again', { calls: suspended.length })
    this.#writeAgain(suspended)
    talks?.writeAgain()
    elsewhere.writeAgain()
  }

  #writeAgain(calls: readonly Call[]): void {
    const suspensions = calls.map(({ suspension }) => suspension)
    for (const suspension of suspensions) suspension.lost()
    this.#parts.writing.addAll(suspensions)
  }

  /** The process is to end: suspended calls are left to the next one as they are now, whatever becomes of them here. */
  async stop(): Promise<void> {
    this.#parts.talks?.stop()
    for (const call of this.#live.values()) call.leave()
    await Promise.all([...this.#live.values()].map((call) => call.freeze()))
  }

  /** The calls of that gateway are another process's from now on, but for those that were answered here: where these are is told. */
  async letGo(gateway: string): Promise<void> {
    this.#parts.talks?.letGo(gateway)
    const calls = this.#callsOf(gateway)
    await Promise.all(calls.filter(({ context }) => context.finalStatus === 0).map((call) => call.letGo()))
    if (gateway === this.#parts.gatewayId) return
    const answered = calls.filter(({ dialogs }) => dialogs.length > 0)
    await this.#parts.elsewhere.tell(
      gateway,
      answered.map(({ id, request }) => ({ id, callId: request.callId })),
    )
  }

  hasCallsOf(gateway: string): boolean {
    for (const call of this.#live.values()) if (call.gateway === gateway) return true
    return this.#parts.talks?.waitsFor(gateway) === true
  }

  #callsOf(gateway: string): Call[] {
    return [...this.#live.values()].filter((call) => call.gateway === gateway)
  }

  readonly #finished = (call: Call): void => {
    this.#live.delete(call.id)
    this.#parts.elsewhere.over(call.id)
    this.#ended[this.#next] = call
    this.#next = (this.#next + 1) % REMEMBERED
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
