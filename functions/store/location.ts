import { findSame, replaced } from './amend.ts'
import { type Applied, applyRegister } from './apply-register.ts'
import { ExpiryQueue } from './expiry-queue.ts'
import type { Binding, RegisterChange, Whereabouts } from './store.ts'
import { everyBinding, isRefreshable, whereabouts } from './whereabouts.ts'

/** AORs are listed by this many parts, so that one page sorts only a part of them. */
const PARTS = 256

/** The location service in memory: the bindings of every AOR, and which of them expire next. */
export class LocationTable {
  readonly #bindings = new Map<string, Binding[]>()
  readonly #expiry = new ExpiryQueue<Binding>((binding) => binding.expiresAt)
  readonly #refresh = new ExpiryQueue<Binding>((binding) => binding.refresh!.at)
  readonly #parts: Set<string>[] = Array.from({ length: PARTS }, () => new Set())
  readonly #limit: number

  /** @param limit how many bindings there may be in all; a REGISTER beyond it is refused */
  constructor(limit: number) {
    this.#limit = limit
  }

  get nextExpiry(): number {
    return this.#expiry.nextDue
  }

  /** Live bindings of the AOR in order of preference; new arrays. */
  lookup(aor: string, now: number): Whereabouts {
    return whereabouts(this.#bindings.get(aor) ?? [], now)
  }

  register(change: RegisterChange): Applied {
    const stored = this.#bindings.get(change.aor) ?? []
    const applied = applyRegister(stored, change)
    if (!applied.ok) return applied
    if (applied.bindings.length > stored.length && this.#expiry.size >= this.#limit) {
      return { ok: false, why: 'too many contacts' }
    }
    for (const binding of applied.removed) this.#unqueue(binding)
    for (const binding of applied.added) this.#queue(binding)
    this.#write(change.aor, applied.bindings)
    return applied
  }

  /** Whether `known` was still exactly as it was read, and now is `amended`. */
  amend(known: Binding, amended: Binding): boolean {
    const stored = this.#bindings.get(known.aor) ?? []
    const current = findSame(stored, known)
    if (!current) return false
    this.#unqueue(current)
    this.#queue(amended)
    this.#write(known.aor, replaced(stored, current, amended))
    return true
  }

  /** Takes out at most `limit` bindings that have expired by `now`. */
  expire(now: number, limit: number): Binding[] {
    const expired = this.#expiry.takeDue(now, limit)
    for (const binding of expired) {
      if (isRefreshable(binding)) this.#refresh.remove(binding)
      const rest = this.#bindings.get(binding.aor)!.filter((other) => other !== binding)
      this.#write(binding.aor, rest)
    }
    return expired
  }

  refreshDue(now: number, limit: number): Binding[] {
    return this.#refresh.due(now, limit, (binding) => binding.expiresAt > now)
  }

  /** The live bindings after `cursor`: whole AORs, until there are `limit` bindings. */
  page(cursor: string, limit: number, now: number): { bindings: Binding[]; cursor: string } {
    const bindings: Binding[] = []
    let { part, aor: last } = readCursor(cursor)
    for (; part < PARTS; part++, last = '') {
      for (const aor of [...this.#parts[part]!].sort()) {
        if (aor <= last) continue
        bindings.push(...everyBinding(this.lookup(aor, now)))
        if (bindings.length >= limit) return { bindings, cursor: `${part}:${aor}` }
      }
    }
    return { bindings, cursor: '' }
  }

  #queue(binding: Binding): void {
    this.#expiry.add(binding)
    if (isRefreshable(binding)) this.#refresh.add(binding)
  }

  #unqueue(binding: Binding): void {
    this.#expiry.remove(binding)
    if (isRefreshable(binding)) this.#refresh.remove(binding)
  }

  #write(aor: string, bindings: Binding[]): void {
    if (bindings.length > 0) {
      if (!this.#bindings.has(aor)) this.#parts[partOf(aor)]!.add(aor)
      this.#bindings.set(aor, bindings)
    } else {
      this.#parts[partOf(aor)]!.delete(aor)
      this.#bindings.delete(aor)
    }
  }
}

function readCursor(cursor: string): { part: number; aor: string } {
  const colon = cursor.indexOf(':')
  const part = Number(cursor.slice(0, Math.max(0, colon)))
  return Number.isInteger(part) && part >= 0 ? { part, aor: cursor.slice(colon + 1) } : { part: PARTS, aor: '' }
}

/** FNV-1a. */
function partOf(aor: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < aor.length; index++) hash = Math.imul(hash ^ aor.charCodeAt(index), 0x01000193)
  return (hash >>> 0) % PARTS
}
