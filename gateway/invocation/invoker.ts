import type { Action, Answer } from '../../functions/contract/actions.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import type { Invocation } from '../../functions/contract/envelope.ts'
import type { Problem } from '../../functions/contract/problem.ts'
import { validateAnswer } from '../../functions/contract/validate.ts'
import type { Log } from '../observe/log.ts'
import { type BreakerOptions, DEFAULT_BREAKER } from './breaker.ts'
import { type Budgets, budgetFor, DEFAULT_BUDGETS } from './budget.ts'
import type { CancelSignal } from './cancellation.ts'
import { Decisions } from './decisions.ts'
import { Guard, NO_TICKET } from './guard.ts'
import type { FunctionHost, HostReply } from './host.ts'
import { PendingReply } from './invoker-pending.ts'
import { createReport, type Kept, type Report, type Side } from './invoker-report.ts'
import { DEFAULT_PLACES, type PlacesOptions, UNLIMITED } from './places.ts'
import { retryAfterMs, retryPauseMs, SHORTEST_TRY_MS } from './retry.ts'

export interface InvokerOptions {
  primary: FunctionHost
  /** Asked once, with the same invocation, when the function has failed. */
  fallback?: FunctionHost | undefined
  /** Performed when both have failed, for a request that begins (`sip.request`) and for a call taken up again (`wait.*`). */
  staticActions?: Action[] | undefined
  clock: Clock
  /** From 0 up to but not including 1: spreads retries. Absent: they are not spread. */
  random?: () => number
  /** Default `DEFAULT_BUDGETS`. */
  budgets?: Budgets
  /** Of each host; default `DEFAULT_BREAKER`. */
  breaker?: Partial<BreakerOptions>
  /** Of each host; default `DEFAULT_PLACES`. */
  places?: Partial<PlacesOptions>
  /** How many answers are kept at most that may be given once more; default 1000, 0: none. */
  maxDecisions?: number
  count(series: string): void
  /** A value that is read when somebody looks. */
  gauge?: (series: string, read: () => number) => void
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
  /** The whole budget, in milliseconds, where it is not that of the method. */
  budgetMs?: number | undefined
  /** Aborts on CANCEL. */
  signal?: CancelSignal | undefined
  /** Told of every try that fails, whoever answers in the end. */
  onTryFailed?: ((problem: Problem) => void) | undefined
}

export type InvocationResult =
  | { kind: 'answer'; answer: Answer; from: Side | Kept | 'static actions' }
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

/** A try whose answer has been validated. `isRefused`: it was none, since its host was not to be asked. */
type TryResult =
  | { kind: 'answer'; answer: Answer }
  | Extract<HostReply, { kind: 'none' }>
  | (Extract<HostReply, { kind: 'problem' }> & { isRefused?: true })
type FailedTry = Extract<TryResult, { kind: 'problem' }>

/** One invocation on its way through the tries. */
interface Call {
  path: string
  make: MakeInvocation
  signal: CancelSignal | undefined
  onTryFailed: InvokeRequest['onTryFailed']
  /** When the function's budget is over, milliseconds since the epoch. */
  endsAt: number
  /** How many tries there were. */
  attempt: number
  /** That of the last try. */
  invocation: Invocation | undefined
}

export function createInvoker(options: InvokerOptions): Invoker {
  return new LadderInvoker(options)
}

/**
 * The answer that was kept, the function, the function once more, its last good answer, the fallback, the static actions: the first that
 * there is decides.
 */
class LadderInvoker implements Invoker {
  readonly #options: InvokerOptions
  readonly #budgets: Budgets
  readonly #report: Report
  readonly #decisions: Decisions
  readonly #function: Guard
  readonly #fallback: Guard | undefined

