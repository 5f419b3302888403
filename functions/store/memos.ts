import { ExpiryQueue } from './expiry-queue.ts'

interface Memo {
  key: string
  value: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** What is remembered for a while. */
export class Memos {
  readonly #memos = new Map<string, Memo>()
  readonly #expiry = new ExpiryQueue<Memo>(({ expiresAt }) => expiresAt)

  recall(key: string, now: number): string | undefined {
    const memo = this.#memos.get(key)
    return memo && memo.expiresAt > now ? memo.value : undefined
  }

  remember(key: string, value: string, expiresAt: number): void {
    const before = this.#memos.get(key)
    if (before) this.#expiry.remove(before)
    const memo = { key, value, expiresAt }
    this.#memos.set(key, memo)
    this.#expiry.add(memo)
  }

  /** @returns when it is to be swept next; `Infinity` when nothing is left */
  sweep(now: number): number {
    for (const { key } of this.#expiry.takeDue(now)) this.#memos.delete(key)
    return this.#expiry.nextDue
  }
}
