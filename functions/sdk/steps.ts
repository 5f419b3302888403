import type { Action } from '../contract/actions.ts'
import { stepOf } from './journal.ts'
import { replayDiff, ShownSteps } from './replay-diff.ts'

/** An action, or the text of a step that is none: `run price`. */
export type Step = Action | string

/** What a handler does in one invocation, held against what it did in earlier ones. */
export class Steps {
  readonly #before: readonly string[]
  readonly #taken: Step[] = []
  readonly #shown = new ShownSteps()
  #hasTexts = false

  constructor(before: readonly string[]) {
    this.#before = before
  }

  /** The step that was taken before at the place of the next one. */
  get before(): string | undefined {
    return this.#before[this.#taken.length]
  }

  /** @returns how the step differs from the one that was taken before at its place; undefined when it does not */
  add(step: Step): string | undefined {
    const { before } = this
    this.#taken.push(step)
    if (typeof step === 'string') this.#hasTexts = true
    if (before === undefined) return undefined
    const now = textOf(step)
    if (before === now) return undefined
    return `step ${this.#taken.length} was ${this.#shown.show(before)} and is now ${this.#shown.show(now)}`
  }

  /** Says which step of before has not been taken; undefined when all have. */
  missing(): string | undefined {
    const { before } = this
    if (before === undefined) return undefined
    return `step ${this.#taken.length + 1} was ${this.#shown.show(before)} and is not there any more`
  }

  /** What was done, and what would be done now: see `replayDiff`. */
  diff(): string[] {
    return replayDiff(this.#before, this.#taken.map(textOf), this.#shown)
  }

  /** What has not been sent before. */
  newActions(): Action[] {
    if (this.#before.length === 0 && !this.#hasTexts) return this.#taken as Action[]
    return this.#taken.slice(this.#before.length).filter((step) => typeof step !== 'string')
  }

  newTexts(): string[] {
    return this.#taken.slice(this.#before.length).map(textOf)
  }
}

function textOf(step: Step): string {
  return typeof step === 'string' ? step : stepOf(step)
}
