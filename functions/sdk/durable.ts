import type { Action } from '../contract/actions.ts'
import { DurablePromise, type Outcome } from './durable-promise.ts'
import type { StepError, StepResult } from './journal.ts'
import { asJson } from './json-data.ts'

export type DurableKind = 'wait' | 'ring' | 'lookup' | 'authorize' | 'run'

/** What is done, and what the handler gets, when the deadline came first. */
export interface OnTimeout {
  action: Action
  value: unknown
}

/** One use of a verb that may outlive the invocation. */
export class Durable<T = unknown> {
  readonly kind: DurableKind
  readonly name: string
  readonly promise: Promise<T>
  readonly onTimeout: OnTimeout | undefined
  isWatched = false
  isSettled = false
  readonly #read: (value: unknown) => T
  readonly #settle: (outcome: Outcome) => void

  /**
   * @param read what the handler gets for a result's value
   * @param onWatched the handler begins to wait for it
   */
  constructor(
    kind: DurableKind,
    name: string,
    read: (value: unknown) => T,
    onTimeout: OnTimeout | undefined,
    onWatched: () => void,
  ) {
    this.kind = kind
    this.name = name
    this.#read = read
    this.onTimeout = onTimeout
    const { promise, settle } = DurablePromise.create<T>(() => {
      if (this.isWatched) return
      this.isWatched = true
      onWatched()
    })
    this.promise = promise
    this.#settle = settle
  }

  settle({ error, timedOut, value }: StepResult): void {
    this.isSettled = true
    if (error) this.#settle({ error: errorOf(error) })
    else this.#settle({ value: this.onTimeout && timedOut ? this.onTimeout.value : this.#read(value) })
  }
}

/** The result of a `run` as it will be on replay: what JSON keeps of it. */
export async function taskResult(of: string, label: string, task: () => unknown): Promise<StepResult> {
  try {
    const kept = asJson(await task())
    if ('fault' in kept)
      throw new TypeError(`call.run("${label}"): expected a result that is JSON data, but ${kept.fault}`)
    return kept.value === undefined ? { of } : { of, value: kept.value }
  } catch (error) {
    return { of, error: stepError(asError(error), label) }
  }
}

function stepError(error: Error & { code?: unknown }, label: string): StepError {
  const { name, message, code } = error
  const kept = { name, message: message || `call.run("${label}") failed` }
  return typeof code === 'string' || typeof code === 'number' ? { ...kept, code } : kept
}

function errorOf({ message, ...fields }: StepError): Error {
  return Object.assign(new Error(message), fields)
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
