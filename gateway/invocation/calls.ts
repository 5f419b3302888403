import type { Delivery } from '../../functions/store/store.ts'
import type { CallDetail, CallSummary } from '../api/types.ts'
import { SteadyMap } from '../transaction/steady-map.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import { Call, type CallFacts } from './call.ts'
import { callDetail, callSummary } from './call-view.ts'
import type { CallParts } from './parts.ts'

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
  #isDelivering = false
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

  readonly #finished = (call: Call): void => {
    this.#live.delete(call.id)
    this.#ended[this.#next] = call
    this.#next = (this.#next + 1) % REMEMBERED
  }

  /** Events for waiting calls, from the store's inbox. */
  deliver(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.#backlog.push(delivery)
    if (!this.#isDelivering) this.#work()
  }

  /** One slice of the backlog; the next one waits until sockets have been served. */
  #work(): void {
    const slice = this.#backlog.splice(0, SLICE_DELIVERIES)
    this.#isDelivering = true
    void this.#deliverSlice(slice).then((done) => {
      if (done < slice.length) this.#backlog = slice.slice(done).concat(this.#backlog)
      this.#isDelivering = this.#backlog.length > 0
      if (this.#isDelivering) this.#parts.clock.after(0, () => this.#work())
    })
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
      this.#live.get(delivery.transaction)?.deliver(delivery)
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
