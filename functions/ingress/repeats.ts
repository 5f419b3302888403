import type { Clock } from '../contract/clock.ts'
import type { Result } from '../contract/problem.ts'
import { Remembered } from '../contract/remembered.ts'
import { type Once, REMEMBERED_MS } from './once.ts'

/** Ids that are remembered at most: some ten megabytes. */
const DEFAULT_LIMIT = 65_536

/** Raises each event once in this process; whoever comes while it is raised waits for the same answer. */
export class Repeats implements Once {
  readonly #next: Once | undefined
  readonly #answers: Remembered<Result<number>>
  readonly #until: () => number

  /** @param next asked about what is not known here; absent: nobody else is */
  constructor(clock: Clock, next?: Once, limit: number = DEFAULT_LIMIT) {
    this.#next = next
    this.#answers = new Remembered({ now: () => clock.now(), limit, stands: ({ ok }) => ok })
    this.#until = () => clock.now() + REMEMBERED_MS
  }

  get size(): number {
    return this.#answers.size
  }

  raise(id: string, raise: () => Promise<number>): Promise<Result<number>> {
    return this.#answers.once(id, this.#until, () => this.#raise(id, raise))
  }

  async #raise(id: string, raise: () => Promise<number>): Promise<Result<number>> {
    return this.#next ? this.#next.raise(id, raise) : { ok: true, value: await raise() }
  }
}
