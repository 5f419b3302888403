import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { Store } from '../../functions/store/store.ts'

export interface LeadershipParts {
  store: Store
  clock: Clock
  /** From 0 to 1. */
  random(): number
  /** This gateway leads from now on; rejects when it cannot, and the next one may. */
  lead(): Promise<void>
  /** It does no more. */
  follow(): Promise<void>
  /** How it went to ask the store: the error, undefined when it answered. */
  told(error: unknown): void
}

/** Who leads does so for a term at a time; terms are the same for all gateways, as far as their clocks are. Milliseconds. */
export const TERM_MS = 5000
/** The next term is claimed so long before it begins: nobody else can have it. */
const EARLY_MS = 1500
/** Others claim a term so long after it has begun, or somewhat later. */
const LATE_MS = 500
const SPREAD_MS = 500
const RETRY_MS = 500
const CLAIM_MS = 4 * TERM_MS

/**
 * One gateway of all that share a store, as long as it lives; when it dies another one within two terms. While the store is away the one that
 * leads goes on: nobody else could claim anything.
 */
export class Leadership {
  readonly #parts: LeadershipParts
  #leads = false
  /** The last term that this gateway has claimed. */
  #term = -1
  #timer: Timer | undefined
  #isOver = false
  #step: Promise<void> = Promise.resolve()

  constructor(parts: LeadershipParts) {
    this.#parts = parts
  }

  get leads(): boolean {
    return this.#leads
  }

  async start(): Promise<void> {
    await this.#run()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    this.#timer?.cancel()
    await this.#step
    if (this.#leads) await this.#parts.follow()
    this.#leads = false
  }

  #later(ms: number): void {
    if (this.#isOver) return
    this.#timer = this.#parts.clock.after(ms, () => void this.#run())
  }

  #run(): Promise<void> {
    this.#step = this.#claim().then((ms) => this.#later(ms))
    return this.#step
  }

  /** @returns when to claim again */
  async #claim(): Promise<number> {
    const { store, clock, random } = this.#parts
    const now = clock.now()
    const current = Math.floor(now / TERM_MS)
    const wanted = this.#leads ? Math.max(current, this.#term + 1) : current
    try {
      const isOurs = await store.claim(`outbox-${wanted}`, CLAIM_MS)
      if (isOurs) this.#term = wanted
      this.#parts.told(undefined)
      if (isOurs !== this.#leads) await (isOurs ? this.#begin() : this.#end())
    } catch (error) {
      this.#parts.told(error)
      return RETRY_MS
    }
    const next = (this.#leads ? this.#term + 1 : current + 1) * TERM_MS
    const at = this.#leads ? next - EARLY_MS : next + LATE_MS + random() * SPREAD_MS
    return Math.max(1, at - clock.now())
  }

  async #begin(): Promise<void> {
    await this.#parts.lead()
    this.#leads = true
  }

  async #end(): Promise<void> {
    this.#leads = false
    await this.#parts.follow()
  }
}
