import type { Clock } from '../contract/clock.ts'
import type { Result } from '../contract/problem.ts'
import { type Once, REMEMBERED_MS } from './once.ts'

/** Ids that are remembered at most: some ten megabytes. */
const DEFAULT_LIMIT = 65_536

/**
 * Raises each event once in this process; whoever comes while it is raised waits for the same answer. When there are too many ids the
 * oldest are forgotten.
 */
export class Repeats implements Once {
  readonly #clock: Clock
  readonly #next: Once | undefined
  readonly #limit: number
  /** In the order of their end. */
  readonly #answers = new Map<string, { answer: Answer | Promise<Answer>; until: number }>()

  /** @param next asked about what is not known here; absent: nobody else is */
  constructor(clock: Clock, next?: Once, limit: number = DEFAULT_LIMIT) {
    this.#clock = clock
    this.#next = next
    this.#limit = limit
  }

  get size(): number {
    return this.#answers.size
  }

  async raise(id: string, raise: () => Promise<number>): Promise<Answer> {
    this.#forget(this.#clock.now())
    const known = this.#answers.get(id)
    const answer = known?.answer ?? this.#raise(id, raise)
    this.#remember(id, answer)
    try {
      const result = await answer
      if (!result.ok) this.#forgetAnswer(id, answer)
      else if (!known) this.#remember(id, result)
      return result
    } catch (error) {
      this.#forgetAnswer(id, answer)
      throw error
    }
  }

  async #raise(id: string, raise: () => Promise<number>): Promise<Answer> {
    return this.#next ? this.#next.raise(id, raise) : { ok: true, value: await raise() }
  }

  #remember(id: string, answer: Answer | Promise<Answer>): void {
    this.#answers.delete(id)
    this.#answers.set(id, { answer, until: this.#clock.now() + REMEMBERED_MS })
  }

  /** Unless somebody has begun anew. */
  #forgetAnswer(id: string, answer: Answer | Promise<Answer>): void {
    if (this.#answers.get(id)?.answer === answer) this.#answers.delete(id)
  }

  #forget(now: number): void {
    for (const [id, { until }] of this.#answers) {
      if (until > now && this.#answers.size < this.#limit) return
      this.#answers.delete(id)
    }
  }
}

type Answer = Result<number>
