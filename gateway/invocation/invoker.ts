import type { Action, Answer } from '../../functions/contract/actions.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import type { Invocation } from '../../functions/contract/envelope.ts'
import type { Problem } from '../../functions/contract/problem.ts'
import { validateAnswer } from '../../functions/contract/validate.ts'
import type { Log } from '../observe/log.ts'
import type { CancelSignal } from './cancellation.ts'
import type { FunctionHost, HostReply } from './host.ts'
import { createReport, type Report, type Side } from './invoker-report.ts'

/** Milliseconds. `totalMs` bounds both tries at the function; what the first one leaves belongs to the retry. */
export interface Budget {
  totalMs: number
  firstTryMs: number
}

export interface Budgets {
  invite: Budget
  other: Budget
  /** The fallback gets what is left of the budget, at least this. */
  fallbackMinMs: number
}

export const DEFAULT_BUDGETS: Budgets = {
  invite: { totalMs: 2500, firstTryMs: 1200 },
  other: { totalMs: 1500, firstTryMs: 700 },
  fallbackMinMs: 1000,
}

export interface InvokerOptions {
  primary: FunctionHost
  /** Asked once, with the same invocation, when the function has failed. */
  fallback?: FunctionHost | undefined
  /** Performed when both have failed, for a request that begins (`sip.request`) and for a call taken up again (`wait.*`). */
  staticActions?: Action[] | undefined
  clock: Clock
  /** Default `DEFAULT_BUDGETS`. */
  budgets?: Budgets
  count(series: string): void
  log: Log
}

/**
 * Makes the invocation of one try: 1, then 2 for the retry; the fallback's try counts on. Everything but `data.attempt` and
 * `data.deadline` stays the same, above all `id`, the idempotency key.
 * @param deadline milliseconds since the epoch: an answer after it is dropped
 */
export type MakeInvocation = (attempt: number, deadline: number) => Invocation

export interface InvokeRequest {
  /** SIP method: chooses the budget. */
  method: string
  /** Aborts on CANCEL. */
  signal?: CancelSignal | undefined
  /** Told of every try that fails, whoever answers in the end. */
  onTryFailed?: ((problem: Problem) => void) | undefined
}

export type InvocationResult =
  | { kind: 'answer'; answer: Answer; from: Side | 'static actions' }
  /** 204: the function does not want this request. */
  | { kind: 'none' }
  /** `signal` has aborted; the answer, if one came, is dropped. */
  | { kind: 'aborted' }
  /** Nobody answered: the caller gets 503 with Retry-After. `problem` is that of the last try. */
  | { kind: 'failed'; problem: Problem }

export interface Invoker {
  /** Always resolves, at the latest when the budget and the fallback's time are over. */
  invoke(path: string, makeInvocation: MakeInvocation, request: InvokeRequest): Promise<InvocationResult>
}

/** A try whose answer has been validated. */
type TryResult = { kind: 'answer'; answer: Answer } | Exclude<HostReply, { kind: 'answer' }>
type FailedTry = Extract<TryResult, { kind: 'problem' }>

/** One invocation on its way through the tries. */
interface Call {
  path: string
  make: MakeInvocation
  signal: CancelSignal | undefined
  onTryFailed: InvokeRequest['onTryFailed']
  /** When the function's budget is over, milliseconds since the epoch. */
  endsAt: number
  type: Invocation['type']
}

export function createInvoker(options: InvokerOptions): Invoker {
  return new LadderInvoker(options)
}

/** The function, the function once more, the fallback, the static actions: the first that answers decides. */
class LadderInvoker implements Invoker {
  readonly #options: InvokerOptions
  readonly #budgets: Budgets
  readonly #report: Report

  constructor(options: InvokerOptions) {
    this.#options = options
    this.#budgets = options.budgets ?? DEFAULT_BUDGETS
    this.#report = createReport(options)
  }

  async invoke(path: string, make: MakeInvocation, request: InvokeRequest): Promise<InvocationResult> {
    const { method, signal, onTryFailed } = request
    const { totalMs, firstTryMs } = method === 'INVITE' ? this.#budgets.invite : this.#budgets.other
    const endsAt = this.#options.clock.now() + totalMs
    const call: Call = { path, make, signal, onTryFailed, endsAt, type: 'sip.request' }
    const first = await this.#try(call, 'function', 1, firstTryMs)
    return this.#result(call, 'function', first) ?? this.#goOn(call, first as FailedTry)
  }

  /** The first try has failed. */
  async #goOn(call: Call, first: FailedTry): Promise<InvocationResult> {
    let last: TryResult = first
    let attempt = 1
    if (first.retry && this.#leftMs(call) > 0) {
      last = await this.#try(call, 'function', ++attempt, this.#leftMs(call))
      const result = this.#result(call, 'function', last)
      if (result) return result
    }
    if (this.#options.fallback) {
      last = await this.#try(call, 'fallback', ++attempt, Math.max(this.#leftMs(call), this.#budgets.fallbackMinMs))
      const result = this.#result(call, 'fallback', last)
      if (result) return result
    }
    return this.#withoutFunction(call, last as FailedTry)
  }

  #withoutFunction(call: Call, last: FailedTry): InvocationResult {
    const { staticActions } = this.#options
    if (staticActions && decidesTheCall(call.type)) return this.#report.performed(staticActions)
    return this.#report.failed(call.path, last.problem)
  }

  async #try(call: Call, side: Side, attempt: number, timeoutMs: number): Promise<TryResult> {
    const { primary, fallback, clock } = this.#options
    const host = side === 'function' ? primary : fallback!
    const invocation = call.make(attempt, clock.now() + timeoutMs)
    call.type = invocation.type
    const tried = validated(await host.invoke(call.path, invocation, { signal: call.signal, timeoutMs }))
    if (tried.kind === 'problem' && !call.signal?.aborted) {
      this.#report.tryFailed({ side, path: call.path, invocation, attempt, problem: tried.problem })
      call.onTryFailed?.(tried.problem)
    }
    return tried
  }

  /** What the caller gets, `undefined` when somebody else has to be asked. */
  #result(call: Call, side: Side, tried: TryResult): InvocationResult | undefined {
    if (call.signal?.aborted) return this.#report.aborted()
    return tried.kind === 'problem' ? undefined : this.#report.done(tried, side)
  }

  #leftMs(call: Call): number {
    return call.endsAt - this.#options.clock.now()
  }
}

function validated(reply: HostReply): TryResult {
  if (reply.kind !== 'answer') return reply
  const result = validateAnswer(reply.answer)
  return result.ok
    ? { kind: 'answer', answer: result.value }
    : { kind: 'problem', problem: result.problem, retry: true }
}

/** Static actions stand in for a routing decision; a reaction to an event that fails leaves the call as it is. */
function decidesTheCall(type: Invocation['type']): boolean {
  return type === 'sip.request' || type === 'wait.resumed' || type === 'wait.timed_out'
}
