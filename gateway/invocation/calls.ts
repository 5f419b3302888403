import type { Delivery } from '../../functions/store/store.ts'
import type { CallDetail, CallSummary } from '../api/types.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import { Call, type CallFacts } from './call.ts'
import { callDetail, callSummary } from './call-view.ts'
import type { CallParts } from './parts.ts'

/** How many calls that have ended are still shown to people who look. */
const REMEMBERED = 100
/** Deliveries that are handled before others get their turn: an event that wakes thousands must not hold up the rest. */
const SLICE = 64

/** The calls of this gateway that functions route. */
export class Calls {
  readonly #live = new Map<string, Call>()
  readonly #ended: Call[] = []
  readonly #parts: CallParts
  readonly #backlog: Delivery[] = []
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
    const isIdle = this.#backlog.length === 0
    for (const delivery of deliveries) this.#backlog.push(delivery)
    if (isIdle) this.#work()
  }

  #work(): void {
    for (const delivery of this.#backlog.splice(0, SLICE)) this.#live.get(delivery.transaction)?.deliver(delivery)
    if (this.#backlog.length > 0) this.#parts.clock.after(0, () => this.#work())
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
