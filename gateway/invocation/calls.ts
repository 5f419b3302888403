import type { Delivery } from '../../functions/store/store.ts'
import type { ServerTransaction } from '../transaction/types.ts'
import { branchData, Call, type CallFacts } from './call.ts'
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

  /** One line a call: those under way, then those that ended last. */
  list(): Record<string, unknown>[] {
    return [...this.#live.values(), ...this.#ended].map(summary)
  }

  /** A call by its transaction id or its Call-ID, with its timeline and what it waits for. */
  find(id: string): Record<string, unknown> | undefined {
    for (const call of [...this.#live.values(), ...this.#ended]) {
      if (call.id === id || call.request.callId === id) return details(call)
    }
    return undefined
  }
}

function summary(call: Call): Record<string, unknown> {
  return {
    id: call.id,
    callId: call.request.callId,
    method: call.request.method,
    from: call.request.from?.uri ?? '',
    to: call.uri,
    state: stateOf(call),
    status: call.context.finalStatus,
    startedAt: new Date(call.startedAt).toISOString(),
    branches: call.context.branches.length,
    waits: call.interests.waits.size,
    subscriptions: call.interests.subscriptions.size,
    annotations: Object.fromEntries(call.annotations),
  }
}

function stateOf(call: Call): string {
  if (call.dialogs.length > 0) return 'answered'
  if (call.context.finalStatus !== 0) return 'ended'
  return call.interests.waits.size > 0 || call.isHalted ? 'suspended' : 'proceeding'
}

function details(call: Call): Record<string, unknown> {
  const { interests } = call
  return {
    ...summary(call),
    branches: call.context.branches.map(branchData),
    waits: [...interests.waits.values()].map(({ name, forks, subscriptions }) => ({ name, forks, subscriptions })),
    subscriptions: [...interests.subscriptions.values()].map(({ id, action, fired, expiresAt }) => ({
      id,
      event: action.event,
      filter: action.filter ?? {},
      handler: action.handler ?? null,
      fired,
      expiresAt: new Date(expiresAt).toISOString(),
    })),
    timeline: call.timeline.map(({ at, what }) => ({ at: new Date(at).toISOString(), what })),
  }
}
