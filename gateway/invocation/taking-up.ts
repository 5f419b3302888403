import { pause } from '../../functions/contract/clock.ts'
import type { SuspendedTransaction } from '../../functions/store/store.ts'
import { flowOf } from '../proxy/state.ts'
import { buildResponse, reasonPhrase, receivedOf } from '../sip/build.ts'
import { readMessage } from '../sip/message.ts'
import { answered } from '../transaction/answered.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import { Call, RETRY_LATER } from './call.ts'
import type { CallParts } from './parts.ts'
import { type Beginning, type CallRecord, readRecord } from './record.ts'
import { takeUp } from './take-up.ts'

/** Who had the calls before. */
export interface Predecessor {
  gateway: string
  /** See Store.lastSeen. */
  lastSeen: number
  /** See Sight: no later than that. */
  followedUntil: number
  /** It does not go on with any of them. */
  hasLeft: boolean
}

export interface TakingUpOwner {
  begins(call: Call): void
  readonly finished: (call: Call, hasEnded: boolean) => void
  /** The store is to have it as it is now. */
  writeAgain(call: Call): void
}

/** After so long others have their turn: thousands of calls that are adopted must not hold up those that are here. Milliseconds. */
const SLICE_MS = 5

/** Calls that were suspended, or talked on, when the process that had them ended. */
export class TakingUp {
  readonly #parts: CallParts
  readonly #owner: TakingUpOwner

  constructor(parts: CallParts, owner: TakingUpOwner) {
    this.#parts = parts
    this.#owner = owner
  }

  /**
   * Goes on with them. One that cannot be read costs only itself; the others are written down as they are now, so that whatever keeps track of
   * what this process has written knows them. Its own are taken up in one turn: no request comes between them.
   */
  async goOn(suspended: readonly SuspendedTransaction[], from: Predecessor): Promise<void> {
    const { clock, gatewayId } = this.#parts
    let order = 0
    let endsAt = clock.now() + SLICE_MS
    for (const stored of suspended) {
      if (this.#isOther(stored)) continue
      if (from.gateway !== gatewayId && clock.now() >= endsAt) {
        await pause(clock, 0)
        endsAt = clock.now() + SLICE_MS
      }
      const read = readRecord(stored.state)
      try {
        if (read.ok) this.#takeUp(stored, read.record, { ...from, order: order++ })
        else this.#lose(stored, read.why, read.beginning)
      } catch (error) {
        this.#lose(stored, String(error), read.ok ? read.record : undefined)
      }
    }
  }

  /** What is known of those that were talked on is told; nobody waits for the others any more. */
  bury(suspended: readonly SuspendedTransaction[], lastSeen: number): void {
    for (const stored of suspended) {
      const read = readRecord(stored.state)
      try {
        if (read.ok && read.record.talk) this.#tellLost(stored, read.record, lastSeen)
        else this.#release(stored)
      } catch (error) {
        this.#parts.onBug(error)
      }
    }
  }

  /** Whether it is no call, but one of the other things that are kept as such. */
  #isOther(stored: SuspendedTransaction): boolean {
    const { farewells, elsewhere } = this.#parts
    return farewells.takeUp(stored) || elsewhere.takeUp(stored)
  }

  #takeUp(stored: SuspendedTransaction, record: CallRecord, from: Predecessor & { order: number }): void {
    const { gatewayId, elsewhere, log, count, onBug } = this.#parts
    if (record.proxy.finalStatus !== 0 && !record.talk) return this.#release(stored)
    const server = record.talk ? this.#answered(record) : this.#takeUpServer(record, record.startedAt)
    if (server === 'over') return this.#release(stored)
    if (typeof server === 'string') return this.#lose(stored, server, undefined)
    const call = this.#begin(stored, record, server)
    count('resumed calls')
    if (stored.gateway !== gatewayId) count('adopted calls')
    log.info('call taken up', {
      callId: stored.callId,
      waits: record.waits.length,
      branches: record.proxy.branches.length,
      dialogs: record.talk?.dialogs.length ?? 0,
    })
    try {
      takeUp(call, record, { rev: stored.rev, ...from })
      if (call.isOthers) return
      this.#owner.writeAgain(call)
      void elsewhere.tell(call)
    } catch (error) {
      onBug(error)
      call.context.respondLocally(500)
    }
  }

  #begin({ id, gateway }: SuspendedTransaction, { facts, startedAt }: CallRecord, server: ServerTransaction): Call {
    const call = new Call(this.#parts, server, facts, this.#owner.finished, {
      id,
      gateway,
      startedAt,
    })
    this.#owner.begins(call)
    return call
  }

  #tellLost(stored: SuspendedTransaction, record: CallRecord, lastSeen: number): void {
    const { count, log } = this.#parts
    const server = this.#answered(record)
    if (typeof server === 'string') return this.#lose(stored, server, undefined)
    count('answered calls lost')
    log.warn('a call was talked on when its gateway went for good', { callId: stored.callId })
    const call = this.#begin(stored, record, server)
    takeUp(
      call,
      { ...record, jobs: [], works: [] },
      {
        ...{ rev: stored.rev, lastSeen, followedUntil: lastSeen },
        ...{ hasLeft: true, order: 0 },
      },
    )
    call.lost()
  }

  /** The transaction of a call that is talked on; a text says why there is none. */
  #answered({ request, flow }: Beginning): ServerTransaction | string {
    const { transport } = this.#parts.hangup
    const read = readMessage(request)
    if (!read.ok) return 'request: cannot be read'
    // Nothing is said to the caller by it: it matters little that this gateway may have no listener of that transport.
    const { transport: name, address: remoteAddress, port: remotePort } = flow
    const unreachable = { transport: name, remoteAddress, remotePort, listener: transport.listeners[0]!, connection: 0 }
    return answered(read.message, flowOf(flow, transport) ?? unreachable)
  }

  /** The caller's transaction; `over` when he has given up by now, or goes on otherwise; any other text says why there is none. */
  #takeUpServer({ request, flow, lastResponse }: Beginning, startedAt: number): ServerTransaction | string {
    const { transactions, transport } = this.#parts.hangup
    const read = readMessage(request)
    const from = flowOf(flow, transport)
    if (!read.ok) return 'request: cannot be read'
    if (!from) return 'flow: no listener to answer from'
    const leftMs = startedAt + transactions.patienceMs - this.#parts.clock.now()
    if (read.message.method !== 'INVITE' && leftMs <= 0) return 'over'
    const progress = { isProceeding: lastResponse !== undefined, leftMs }
    const server = transactions.takeUpServer(read.message, from, lastResponse, progress)
    // He had heard nothing, and has begun anew here.
    return server ?? (lastResponse === undefined ? 'over' : 'request: is answered already')
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
}
