import type { Action, ActionOf } from '../contract/actions.ts'
import type { InvocationData } from '../contract/envelope.ts'
import { ContextData } from './context-data.ts'
import { afterMicrotasks } from './drain.ts'
import { DurablePromise, type Outcome } from './durable-promise.ts'
import { type Journal, ROUTE_INSTANCE, readContext, type StepResult, type StoredContext, stepOf } from './journal.ts'
import { plainData } from './plain-data.ts'

/** What one invocation comes to. `context` undefined: there is nothing to keep. */
export type Conclusion =
  | { kind: 'answer'; actions: Action[]; context?: unknown }
  | { kind: 'diverged'; detail: string }
  | { kind: 'threw'; error: unknown }

/** A verb that may outlive the invocation. */
interface Durable {
  name: string
  kind: DurableKind
  settle(outcome: Outcome): void
  /** What the handler gets for the result's value. */
  read(value: unknown): unknown
  onTimeout: OnTimeout | undefined
  isWatched: boolean
  isSettled: boolean
}
type DurableKind = 'wait' | 'ring' | 'lookup' | 'run'
/** What is done, and what the handler gets, when the deadline came first. */
interface OnTimeout {
  action: Action
  value: unknown
}

export interface ExecutionOptions {
  data: InvocationData
  /** `''` for a route, `name.seq` for a named handler. */
  instance: string
  /** The named handler that runs; undefined for a route. */
  handler: string | undefined
  journal: Journal
  /** Whether anything can be waited for: not when the transaction has ended. */
  canWait: boolean
  /** What goes wrong after the answer has been given: a bug of the handler's. */
  onLate(error: Error): void
}

/**
 * One run of a handler: records its actions, replays what is known, and finds out when it can only wait.
 *
 * A replay must meet the same world in the same order as the first run did. So results are handed out in the order in which
 * they came, one at a time, and only when the handler has nothing else to do, as it was when each of them came.
 */
export class Execution {
  readonly instance: string
  readonly handler: string | undefined
  readonly journal: Journal
  readonly context: ContextData
  readonly #stored: StoredContext | undefined
  readonly #onLate: (error: Error) => void
  readonly #canWait: boolean
  /** Everything recorded: actions, and runs by name. */
  readonly #recorded: (Action | string)[] = []
  readonly #durables = new Map<string, Durable>()
  /** Steps of earlier invocations that the replay has not come by yet are not sent again. */
  readonly #replayedSteps: number
  readonly #replayedResults: number
  #delivered = 0
  #count = 0
  #runsUnderWay = 0
  #isTurnDue = false
  #conclude: ((conclusion: Conclusion) => void) | undefined
  #diverged: string | undefined
  #isOver = false

