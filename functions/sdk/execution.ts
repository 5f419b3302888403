import type { Action, ActionOf } from '../contract/actions.ts'
import type { InvocationData } from '../contract/envelope.ts'
import { ContextData } from './context-data.ts'
import { afterMicrotasks } from './drain.ts'
import { asError, Durable, type DurableKind, type OnTimeout, taskResult } from './durable.ts'
import { type Journal, ROUTE_INSTANCE, readContext, type StepResult, type StoredContext } from './journal.ts'
import { plainData } from './plain-data.ts'
import { type Step, Steps } from './steps.ts'

/** What one invocation comes to. `context` undefined: there is nothing to keep. */
export type Conclusion =
  | { kind: 'answer'; actions: Action[]; context?: unknown }
  | { kind: 'diverged'; detail: string }
  | { kind: 'threw'; error: unknown }

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
  readonly #steps: Steps
  /** Made by the first one: most handlers wait for nothing. */
  #durables: Map<string, Durable> | undefined
  /** How many results were known when this invocation began. */
  readonly #replayedResults: number
  #delivered = 0
  #runsUnderWay = 0
  #isTurnDue = false
  #conclude: ((conclusion: Conclusion) => void) | undefined
  #diverged: string | undefined
  #isOver = false

  constructor({ data, instance, handler, journal, canWait, onLate }: ExecutionOptions) {
    this.instance = instance
    this.handler = handler
    this.journal = journal
    this.#stored = readContext(data.context)
    this.#onLate = onLate
    this.#canWait = canWait
    this.#steps = new Steps(journal.steps)
    this.#replayedResults = journal.results.length
    this.context = new ContextData(this.#stored?.data, journal)
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

  /** The step that an earlier run took where this one is; undefined when none has come so far. */
  get stepBefore(): string | undefined {
    return this.#steps.before
  }

  record(step: Step): void {
    if (this.#isOver) return this.#late(step)
    const difference = this.#steps.add(step)
    if (difference !== undefined) this.#diverge(difference)
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
    const name = `${kind}-${(this.#durables?.size ?? 0) + 1}`
    return this.instance === ROUTE_INSTANCE ? name : `${this.instance}:${name}`
  }

  /** A promise of what comes of the wait, ring or lookup of that name; its actions have been recorded. */
  durable<T>(kind: DurableKind, name: string, read: (value: unknown) => T, onTimeout?: OnTimeout): Promise<T> {
    const durable = new Durable(kind, name, read, onTimeout, () => this.#turnSoon())
    this.#durables ??= new Map()
    this.#durables.set(name, durable)
    this.#turnSoon()
    return durable.promise
  }

  /** Runs `task` once in the life of the handler: on replay, its first result. */
  task<T>(label: string, task: () => T | Promise<T>): Promise<T> {
    const name = this.nextName('run')
    this.record(`run ${label}`)
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
    const durable = next && this.#durables?.get(next.of)
    if (next && durable) {
      this.#deliver(durable, next)
      this.#turnSoon()
    } else if (this.#runsUnderWay === 0 && this.#isWaiting()) {
      if (next) this.#diverge(`the handler waits, but has not come to ${next.of}, which it had come to before`)
      else this.#conclude?.(this.#concluded(() => this.#suspend()))
    }
  }

  #isWaiting(): boolean {
    if (!this.#durables) return false
    for (const { isWatched, isSettled } of this.#durables.values()) if (isWatched && !isSettled) return true
    return false
  }

  #deliver(durable: Durable, result: StepResult): void {
    this.#delivered++
    this.context.at(this.#delivered)
    if (this.#delivered === this.#replayedResults) this.context.goLive(this.#delivered)
    if (durable.onTimeout && result.timedOut) this.record(durable.onTimeout.action)
    durable.settle(result)
  }

  /** From here on the handler runs into the void: nothing it does counts, nothing it waits for comes. */
  #diverge(difference: string): void {
    this.#diverged ??= `${difference}; between awaits a handler may only depend on the call and on what call.run returned`
    if (!this.#conclude) return
    this.#isOver = true
    this.#conclude({ kind: 'diverged', detail: this.#diverged })
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

  /** The handler has returned: whatever it no longer waits for is ended, its journal is not needed any more. */
  #finish(): Conclusion {
    return this.#answer(() => {
      const actions = this.#steps.newActions()
      return answer(
        this.#durables === undefined ? actions : this.#withoutPendingWaits(actions, this.#durables),
        this.#contextWith(undefined),
      )
    })
  }

  #suspend(): Conclusion {
    return this.#answer(() => {
      const journal = { ...this.journal, steps: [...this.journal.steps, ...this.#steps.newTexts()] }
      return answer(this.#steps.newActions(), this.#contextWith(journal))
    })
  }

  #answer(make: () => Conclusion): Conclusion {
    const missing = this.#steps.missing()
    if (missing !== undefined) this.#diverge(missing)
    this.#isOver = true
    return this.#diverged === undefined ? make() : { kind: 'diverged', detail: this.#diverged }
  }

  /** What was armed and is not wanted any more: not sent at all, or ended when an earlier answer has sent it. */
  #withoutPendingWaits(actions: Action[], durables: Map<string, Durable>): Action[] {
    const pending = new Set<string>()
    for (const { name, kind, isSettled } of durables.values()) if (!isSettled && kind !== 'run') pending.add(name)
    const kept = actions.filter((action) => !(isArming(action) && pending.delete(action.name)))
    const known = new Set(this.journal.results.map(({ of }) => of))
    const armedBefore = [...pending].filter((name) => !known.has(name))
    return kept.concat(armedBefore.map((name) => ({ action: 'unsubscribe', name })))
  }

  /** What the call keeps: the handlers' data, the journals of other handlers, and this one's when it is suspended. */
  #contextWith(journal: Journal | undefined): unknown {
    const data = this.context.toStore()
    if (journal === undefined && data === undefined && this.#stored === undefined) return undefined
    const journals = { ...this.#stored?.journals }
    delete journals[this.instance]
    if (journal) journals[this.instance] = journal
    const stored: StoredContext = { sdk: 1 }
    if (data !== undefined) stored.data = data
    if (Object.keys(journals).length > 0) stored.journals = journals
    return stored
  }

  #late(step: Step): void {
    const what = typeof step === 'string' ? step : step.action
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
