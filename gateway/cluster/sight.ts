import type { Store } from '../../functions/store/store.ts'

/** Whoever has adopted calls has made them its own by then, and says in each record until when they were talked on. Milliseconds. */
const LOOKS_ON_MS = 65_000

/**
 * Until when a gateway itself has certainly followed its calls. Who looks on reads its inbox, and by that it seems to be there: what was
 * known before is noted meanwhile, so that the next one to have the calls knows as much.
 */
export class Sight {
  readonly #store: Pick<Store, 'remember' | 'recall' | 'lastSeen'>
  readonly #failed: (error: unknown) => void

  constructor(store: Pick<Store, 'remember' | 'recall' | 'lastSeen'>, failed: (error: unknown) => void) {
    this.#store = store
    this.#failed = failed
  }

  /** Milliseconds since the epoch. @param lastSeen see Store.lastSeen */
  async of(gateway: string, lastSeen: Promise<number>): Promise<number> {
    const [noted, seen] = await Promise.all([this.#store.recall(keyOf(gateway)), lastSeen])
    return noted ? Math.min(Number(noted), seen) : seen
  }

  looksOn(gateway: string, until: number): void {
    this.#store.remember(keyOf(gateway), String(until), LOOKS_ON_MS).catch(this.#failed)
  }

  /** It is there itself, or will not be. */
  over(gateway: string): void {
    this.#store.remember(keyOf(gateway), '', 1).catch(this.#failed)
  }
}

function keyOf(gateway: string): string {
  return `sight/${gateway}`
}
