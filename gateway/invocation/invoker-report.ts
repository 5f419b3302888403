import type { Action, Answer } from '../../functions/contract/actions.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import type { Invocation } from '../../functions/contract/envelope.ts'
import { PROBLEMS, type Problem } from '../../functions/contract/problem.ts'
import { series } from '../observe/counters.ts'
import type { Log, LogFields } from '../observe/log.ts'
import type { InvocationResult } from './invoker.ts'

/** Who was asked. */
export type Side = 'function' | 'fallback'
/** Where an answer that the function has given before comes from: asked for at once, or because it fails now. */
export type Kept = 'cache' | 'stale cache'

export interface FailedTry {
  side: Side
  path: string
  invocation: Invocation
  attempt: number
  problem: Problem
}

/** Counts and logs what becomes of invocations, and words their results. */
export interface Report {
  done(result: { kind: 'answer'; answer: Answer } | { kind: 'none' }, side: Side): InvocationResult
  performed(actions: Action[]): InvocationResult
  kept(answer: Answer, from: Kept): InvocationResult
  /** `cacheFor` counts for nothing, and why. */
  notKept(path: string, why: string): void
  aborted(): InvocationResult
  failed(path: string, problem: Problem): InvocationResult
  tryFailed(failed: FailedTry): void
}

const ANSWERED = { function: result('answer', 'function'), fallback: result('answer', 'fallback') }
const NONE = { function: result('none', 'function'), fallback: result('none', 'fallback') }
const STATIC = result('answer', 'static actions')
const KEPT = { 'cache': result('answer', 'cache'), 'stale cache': result('answer', 'stale cache') }
const ABORTED = result('aborted', 'nobody')
const FAILED = result('failed', 'nobody')
const TRY_FAILED = new Map(Object.keys(PROBLEMS).map((code) => [code, series('invocation_tries_failed', { code })]))

export function createReport(options: { clock: Clock; log: Log; count(series: string): void }): Report {
  const { count, log } = options
  const warn = limited(options.clock, log)
  return {
    done(result, side) {
      count((result.kind === 'none' ? NONE : ANSWERED)[side])
      return result.kind === 'none' ? result : { kind: 'answer', answer: result.answer, from: side }
    },
    performed(actions) {
      count(STATIC)
      return { kind: 'answer', answer: { actions }, from: 'static actions' }
    },
    kept(answer, from) {
      count(KEPT[from])
      return { kind: 'answer', answer, from }
    },
    notKept(path, why) {
      count('decisions_not_kept')
      warn('an answer with cacheFor or staleIfError is not kept', { path, why })
    },
    aborted() {
      count(ABORTED)
      return { kind: 'aborted' }
    },
    failed(path, problem) {
      count(FAILED)
      // That the circuit is open has been said when it opened.
      if (problem.code !== 'handler.circuit_open') warn('no function answered', { path, ...problem })
      return { kind: 'failed', problem }
    },
    tryFailed({ side, path, invocation, attempt, problem }) {
      count(TRY_FAILED.get(problem.code)!)
      const { id, type, data } = invocation
      warn(`${side} failed: ${problem.code}`, { path, id, type, attempt, callId: data.call.callId, ...problem })
    },
  }
}

function result(kind: string, by: string): string {
  return series('invocations', { result: kind, by })
}

const WINDOW_MS = 1000

/** Each message once a second, with how many were left out since: a function that is down must not fill the disk. */
function limited(clock: Clock, log: Log): (message: string, fields: LogFields) => void {
  const windows = new Map<string, { since: number; omitted: number }>()
  return (message, fields) => {
    const now = clock.now()
    const window = windows.get(message)
    if (window && now - window.since < WINDOW_MS) {
      window.omitted++
      return
    }
    windows.set(message, { since: now, omitted: 0 })
    log.warn(message, window?.omitted ? { ...fields, omitted: window.omitted } : fields)
  }
}
