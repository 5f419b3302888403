import type { Clock } from '../../functions/contract/clock.ts'
import { series } from '../observe/counters.ts'
import type { Log } from '../observe/log.ts'
import { Breaker, type BreakerOptions } from './breaker.ts'
import type { BreakerState } from './breaker-table.ts'
import type { FunctionHost, HostReply, InvokeOptions } from './host.ts'
import { CIRCUIT_OPEN } from './invoker-reply.ts'
import type { Side } from './invoker-report.ts'
import { Places, type PlacesOptions } from './places.ts'
import { retryAfterMs } from './retry.ts'

export interface GuardOptions {
  side: Side
  breaker: BreakerOptions
  places: PlacesOptions
  clock: Clock
  count(series: string): void
  /** A value that is read when somebody looks. */
  gauge(series: string, read: () => number): void
  log: Log
}

/** What a try holds until it has ended. Negative: there is none. */
export type Ticket = number
export const NO_TICKET: Ticket = -1

const REFUSALS = ['handler.circuit_open', 'handler.overloaded'] as const
const STATES: Record<BreakerState, number> = { 'closed': 0, 'half-open': 1, 'open': 2 }

/** What stands before one function host: its circuit breaker, and so many places. */
export class Guard {
  readonly host: FunctionHost
  readonly side: Side
  readonly #options: GuardOptions
  readonly #breaker: Breaker
  readonly #places: Places
  readonly #refusals: ReadonlyMap<string, string>
  /** When the circuit has opened after it was closed, milliseconds since the epoch. */
  #brokenAt: number | undefined
  #lastProblem = ''

  constructor(host: FunctionHost, options: GuardOptions) {
    const { side, clock, gauge } = options
    this.host = host
    this.side = side
    this.#options = options
    this.#breaker = new Breaker(options.breaker, clock, (to) => this.#changed(to))
    this.#places = new Places(options.places, clock)
    this.#refusals = new Map(REFUSALS.map((code) => [code, series('function_refused', { host: side, code })]))
    gauge(series('function_circuit', { host: side }), () => STATES[this.#breaker.state])
    gauge(series('function_running', { host: side }), () => this.#places.running)
    gauge(series('function_queue', { host: side }), () => this.#places.waiting)
  }

  /** The everyday way in. @returns `NO_TICKET`: not so, see `comeIn` */
  enter(): Ticket {
    const breaker = this.#breaker
    return breaker.state === 'closed' && this.#places.take() ? breaker.epoch : NO_TICKET
  }

  /** The other way in: as a probe, or after waiting for a place. @returns the refusal when there is no way */
  async comeIn(options: InvokeOptions): Promise<Ticket | HostReply> {
    const ticket = this.#breaker.admit()
    if (ticket === undefined) return this.#refused(CIRCUIT_OPEN)
    if (this.#places.take()) return ticket
    const refusal = await this.#places.wait(options)
    if (refusal === undefined) return ticket
    this.#breaker.abandoned(ticket)
    return this.#refused(refusal)
  }

  /** The try has ended. Its place goes to nobody when it was the one that has opened the circuit. */
  leave(ticket: Ticket, reply: HostReply): void {
    this.#learn(ticket, reply)
    this.#places.free()
  }

  #learn(ticket: Ticket, reply: HostReply): void {
    if (reply.kind !== 'problem') return this.#breaker.succeeded(ticket)
    if (reply.problem.code === 'transaction.gone') return this.#breaker.abandoned(ticket)
    if (!saysThatItIsAway(reply)) return this.#breaker.succeeded(ticket)
    this.#lastProblem = `${reply.problem.code}: ${reply.problem.detail}`
    this.#breaker.failed(ticket, retryAfterMs(reply.retryAfter, this.#options.clock.now()))
  }

  #refused(reply: HostReply): HostReply {
    const counted = reply.kind === 'problem' && this.#refusals.get(reply.problem.code)
    if (counted) this.#options.count(counted)
    return reply
  }

  /** Told once when it breaks and once when it is whole again, however often it is probed in between. */
  #changed(to: BreakerState): void {
    const { side, log, clock, count } = this.#options
    count(series('function_circuit_changes', { host: side, to }))
    if (to === 'open') this.#places.turnAway(CIRCUIT_OPEN)
    if (to === 'open' && this.#brokenAt === undefined) {
      this.#brokenAt = clock.now()
      log.warn(`${side}: circuit opened, it is not asked for a while`, { problem: this.#lastProblem })
    } else if (to === 'closed' && this.#brokenAt !== undefined) {
      log.info(`${side}: circuit closed, it is asked again`, { afterMs: clock.now() - this.#brokenAt })
      this.#brokenAt = undefined
    }
  }
}

const AWAY: ReadonlySet<string> = new Set(['handler.timeout', 'handler.unreachable', 'handler.threw'])

/** Others would fare alike. What is wrong with one request, or one answer, says that the function is there. */
function saysThatItIsAway({ status, problem }: Extract<HostReply, { kind: 'problem' }>): boolean {
  return status === undefined ? AWAY.has(problem.code) : status >= 500 || status === 429 || status === 408
}
