import type { Action, ActionOf } from '../contract/actions.ts'
import type { InvocationData } from '../contract/envelope.ts'
import { Chance } from './chance.ts'
import { ContextData } from './context-data.ts'
import { afterMicrotasks } from './drain.ts'
import { asError, Durable, type DurableKind, type OnTimeout, taskResult } from './durable.ts'
import { type Journal, ROUTE_INSTANCE, readContext, type StepResult, type StoredContext } from './journal.ts'
import { plainData } from './plain-data.ts'
import { type Step, Steps } from './steps.ts'

const UNHEARD = new TypeError('call.authorize: its answer was not awaited, so the call would go on unbilled; await it')

/** What one invocation comes to. `context` undefined: there is nothing to keep. */
export type Conclusion =
  | { kind: 'answer'; actions: Action[]; context?: unknown }
  | { kind: 'diverged'; detail: string; diff: string[] }
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
  /** Performs a task, unless an earlier try of this invocation has: see `TaskMemory`. */
  once(task: string, perform: () => Promise<StepResult>): Promise<StepResult>
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
  readonly #once: ExecutionOptions['once']
  readonly #canWait: boolean
  readonly #transaction: string
  readonly #steps: Steps
  /** Made by the first one: most handlers wait for nothing. */
  #durables: Map<string, Durable> | undefined
  /** How many results were known when this invocation began. */
  readonly #replayedResults: number
  #delivered = 0
  #runsUnderWay = 0
  #isInTask = false
  #chance: Chance | undefined
  /** Read when it is asked for. */
  #now: number | undefined
  #isTurnDue = false
  #conclude: ((conclusion: Conclusion) => void) | undefined
  #diverged: string | undefined
  #isOver = false

  constructor({ data, instance, handler, journal, canWait, once, onLate }: ExecutionOptions) {
    this.instance = instance
    this.handler = handler
    this.journal = journal
    this.#stored = readContext(data.context)
    this.#onLate = onLate
    this.#once = once
    this.#canWait = canWait
    this.#transaction = data.transaction.id
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

  /** The newest result: none of the devices that were pushed can come. */
  noDevice = false

  /** When the newest result came that the handler has got, before any when it began: milliseconds since the epoch. */
  get now(): number {
    this.#now ??= Date.parse(this.journal.start.time)
    return this.#now
  }

  /** Draws that are the same whenever the handler is replayed: the seed is the handler's own in its call. */
  get chance(): Chance {
    if (this.#isInTask)
      throw new TypeError('in call.run use the platform’s own chance: its result is kept, and a replay skips it')
    this.#chance ??= new Chance(`${this.#transaction} ${this.instance}`)
    return this.#chance
  }

  /** Whether the handler came here first with this change in its code. The first answer stays. */
  patched(change: string): boolean {
    this.journal.patches ??= {}
    const { patches } = this.journal
    if (!Object.hasOwn(patches, change)) {
      const isReplayed = this.#delivered < this.#replayedResults || this.stepBefore !== undefined
      patches[change] = !isReplayed
    }
    return patches[change]!
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

  /** Runs `task` once in the life of the handler: on replay, its first result. It is given a key that is the same however often it is tried. */
  task<T>(label: string, task: (key: string) => T | Promise<T>): Promise<T> {
    const name = this.nextName('run')
    this.record(`run ${label}`)
    const promise = this.durable('run', name, (value) => value as T)
    const isKnown = this.journal.results.some(({ of }) => of === name)
    if (!isKnown && this.#diverged === undefined && !this.#isOver) void this.#perform(name, label, task)
    return promise
  }

  async #perform(name: string, label: string, task: (key: string) => unknown): Promise<void> {
    this.#runsUnderWay++
    const begun = () => this.#inTask(() => task(`${this.#transaction}:${name}`))
    const result = await this.#once(`${name} ${label}`, () => taskResult(name, label, begun))
    this.#runsUnderWay--
    this.journal.results.push(result)
    this.#turnSoon()
  }

  #inTask<T>(begin: () => T): T {
    this.#isInTask = true
    try {
      return begin()
    } finally {
      this.#isInTask = false
    }
  }

  #waitFor(returned: PromiseLike<unknown>): Promise<Conclusion> {
    return new Promise((resolve) => {
      this.#conclude = resolve
      returned.then(
        () => (this.#isOver ? undefined : resolve(this.#concluded(() => this.#finish()))),
        (error) => (this.#isOver ? this.#failedLate(error) : resolve(this.#threw(error))),
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
    } else if (this.#diverged !== undefined) {
      this.#conclude?.(this.#divergence(this.#diverged))
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
    if (result.at !== undefined && result.at > this.now) this.#now = result.at
    this.context.at(this.#delivered)
    if (this.#delivered === this.#replayedResults) this.context.goLive(this.#delivered)
    this.noDevice = result.noDevice === true
    if (durable.onTimeout && result.timedOut) this.record(durable.onTimeout.action)
    durable.settle(result)
  }

  /** From here on nothing the handler does counts. It goes on to where it has to wait, so that one can see what it would do now. */
  #diverge(difference: string): void {
    this.#diverged ??= `${difference}; between awaits a handler may only depend on the call and on what call.run returned`
    this.#turnSoon()
  }

  #divergence(detail: string): Conclusion {
    this.#isOver = true
    return { kind: 'diverged', detail, diff: this.#steps.diff() }
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
    return this.#diverged === undefined ? { kind: 'threw', error } : this.#divergence(this.#diverged)
  }

  /** The handler has returned: whatever it no longer waits for is ended, its journal is not needed any more. */
  #finish(): Conclusion {
    return this.#answer(() => {
      for (const { kind, isWatched } of this.#durables?.values() ?? [])
        if (kind === 'authorize' && !isWatched) throw UNHEARD
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
    return this.#diverged === undefined ? make() : this.#divergence(this.#diverged)
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

  #failedLate(error: unknown): void {
    if (this.#diverged === undefined) this.#onLate(asError(error))
  }

  #late(step: Step): void {
    if (this.#diverged !== undefined) return
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

function isArming(action: Action): action is ActionOf<'wait' | 'lookup' | 'authorize'> {
  return action.action === 'wait' || action.action === 'lookup' || action.action === 'authorize'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