  constructor(options: InvokerOptions) {
    const { primary, fallback, clock, gauge = noGauge, maxDecisions = 1000 } = options
    this.#options = options
    this.#budgets = options.budgets ?? DEFAULT_BUDGETS
    this.#report = createReport(options)
    this.#decisions = new Decisions(maxDecisions, clock)
    this.#function = guarded(primary, 'function', options)
    this.#fallback = fallback && guarded(fallback, 'fallback', options)
    gauge('kept_decisions', () => this.#decisions.size)
  }

  async invoke(path: string, make: MakeInvocation, request: InvokeRequest): Promise<InvocationResult> {
    const { signal, onTryFailed } = request
    const { totalMs, firstTryMs } = budgetFor(this.#budgets, request.method, request.budgetMs)
    const endsAt = this.#options.clock.now() + totalMs
    const call: Call = { path, make, signal, onTryFailed, endsAt, attempt: 0, invocation: undefined }
    const kept = this.#decisions.knows(path) ? this.#decisions.fresh(path, invocationOf(call)) : undefined
    if (kept) return this.#report.kept(kept, 'cache')
    const first = await this.#try(call, this.#function, firstTryMs, endsAt)
    return this.#result(call, 'function', first) ?? this.#goOn(call, first as FailedTry)
  }

  /** The first try has failed. */
  async #goOn(call: Call, first: FailedTry): Promise<InvocationResult> {
    let last: FailedTry = first
    if (first.retry && (await this.#pauses(call, first))) {
      const second = await this.#try(call, this.#function, this.#leftMs(call), call.endsAt)
      const result = this.#result(call, 'function', second)
      if (result) return result
      if (!(second as FailedTry).isRefused) last = second as FailedTry
    }
    if (call.signal?.aborted) return this.#report.aborted()
    const stale = last.retry || last.isRefused ? this.#stale(call) : undefined
    if (stale) return stale
    if (this.#fallback) {
      const timeoutMs = Math.max(this.#leftMs(call), this.#budgets.fallbackMinMs)
      const tried = await this.#try(call, this.#fallback, timeoutMs, this.#options.clock.now() + timeoutMs)
      const result = this.#result(call, 'fallback', tried)
      if (result) return result
      last = tried as FailedTry
    }
    return this.#withoutFunction(call, last)
  }

  /** @returns whether there is to be a retry, once it is time for it */
  async #pauses(call: Call, { retryAfter }: FailedTry): Promise<boolean> {
    const { clock, random } = this.#options
    const timeoutMs = retryPauseMs(this.#leftMs(call), retryAfterMs(retryAfter, clock.now()), random?.() ?? 0)
    if (timeoutMs === undefined) return false
    if (timeoutMs > 0) {
      const pending = new PendingReply()
      pending.watch(clock, { signal: call.signal, timeoutMs })
      await pending.promise
    }
    return !call.signal?.aborted
  }

  /** What the function itself said when it was last asked the same goes before what others say. */
  #stale(call: Call): InvocationResult | undefined {
    const answer = this.#decisions.knows(call.path) ? this.#decisions.stale(call.path, invocationOf(call)) : undefined
    return answer && this.#report.kept(answer, 'stale cache')
  }

  #withoutFunction(call: Call, last: FailedTry): InvocationResult {
    const { staticActions } = this.#options
    if (staticActions && decidesTheCall(invocationOf(call).type)) return this.#report.performed(staticActions)
    return this.#report.failed(call.path, last.problem)
  }

  /** @param untilMs when its time is over, also that for which it waits for its turn; milliseconds since the epoch */
  async #try(call: Call, guard: Guard, timeoutMs: number, untilMs: number): Promise<TryResult> {
    const { clock } = this.#options
    let ticket = guard.enter()
    let tryMs = timeoutMs
    if (ticket === NO_TICKET) {
      const waitMs = Math.min(timeoutMs, untilMs - clock.now() - SHORTEST_TRY_MS)
      const way = await guard.comeIn({ signal: call.signal, timeoutMs: waitMs })
      if (typeof way !== 'number') return { ...(way as FailedTry), isRefused: true }
      ticket = way
      tryMs = Math.min(timeoutMs, untilMs - clock.now())
    }
    const invocation = call.make(++call.attempt, clock.now() + tryMs)
    call.invocation = invocation
    const reply = await guard.host.invoke(call.path, invocation, { signal: call.signal, timeoutMs: tryMs })
    guard.leave(ticket, reply)
    const tried = validated(reply)
    if (tried.kind === 'problem' && !call.signal?.aborted) {
      this.#report.tryFailed({
        side: guard.side,
        path: call.path,
        invocation,
        attempt: call.attempt,
        problem: tried.problem,
      })
      call.onTryFailed?.(tried.problem)
    }
    return tried
  }

  /** What the caller gets, `undefined` when somebody else has to be asked. */
  #result(call: Call, side: Side, tried: TryResult): InvocationResult | undefined {
    if (call.signal?.aborted) return this.#report.aborted()
    if (tried.kind === 'problem') return undefined
    if (side === 'function') this.#learn(call, tried)
    return this.#report.done(tried, side)
  }

  #learn({ path, invocation }: Call, tried: Exclude<TryResult, FailedTry>): void {
    const why = this.#decisions.learn(path, invocation!, tried.kind === 'answer' ? tried.answer : NOTHING)
    if (why !== undefined) this.#report.notKept(path, why)
  }

  #leftMs(call: Call): number {
    return call.endsAt - this.#options.clock.now()
  }
}

/** What a 204 leaves to be given again. */
const NOTHING: Answer = { actions: [] }

function noGauge(): void {}

function guarded(host: FunctionHost, side: Side, options: InvokerOptions): Guard {
  const { clock, count, gauge = noGauge, log } = options
  const breaker = { ...DEFAULT_BREAKER, ...options.breaker }
  const places = host.isInProcess ? UNLIMITED : { ...DEFAULT_PLACES, ...options.places }
  return new Guard(host, { side, breaker, places, clock, count, gauge, log })
}

/** That of the last try; when there was none, what a first one would have been. */
function invocationOf(call: Call): Invocation {
  call.invocation ??= call.make(1, call.endsAt)
  return call.invocation
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
