import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Binding, RegisterChange, Store } from '../../functions/store/store.ts'
import { everyBinding } from '../../functions/store/whereabouts.ts'
import { restoreBindings } from './restore.ts'

/** The store is tried again so often while it is owed something; milliseconds. */
const TRY_MS = 1000
/** So much goes to the store at once. */
const AT_ONCE = 64
/** An event that is older than this, in milliseconds, is news to nobody: it might only be taken for one of now. */
const EVENT_AGE_MS = 30_000
/** What is kept at most; the oldest goes first, and a REGISTER beyond it is refused. */
const MAX_CHANGES = 20_000
const MAX_EVENTS = 10_000
const MAX_RELEASES = 100_000

export interface CatchUpParts {
  store: Store
  clock: Clock
  count(series: string, by?: number): void
  /** The store has taken the changes of an AOR, whose bindings are now these. */
  registered(aor: string, bindings: readonly Binding[]): void
}

/** What the store is owed since it was away, or has lost: it is tried every second, and takes all of it in order when it is back. */
export class CatchUp {
  readonly #parts: CatchUpParts
  readonly #changes = new Map<string, RegisterChange[]>()
  readonly #lost = new Map<string, readonly Binding[]>()
  /** The last rev of each transaction that has ended. */
  readonly #releases = new Map<string, number | undefined>()
  readonly #events: RouseEvent[] = []
  #changeCount = 0
  #timer: Timer | undefined
  #isAtWork = false
  #isClosed = false

  constructor(parts: CatchUpParts) {
    this.#parts = parts
  }

  /** How much the store is owed. */
  get size(): number {
    return this.#changeCount + this.#lost.size + this.#releases.size + this.#events.length
  }

  /** No further REGISTER can be kept. */
  get isFull(): boolean {
    return this.#changeCount >= MAX_CHANGES
  }

  /** The store does not know yet where this user is. */
  hasChanges(aor: string): boolean {
    return this.#changes.has(aor)
  }

  register(change: RegisterChange): void {
    const changes = this.#changes.get(change.aor) ?? []
    changes.push(change)
    this.#changes.set(change.aor, changes)
    this.#changeCount++
    this.#later()
  }

  /** The store may have lost these bindings, by AOR. */
  restore(bindings: ReadonlyMap<string, readonly Binding[]>): void {
    for (const [aor, known] of bindings) this.#lost.set(aor, known)
    this.#later()
  }

  release(transaction: string, rev: number | undefined): void {
    this.#releases.set(transaction, rev)
    if (this.#releases.size > MAX_RELEASES) this.#releases.delete(this.#releases.keys().next().value!)
    this.#later()
  }

  /** It is suspended again. */
  keep(transaction: string): void {
    this.#releases.delete(transaction)
  }

  publish(events: readonly RouseEvent[]): void {
    this.#events.push(...events)
    const surplus = this.#events.length - MAX_EVENTS
    if (surplus > 0) this.#lose(this.#events.splice(0, surplus).length)
    this.#later()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #later(): void {
    if (this.#isAtWork || this.#isClosed || this.size === 0) return
    this.#timer ??= this.#parts.clock.after(TRY_MS, () => void this.#work())
  }

  /** Where users are comes before the events that say so. */
  async #work(): Promise<void> {
    this.#timer = undefined
    this.#isAtWork = true
    try {
      while (this.#lost.size > 0) await this.#some(this.#lost.keys(), (aor) => this.#restoreAll(aor))
      while (this.#changes.size > 0) await this.#some(this.#changes.keys(), (aor) => this.#registerAll(aor))
      while (this.#releases.size > 0) await this.#some(this.#releases.keys(), (id) => this.#releaseOne(id))
      while (this.#events.length > 0) await this.#publishSome()
    } catch {
      // Still away, which its operations tell: what is left is tried again.
    }
    this.#isAtWork = false
    this.#later()
  }

  /** Rejects when one of them has failed, and all are through: none may still be under way when it is tried again. */
  async #some(keys: Iterable<string>, act: (key: string) => Promise<void>): Promise<void> {
    const some: string[] = []
    for (const key of keys) if (some.push(key) === AT_ONCE) break
    const done = await Promise.allSettled(some.map(act))
    const failed = done.find(({ status }) => status === 'rejected')
    if (failed) throw (failed as PromiseRejectedResult).reason
  }

  async #restoreAll(aor: string): Promise<void> {
    const { store, clock } = this.#parts
    await restoreBindings(store, aor, this.#lost.get(aor)!, clock.now())
    this.#lost.delete(aor)
  }

  async #registerAll(aor: string): Promise<void> {
    const changes = this.#changes.get(aor)!
    for (let change = changes[0]; change; change = changes[0]) {
      const outcome = await this.#parts.store.register(change)
      changes.shift()
      this.#changeCount--
      if (!outcome.ok) this.#parts.count('registrations superseded')
      if (changes.length > 0) continue
      this.#changes.delete(aor)
      this.#parts.registered(aor, everyBinding(outcome))
    }
  }

  async #releaseOne(transaction: string): Promise<void> {
    await this.#parts.store.release(transaction, this.#releases.get(transaction))
    this.#releases.delete(transaction)
  }

  async #publishSome(): Promise<void> {
    const oldest = this.#parts.clock.now() - EVENT_AGE_MS
    const some = this.#events.slice(0, AT_ONCE)
    const timely = some.filter(({ time }) => time >= oldest)
    await this.#parts.store.publish(timely)
    this.#events.splice(0, some.length)
    this.#lose(some.length - timely.length)
  }

  #lose(events: number): void {
    if (events > 0) this.#parts.count('events lost', events)
  }
}
