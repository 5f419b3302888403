import { findSame, replaced } from './amend.ts'
import { type Applied, applyRegister } from './apply-register.ts'
import { ExpiryQueue } from './expiry-queue.ts'
import type { Binding, RegisterChange } from './store.ts'

/** AORs are listed by this many parts, so that one page sorts only a part of them. */
const PARTS = 256

/** The location service in memory: the bindings of every AOR, and which of them expire next. */
export class LocationTable {
  readonly #bindings = new Map<string, Binding[]>()
  readonly #expiry = new ExpiryQueue<Binding>((binding) => binding.expiresAt)
  readonly #parts: Set<string>[] = Array.from({ length: PARTS }, () => new Set())
  readonly #limit: number

  /** @param limit how many bindings there may be in all; a REGISTER beyond it is refused */
  constructor(limit: number) {
    this.#limit = limit
  }

  get nextExpiry(): number {
    return this.#expiry.nextDue
  }

  /** Live bindings of the AOR in order of preference; a new array. */
  lookup(aor: string, now: number): Binding[] {
    const bindings = this.#bindings.get(aor)
    return bindings ? bindings.filter((binding) => binding.expiresAt > now) : []
  }

  register(change: RegisterChange): Applied {
    const stored = this.#bindings.get(change.aor) ?? []
    const applied = applyRegister(stored, change)
    if (!applied.ok) return applied
    if (applied.bindings.length > stored.length && this.#expiry.size >= this.#limit) {
      return { ok: false, why: 'too many contacts' }
    }
    for (const binding of applied.removed) this.#expiry.remove(binding)
    for (const binding of change.put) this.#expiry.add(binding)
    this.#write(change.aor, applied.bindings)
    return applied
  }

  /** Whether `known` was still exactly as it was read, and now is `amended`. */
  amend(known: Binding, amended: Binding): boolean {
    const stored = this.#bindings.get(known.aor) ?? []
    const current = findSame(stored, known)
    if (!current) return false
    this.#expiry.remove(current)
    this.#expiry.add(amended)
    this.#write(known.aor, replaced(stored, current, amended))
    return true
  }

  /** Takes out at most `limit` bindings that have expired by `now`. */
  expire(now: number, limit: number): Binding[] {
    const expired = this.#expiry.takeDue(now, limit)
    for (const binding of expired) {
      const rest = this.#bindings.get(binding.aor)!.filter((other) => other !== binding)
      this.#write(binding.aor, rest)
    }
    return expired
  }

  /** The live bindings after `cursor`: whole AORs, until there are `limit` bindings. */
  page(cursor: string, limit: number, now: number): { bindings: Binding[]; cursor: string } {
    const bindings: Binding[] = []
    let { part, aor: last } = readCursor(cursor)
    for (; part < PARTS; part++, last = '') {
      for (const aor of [...this.#parts[part]!].sort()) {
        if (aor <= last) continue
        bindings.push(...this.lookup(aor, now))
        if (bindings.length >= limit) return { bindings, cursor: `${part}:${aor}` }
      }
    }
    return { bindings, cursor: '' }
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
