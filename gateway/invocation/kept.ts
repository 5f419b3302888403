import type { Store, SuspendedTransaction } from '../../functions/store/store.ts'
import type { Unwritten, Writing } from './writing.ts'

export interface KeptParts {
  store: Store
  writing: Writing
  failed(error: unknown): void
}

/** What a record says; the call's name and what the store wants to know of it come by themselves. */
export type KeptRecord = Pick<SuspendedTransaction, 'gateway' | 'callId' | 'expiresAt' | 'state'>

/** Records are written once, and gone once. */
const REV = 1

/**
 * Records in the store that stand for calls which wait for nothing: as transactions of their own, beside those of the calls. What the store
 * has not taken, or has lost, it is given again; what is over it keeps no longer, whenever it is told so.
 */
export class Kept {
  readonly #prefix: string
  readonly #parts: KeptParts
  /** By the call's id. */
  readonly #kept = new Map<string, Unwritten>()

  /** @param prefix before the ids of these transactions */
  constructor(prefix: string, parts: KeptParts) {
    this.#prefix = prefix
    this.#parts = parts
  }

  /** Whether something in the store is such a record, of whichever gateway. */
  isOne({ id }: SuspendedTransaction): boolean {
    return id.startsWith(this.#prefix)
  }

  /** Settles when the store has been given it; failures are tried again by themselves. */
  async keep(id: string, record: () => KeptRecord): Promise<void> {
    const kept = { writeAgain: () => this.#write(kept, id, record) }
    this.#kept.set(id, kept)
    await kept.writeAgain()
  }

  async #write(kept: Unwritten, id: string, record: () => KeptRecord): Promise<boolean> {
    const { store, writing, failed } = this.#parts
    const transaction = { id: this.#prefix + id, rev: REV, ...record() }
    try {
      await store.suspend({ transaction, add: [], drop: [], since: '' })
      return true
    } catch (error) {
      failed(error)
      if (this.#kept.get(id) === kept) writing.add(kept)
      return false
    }
  }

  /** The store has lost what it had of them. */
  writeAgain(): void {
    if (this.#kept.size > 0) this.#parts.writing.addAll(this.#kept.values())
  }

  /** It is not to be known any more, when it is from here. */
  drop(id: string): void {
    if (this.#kept.has(id)) this.forget(id)
  }

  /** It is not to be known any more, whoever has written it. */
  forget(id: string): void {
    const kept = this.#kept.get(id)
    this.#kept.delete(id)
    if (kept) this.#parts.writing.delete(kept)
    void this.#release(this.#prefix + id)
  }

  /** Takes one out of the store, as often as that needs. @returns whether that has been done at once */
  async #release(transaction: string): Promise<boolean> {
    const { store, writing, failed } = this.#parts
    try {
      await store.release(transaction, REV)
      return true
    } catch (error) {
      failed(error)
      writing.add({ writeAgain: () => this.#release(transaction) })
      return false
    }
  }
}
