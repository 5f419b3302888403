import type { Clock } from '../../functions/contract/clock.ts'
import type { Counters } from '../observe/counters.ts'
import type { Book } from './book.ts'
import { byAge, type Delivery } from './delivery.ts'

/** Dead letters of one subscription that are kept: the oldest go first. */
const MAX_DEAD = 1000

/** What was given up, as the gateway that delivers knows it. */
export class DeadLetters {
  readonly #parts: { book: Book; clock: Clock; counters: Counters }
  /** By subscription, the oldest first. */
  readonly #letters = new Map<string, Delivery[]>()

  constructor(parts: { book: Book; clock: Clock; counters: Counters }) {
    this.#parts = parts
  }

  get size(): number {
    return [...this.#letters.values()].reduce((sum, letters) => sum + letters.length, 0)
  }

  *all(): Generator<Delivery> {
    for (const letters of this.#letters.values()) yield* letters
  }

  /** These are in the store, and no others. */
  takeUp(letters: Delivery[]): void {
    this.#letters.clear()
    for (const letter of letters.sort(byAge)) this.#bury(letter)
  }

  clear(): void {
    this.#letters.clear()
  }

  async giveUp(delivery: Delivery, error: string): Promise<void> {
    const { book, clock, counters } = this.#parts
    const letter = { ...delivery, id: `${delivery.id}-dead`, error, deadAt: clock.now() }
    counters.count('outbox_given_up')
    this.#bury(letter)
    await book.keep(letter).catch(() => counters.count('outbox_not_kept'))
  }

  #bury(letter: Delivery): void {
    const letters = this.#letters.get(letter.subscription) ?? []
    this.#letters.set(letter.subscription, letters)
    letters.push(letter)
    if (letters.length <= MAX_DEAD) return
    const { book, counters } = this.#parts
    void book.drop(letters.shift()!).catch(() => counters.count('outbox_not_kept'))
  }
}
