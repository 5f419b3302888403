import { type Clock, pause } from '../contract/clock.ts'
import type { Result } from '../contract/problem.ts'
import type { Store } from '../store/store.ts'
import { type Once, REMEMBERED_MS } from './once.ts'

export interface StoredRepeatsParts {
  store: Pick<Store, 'claim' | 'recall' | 'remember'>
  clock: Clock
  /** Something of the store went wrong, and the event was raised all the same. */
  onTrouble?(what: string, error: unknown): void
}

/** A process that has claimed an event and is not heard of for this long has ended: longer than any store takes to publish. */
const CLAIM_MS = 10_000
/** How long one who comes second waits for the first to come to an end, and how often he looks, at first. */
const WAIT_MS = 3000
const LOOK_MS = 50

/** What is remembered of an event: how many it matched, or the last try that failed. */
type Memo = { matched: number } | { failed: number }

/**
 * Raises each event once among all processes that share a store. Whoever claims a try raises; what came of it is remembered, and when it
 * failed the next try may be claimed. A claim that nothing came of lapses.
 *
 * One round trip before the event is raised and one after; one for whoever comes later.
 */
export class StoredRepeats implements Once {
  readonly #parts: StoredRepeatsParts

  constructor(parts: StoredRepeatsParts) {
    this.#parts = parts
  }

  async raise(id: string, raise: () => Promise<number>): Promise<Result<number>> {
    const { clock } = this.#parts
    // No digest of it: WebCrypto would take a turn for that, and the look-ups of a batch would not travel together.
    const key = `event ${id}`
    const until = clock.now() + WAIT_MS
    let attempt = 0
    for (let lookMs = LOOK_MS; ; lookMs *= 2) {
      const seen = await this.#look(key, attempt)
      if (seen === undefined) return { ok: true, value: await this.#unknown(key, raise) }
      const { isClaimed, memo } = seen
      if (memo && 'matched' in memo) return { ok: true, value: memo.matched }
      if (memo && memo.failed >= attempt) attempt = memo.failed + 1
      else if (isClaimed) return { ok: true, value: await this.#try(key, attempt, raise) }
      else if (clock.now() >= until) return IN_PROGRESS
      else await pause(clock, lookMs)
    }
  }

  /** Both in one turn, and so in one round trip; the claim comes first, so that what is remembered before it is won is seen. */
  async #look(key: string, attempt: number): Promise<{ isClaimed: boolean; memo: Memo | undefined } | undefined> {
    const { store, onTrouble } = this.#parts
    try {
      const claimed = store.claim(`try ${attempt} of ${key}`, CLAIM_MS)
      const [isClaimed, text] = await Promise.all([claimed, store.recall(key)])
      return { isClaimed, memo: text === undefined ? undefined : (JSON.parse(text) as Memo) }
    } catch (error) {
      onTrouble?.('whether an event has come before is not known', error)
      return undefined
    }
  }

  /** The store was not to be asked: whether the event can be raised, raising it will say. */
  async #unknown(key: string, raise: () => Promise<number>): Promise<number> {
    const matched = await raise()
    await this.#remember(key, { matched }, REMEMBERED_MS)
    return matched
  }

  async #try(key: string, attempt: number, raise: () => Promise<number>): Promise<number> {
    try {
      const matched = await raise()
      await this.#remember(key, { matched }, REMEMBERED_MS)
      return matched
    } catch (error) {
      // Longer than the claims of the tries that failed.
      await this.#remember(key, { failed: attempt }, 2 * CLAIM_MS)
      throw error
    }
  }

  async #remember(key: string, memo: Memo, ttlMs: number): Promise<void> {
    const { store, onTrouble } = this.#parts
    try {
      await store.remember(key, JSON.stringify(memo), ttlMs)
    } catch (error) {
      onTrouble?.('an event may be raised again when it comes again', error)
    }
  }
}

const IN_PROGRESS: Result<never> = {
  ok: false,
  problem: { code: 'request.in_progress', detail: 'the same event is being raised for another request; try again' },
}
