import { Samples, type Spread } from './samples.ts'

/** What one run of the load counted. `offered` = `completed` + all `failures`. */
export interface RunResult {
  offered: number
  completed: number
  failed: number
  /** Failures by what ended the call: a status such as `503`, or `unfinished`. */
  failures: Record<string, number>
  /** Requests the generator had to repeat after 500 ms without an answer. */
  retransmitted: number
  /** Messages the router sent twice: an INVITE to the callee, a final response to the caller. */
  repeated: number
  /** Messages that fit no call, or come in a state where none is expected. */
  unexpected: number
  /** INVITE (REGISTER) sent → the event, milliseconds. */
  ringing: Spread
  answered: Spread
  /** How late the generator itself was at worst, milliseconds. */
  lagMs: number
}

/** Counts one run; the generator has as many tallies as it has runs at the same time. */
export class Tally {
  offered = 0
  completed = 0
  retransmitted = 0
  repeated = 0
  unexpected = 0
  readonly failures: Record<string, number> = {}
  readonly ringing = new Samples()
  readonly answered = new Samples()

  get ended(): number {
    return this.completed + this.failed
  }

  get failed(): number {
    return Object.values(this.failures).reduce((sum, each) => sum + each, 0)
  }

  fail(why: string): void {
    this.failures[why] = (this.failures[why] ?? 0) + 1
  }

  /** Whatever has not ended by now has failed. */
  close(lagMs: number): RunResult {
    const unfinished = this.offered - this.ended
    if (unfinished > 0) this.failures.unfinished = unfinished
    const { offered, completed, failed, failures, retransmitted, repeated, unexpected } = this
    const spreads = { ringing: this.ringing.spread(), answered: this.answered.spread() }
    return { offered, completed, failed, failures, retransmitted, repeated, unexpected, ...spreads, lagMs }
  }
}
