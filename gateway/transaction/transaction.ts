import type { SipMessage } from '../sip/message.ts'
import type { TransportLayer } from '../transport/types.ts'
import type { Durations } from './durations.ts'
import { type Machine, type Row, step } from './machine.ts'
import type { TimerHandle, TimerOwner, TimerQueue } from './timer-queue.ts'

/** What all transactions of one layer share. */
export interface Shared {
  readonly transport: TransportLayer
  readonly timers: TimerQueue
  readonly unreliable: Durations
  readonly reliable: Durations
  /** Timers of this layer's transactions that are running. */
  runningTimers: number
  /** Counts what no table expects. */
  surprise(name: string): void
}

/**
 * One machine at work: its state and its timers, of which at most one repeats a message and one ends something.
 * Who extends it performs the effects.
 */
export abstract class Transaction<
  State extends string,
  Input extends string,
  Effect extends string,
  Host extends Shared = Shared,
> implements TimerOwner<Input | 'failed'>
{
  state: State
  protected readonly host: Host
  protected readonly durations: Durations
  readonly #machine: Machine<State, Input | 'failed', Effect>
  #interval: number | undefined = undefined
  #repeating: TimerHandle | undefined = undefined
  #ending: TimerHandle | undefined = undefined
  #failing: TimerHandle | undefined = undefined

  constructor(host: Host, machine: Machine<State, Input | 'failed', Effect>, state: State, transport: string) {
    this.state = state
    this.host = host
    this.durations = transport === 'udp' ? host.unreliable : host.reliable
    this.#machine = machine
  }

  onTimer(kind: Input | 'failed'): void {
    this.host.runningTimers--
    if (kind === 'failed') this.#failing = undefined
    this.input(kind)
  }

  /** Performs one of the machine's effects; `message` and `text` belong to the input. */
  protected abstract perform(effect: Effect, message: SipMessage | undefined, text: string | undefined): void

  /** Says which table is meant when an input has no row in it. */
  protected abstract readonly tableName: string

  /** Takes one input through the table. Returns its row, `undefined` for a surprise. */
  input(input: Input | 'failed', message?: SipMessage, text?: string): Row<State, Effect> | undefined {
    const row = step(this.#machine, this.state, input)
    if (row === undefined) {
      this.host.surprise(`${this.tableName}: ${input} in ${this.state}`)
      return undefined
    }
    if (row.to !== undefined) this.state = row.to
    if (row.do !== undefined) for (const effect of row.do) this.perform(effect, message, text)
    return row
  }

  /** The next repetition: after the first interval, then twice the last one up to `capMs`. Never over a reliable transport. */
  protected startRepeating(kind: Input, capMs: number): void {
    const { retransmit } = this.durations
    if (retransmit !== undefined) {
      this.startRepeatingIn(kind, this.#interval === undefined ? retransmit : Math.min(2 * this.#interval, capMs))
    }
  }

  protected startRepeatingIn(kind: Input, ms: number): void {
    this.#interval = ms
    this.#repeating = this.#start(kind, ms)
  }

  protected stopRepeating(): void {
    this.#stop(this.#repeating)
    this.#repeating = undefined
  }

  protected startEnding(kind: Input, ms: number): void {
    this.#ending = this.#start(kind, ms)
  }

  protected stopEnding(): void {
    this.#stop(this.#ending)
    this.#ending = undefined
  }

  /** What would end it ends it in `ms` instead: the time of a transaction that was taken up began before. */
  protected endIn(ms: number): void {
    const kind = this.#ending?.kind as Input | undefined
    if (kind === undefined) return
    this.stopEnding()
    this.startEnding(kind, ms)
  }

  /** Gives the input `failed` in the next turn: transports report failures at any time, also while they are called. */
  protected failSoon(): void {
    if (this.state !== 'terminated' && !this.#failing) this.#failing = this.#start('failed', 0)
  }

  protected stopAll(): void {
    this.stopRepeating()
    this.stopEnding()
    this.#stop(this.#failing)
    this.#failing = undefined
  }

  #start(kind: Input | 'failed', ms: number): TimerHandle {
    this.host.runningTimers++
    return this.host.timers.start(ms, this, kind)
  }

  #stop(handle: TimerHandle | undefined): void {
    if (this.host.timers.stop(handle)) this.host.runningTimers--
  }
}
