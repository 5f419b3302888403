import { findSame, replaced } from '../../functions/store/amend.ts'
import type { Binding } from '../../functions/store/store.ts'

/** Where users were when they were last looked up, or registered here: so many AORs, those that were not asked for longest go first. */
export class LastKnown {
  readonly #bindings = new Map<string, readonly Binding[]>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#bindings.size
  }

  has(aor: string): boolean {
    return this.#bindings.has(aor)
  }

  /** Those that have not expired, asleep or not. */
  lookup(aor: string, now: number): Binding[] {
    return (this.#bindings.get(aor) ?? []).filter((binding) => binding.expiresAt > now)
  }

  /** Nobody is remembered who has no binding. */
  remember(aor: string, bindings: readonly Binding[]): void {
    this.#bindings.delete(aor)
    if (bindings.length === 0) return
    this.#bindings.set(aor, bindings)
    if (this.#bindings.size > this.#limit) this.#bindings.delete(this.#bindings.keys().next().value!)
  }

  /** A binding is another one in the store by now; nothing happens when it is not known as it was. */
  amend(known: Binding, amended: Binding): void {
    const bindings = this.#bindings.get(known.aor)
    const current = bindings && findSame(bindings, known)
    if (current) this.#bindings.set(known.aor, replaced(bindings, current, amended))
  }

  /** Of each AOR the live bindings that came by this gateway, where there are any. */
  registeredBy(gateway: string, now: number): Map<string, Binding[]> {
    const found = new Map<string, Binding[]>()
    for (const aor of this.#bindings.keys()) {
      const ours = this.lookup(aor, now).filter(({ received }) => received.gateway === gateway)
      if (ours.length > 0) found.set(aor, ours)
    }
    return found
  }
}
