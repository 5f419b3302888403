import type { StepResult } from './journal.ts'

/** How long a gateway may take to ask once more, restarts included. */
const KEPT_MS = 60_000
const MAX_INVOCATIONS = 1000

interface Remembered {
  until: number
  results: Map<string, Promise<StepResult>>
}

/**
 * What the tasks of recent invocations came to, in this process: when an answer is lost, the same invocation comes again, perhaps while
 * the first one is still under way, and what has succeeded then is not done twice. What has failed is: of the lost answer nothing counts.
 */
export class TaskMemory {
  readonly #now: () => number
  readonly #invocations = new Map<string, Remembered>()

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now
  }

  /** @param invocation names it, the same for its retry */
  async once(invocation: string, task: string, perform: () => Promise<StepResult>): Promise<StepResult> {
    const { results } = this.#remembered(invocation)
    for (let earlier = results.get(task); earlier !== undefined; earlier = results.get(task)) {
      const result = await earlier
      if (result.error === undefined) return result
      if (results.get(task) === earlier) results.delete(task)
    }
    const performed = perform()
    results.set(task, performed)
    return performed
  }

  #remembered(invocation: string): Remembered {
    const known = this.#invocations.get(invocation)
    if (known) return known
    const now = this.#now()
    for (const [oldest, { until }] of this.#invocations) {
      if (until > now && this.#invocations.size < MAX_INVOCATIONS) break
      this.#invocations.delete(oldest)
    }
    const fresh: Remembered = { until: now + KEPT_MS, results: new Map() }
    this.#invocations.set(invocation, fresh)
    return fresh
  }
}
