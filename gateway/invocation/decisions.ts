import type { Action, Answer } from '../../functions/contract/actions.ts'
import type { Clock } from '../../functions/contract/clock.ts'
import { durationMs } from '../../functions/contract/duration.ts'
import type { Invocation } from '../../functions/contract/envelope.ts'
import { decisionKeys } from './decision-key.ts'

/** Characters of an answer as JSON; longer ones are not kept. */
const LONGEST_ANSWER = 16_384

interface Decision {
  answer: Answer
  /** Milliseconds since the epoch. */
  freshUntil: number
  staleUntil: number
}

/** Answers of the function that may be given once more (`cacheFor`, `staleIfError`); the least recently used give way to new ones. */
export class Decisions {
  readonly #clock: Clock
  readonly #max: number
  readonly #decisions = new Map<string, Decision & { path: string }>()
  /** How many there are of each path: whoever asks for another one need not be compared. */
  readonly #paths = new Map<string, number>()

  /** @param max how many are kept; 0: none */
  constructor(max: number, clock: Clock) {
    this.#max = max
    this.#clock = clock
  }

  get size(): number {
    return this.#decisions.size
  }

  knows(path: string): boolean {
    return this.#paths.has(path)
  }

  /** An answer that needs no function. */
  fresh(path: string, invocation: Invocation): Answer | undefined {
    return this.#find(path, invocation, 'freshUntil')
  }

  /** An answer that is better than none of the function's own. */
  stale(path: string, invocation: Invocation): Answer | undefined {
    return this.#find(path, invocation, 'staleUntil')
  }

  /**
   * What the function says now replaces what it has said before.
   * @returns why it is not kept, for people, though it asks for it
   */
  learn(path: string, invocation: Invocation, answer: Answer): string | undefined {
    if (this.#max === 0 || !(asks(answer) || this.knows(path))) return undefined
    const keys = decisionKeys(path, invocation)
    if (keys === undefined) return undefined
    this.#delete(keys.caller)
    this.#delete(keys.public)
    if (!asks(answer)) return undefined
    const text = JSON.stringify(answer)
    const fault = text.length > LONGEST_ANSWER ? `it has more than ${LONGEST_ANSWER} characters` : faultOf(answer)
    if (fault !== undefined) return fault
    const freshUntil = this.#clock.now() + (durationMs(answer.cacheFor ?? 0) ?? 0)
    const staleUntil = freshUntil + (durationMs(answer.staleIfError ?? 0) ?? 0)
    this.#keep(keys[answer.cacheScope ?? 'caller'], { path, answer: JSON.parse(text), freshUntil, staleUntil })
  }

  #find(path: string, invocation: Invocation, until: 'freshUntil' | 'staleUntil'): Answer | undefined {
    if (!this.knows(path)) return undefined
    const keys = decisionKeys(path, invocation)
    if (keys === undefined) return undefined
    return this.#valid(keys.caller, until) ?? this.#valid(keys.public, until)
  }

  #valid(key: string, until: 'freshUntil' | 'staleUntil'): Answer | undefined {
    const decision = this.#decisions.get(key)
    const now = this.#clock.now()
    if (decision === undefined || now < decision[until]) return decision && this.#used(key, decision)
    if (now >= decision.staleUntil) this.#delete(key)
    return undefined
  }

  #used(key: string, decision: Decision & { path: string }): Answer {
    this.#decisions.delete(key)
    this.#decisions.set(key, decision)
    return decision.answer
  }

  #keep(key: string, decision: Decision & { path: string }): void {
    const [oldest] = this.#decisions.keys()
    if (this.#decisions.size >= this.#max && oldest !== undefined) this.#delete(oldest)
    this.#decisions.set(key, decision)
    this.#paths.set(decision.path, (this.#paths.get(decision.path) ?? 0) + 1)
  }

  #delete(key: string): void {
    const decision = this.#decisions.get(key)
    if (decision === undefined) return
    this.#decisions.delete(key)
    const left = this.#paths.get(decision.path)! - 1
    if (left === 0) this.#paths.delete(decision.path)
    else this.#paths.set(decision.path, left)
  }
}

function asks({ cacheFor, staleIfError }: Answer): boolean {
  return cacheFor !== undefined || staleIfError !== undefined
}

/** What goes on after the answer belongs to one call: nobody else can be given it. */
const OF_ONE_CALL: ReadonlySet<Action['action']> = new Set<Action['action']>([
  ...(['wait', 'lookup', 'authorize', 'subscribe', 'unsubscribe', 'halt'] as const),
])

function faultOf({ actions, context }: Answer): string | undefined {
  if (context !== undefined) return 'it carries a context'
  for (const action of actions) {
    if (OF_ONE_CALL.has(action.action)) return `it holds the action ${action.action}`
    if (action.action === 'fork' && action.onFailed !== undefined) return 'a fork of it names the handler onFailed'
  }
  return undefined
}