  constructor(options: ExecutionOptions) {
    this.instance = options.instance
    this.handler = options.handler
    this.journal = options.journal
    this.#stored = readContext(options.data.context)
    this.#onLate = options.onLate
    this.#canWait = options.canWait
    this.#replayedSteps = this.journal.steps.length
    this.#replayedResults = this.journal.results.length
    this.context = new ContextData(this.#stored?.data, this.journal)
    if (this.#replayedResults === 0) this.context.goLive(0)
  }

  /** Runs the handler to its end or to where it can only wait. Never rejects. */
  run(handler: () => unknown): Conclusion | Promise<Conclusion> {
    try {
      const returned = handler()
      return isThenable(returned) ? this.#waitFor(returned) : this.#concluded(() => this.#finish())
    } catch (error) {
      return this.#threw(error)
    }
  }

  record(action: Action): void {
    if (this.#isOver) return this.#late(action.action)
    if (this.#replayedSteps > 0) this.#compare(action)
    this.#recorded.push(action)
  }

  /** A value of the changing world: on replay, what the handler saw then. */
  observe<T>(name: string, current: T): T {
    const log = this.journal.seen[name]
    const last = log?.findLast(([epoch]) => epoch <= this.#delivered)
    if (this.#delivered < this.#replayedResults) return last ? (last[1] as T) : current
    if (last && JSON.stringify(last[1]) === JSON.stringify(current)) return last[1] as T
    if (log) log.push([this.#delivered, current])
    else this.journal.seen[name] = [[this.#delivered, current]]
    return current
  }

  /** The next durable verb's own name, unique within the transaction. */
  nextName(kind: DurableKind): string {
    if (!this.#canWait && kind !== 'run') {
      throw new TypeError(`call.${kind} is not possible in onCancel: the transaction has ended`)
    }
    const name = `${kind}-${++this.#count}`
    return this.instance === ROUTE_INSTANCE ? name : `${this.instance}:${name}`
  }

  /** A promise of what comes of the wait, ring or lookup of that name; its actions have been recorded. */
  durable<T>(kind: DurableKind, name: string, read: (value: unknown) => T, onTimeout?: OnTimeout): Promise<T> {
    const { promise, settle } = DurablePromise.create<T>(() => this.#watched(durable))
    const durable: Durable = { name, kind, settle, read, onTimeout, isWatched: false, isSettled: false }
    this.#durables.set(name, durable)
    this.#turnSoon()
    return promise
  }

  /** Runs `task` once in the life of the handler: on replay, its first result. */
  task<T>(label: string, task: () => T | Promise<T>): Promise<T> {
    const name = this.nextName('run')
    const step = `run ${label}`
    if (this.#isOver) this.#late(step)
    else {
      if (this.#replayedSteps > 0) this.#compare(step)
      this.#recorded.push(step)
    }
    const promise = this.durable('run', name, (value) => value as T)
    const isKnown = this.journal.results.some(({ of }) => of === name)
    if (!isKnown && this.#diverged === undefined && !this.#isOver) void this.#perform(name, label, task)
    return promise
  }

  async #perform(name: string, label: string, task: () => unknown): Promise<void> {
    this.#runsUnderWay++
    const result = await taskResult(name, label, task)
    this.#runsUnderWay--
    this.journal.results.push(result)
    this.#turnSoon()
  }

  #waitFor(returned: PromiseLike<unknown>): Promise<Conclusion> {
    return new Promise((resolve) => {
      this.#conclude = resolve
      if (this.#diverged !== undefined) this.#diverge(this.#diverged)
      returned.then(
        () => (this.#isOver ? undefined : resolve(this.#concluded(() => this.#finish()))),
        (error) => (this.#isOver ? this.#onLate(asError(error)) : resolve(this.#threw(error))),
      )
    })
  }

  #watched(durable: Durable): void {
    if (durable.isWatched) return
    durable.isWatched = true
    this.#turnSoon()
  }

  #turnSoon(): void {
    if (this.#isTurnDue || this.#isOver) return
    this.#isTurnDue = true
    afterMicrotasks(() => {
      this.#isTurnDue = false
      this.#turn()
    })
  }

  /** The handler has nothing to do: the next result, or the end of this invocation. */
  #turn(): void {
    if (this.#isOver) return
    const next = this.journal.results[this.#delivered]
    const durable = next && this.#durables.get(next.of)
    if (next && durable) {
      this.#deliver(durable, next)
      this.#turnSoon()
    } else if (this.#runsUnderWay === 0 && this.#isWaiting()) {
      if (next) this.#diverge(`the handler waits, but has not come to ${next.of}, which it had come to before`)
      else this.#conclude?.(this.#concluded(() => this.#suspend()))
    }
  }

  #isWaiting(): boolean {
    for (const durable of this.#durables.values()) if (durable.isWatched && !durable.isSettled) return true
    return false
  }

  #deliver(durable: Durable, result: StepResult): void {
    this.#delivered++
    this.context.at(this.#delivered)
    if (this.#delivered === this.#replayedResults) this.context.goLive(this.#delivered)
    durable.isSettled = true
    if (durable.onTimeout && result.timedOut) this.record(durable.onTimeout.action)
    durable.settle(outcomeOf(durable, result))
  }

  #compare(step: Action | string): void {
    const before = this.journal.steps[this.#recorded.length]
    if (before === undefined || this.#diverged !== undefined) return
    const now = typeof step === 'string' ? step : stepOf(step)
    if (before !== now) this.#diverge(`step ${this.#recorded.length + 1} was ${before} and is now ${now}`)
  }

  /** From here on the handler runs into the void: nothing it does counts, nothing it waits for comes. */
  #diverge(detail: string): void {
    this.#diverged ??= `${detail}; between awaits a handler may only depend on the call and on what call.run returned`
    if (this.#conclude) {
      this.#isOver = true
      this.#conclude({ kind: 'diverged', detail: this.#diverged })
    }
  }

  /** What cannot be written as JSON (a cycle in the context, a bigint) is the handler's fault. */
  #concluded(conclude: () => Conclusion): Conclusion {
    try {
      return conclude()
    } catch (error) {
      return this.#threw(error)
    }
  }

  #threw(error: unknown): Conclusion {
    this.#isOver = true
    return this.#diverged === undefined ? { kind: 'threw', error } : { kind: 'diverged', detail: this.#diverged }
  }

  #finish(): Conclusion {
    this.#checkComplete()
    this.#isOver = true
    if (this.#diverged !== undefined) return { kind: 'diverged', detail: this.#diverged }
    const actions = this.#durables.size === 0 ? this.#newActions() : this.#withoutPendingWaits(this.#newActions())
    return answer(actions, this.#contextWith(undefined))
  }

  #suspend(): Conclusion {
    this.#checkComplete()
    this.#isOver = true
    if (this.#diverged !== undefined) return { kind: 'diverged', detail: this.#diverged }
    const actions = this.#newActions()
    for (const step of this.#recorded.slice(this.#replayedSteps)) {
      this.journal.steps.push(typeof step === 'string' ? step : stepOf(step))
    }
    return answer(actions, this.#contextWith(this.journal))
  }

  #checkComplete(): void {
    const missing = this.journal.steps[this.#recorded.length]
    if (missing !== undefined)
      this.#diverge(`step ${this.#recorded.length + 1} was ${missing} and is not there any more`)
  }

  #newActions(): Action[] {
    if (this.#replayedSteps === 0 && this.#durables.size === 0) return this.#recorded as Action[]
    return this.#recorded.slice(this.#replayedSteps).filter((step) => typeof step !== 'string')
  }

  /** What was armed and is not wanted any more: not sent at all, or ended when an earlier answer has sent it. */
  #withoutPendingWaits(actions: Action[]): Action[] {
    const pending = new Set<string>()
    for (const { name, kind, isSettled } of this.#durables.values()) if (!isSettled && kind !== 'run') pending.add(name)
    const known = new Set(this.journal.results.map(({ of }) => of))
    const kept = actions.filter((action) => !(isArming(action) && pending.delete(action.name)))
    const armedBefore = [...pending].filter((name) => !known.has(name))
    return kept.concat(armedBefore.map((name) => ({ action: 'unsubscribe', name })))
  }

  #contextWith(journal: Journal | undefined): unknown {
    const data = this.context.toStore()
    const others = this.#stored?.journals
    if (journal === undefined && data === undefined && this.#stored === undefined) return undefined
    const journals = { ...others }
    delete journals[this.instance]
    if (journal) journals[this.instance] = journal
    const stored: StoredContext = { sdk: 1 }
    if (data !== undefined) stored.data = data
    if (Object.keys(journals).length > 0) stored.journals = journals
    return stored
  }

  #late(what: string): void {
    this.#onLate(
      new Error(
        `${what}: recorded after the answer had been given, so it is lost; await the promise that leads to it, and put other asynchronous work beside a wait into call.run`,
      ),
    )
  }
}

function answer(actions: Action[], context: unknown): Conclusion {
  const plain = plainData(actions)
  return context === undefined ? { kind: 'answer', actions: plain } : { kind: 'answer', actions: plain, context }
}

function isArming(action: Action): action is ActionOf<'wait'> | ActionOf<'lookup'> {
  return action.action === 'wait' || action.action === 'lookup'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

function outcomeOf({ read, onTimeout }: Durable, result: StepResult): Outcome {
  if (result.error) return { error: Object.assign(new Error(result.error.message), { name: result.error.name }) }
  return { value: onTimeout && result.timedOut ? onTimeout.value : read(result.value) }
}

/** The result as it will be on replay: what JSON keeps of it. */
async function taskResult(of: string, label: string, task: () => unknown): Promise<StepResult> {
  try {
    const value = await task()
    const text = JSON.stringify(value)
    return text === undefined ? { of } : { of, value: JSON.parse(text) }
  } catch (error) {
    const { name, message } = asError(error)
    return { of, error: { name, message: message || `call.run("${label}") failed` } }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
