import type { Clock } from '../../functions/contract/clock.ts'
import type { Resolver } from './resolver.ts'

export interface ResolverCacheOptions {
  /** Milliseconds an answer is used; Node does not tell the records' own lifetimes; default 30,000. */
  ttlMs?: number
  /** Milliseconds a failure or an empty answer is used; default 5,000. */
  emptyTtlMs?: number
  /** Questions kept; the oldest goes first; default 10,000. */
  maxEntries?: number
}

interface Entry {
  answer: Promise<unknown[]>
  /** Milliseconds since the epoch; an open question is shared for `emptyTtlMs`, then put again. */
  until: number
}

/** Asks each question once at a time and once in a while: a thousand calls to one domain are one look-up. */
export function cachedResolver(resolver: Resolver, clock: Clock, options: ResolverCacheOptions = {}): Resolver {
  const { ttlMs = 30_000, emptyTtlMs = 5_000, maxEntries = 10_000 } = options
  const entries = new Map<string, Entry>()

  function ask<Answer>(key: string, question: () => Promise<Answer[]>): Promise<Answer[]> {
    const known = entries.get(key)
    if (known && known.until > clock.now()) return known.answer as Promise<Answer[]>
    const answer = question()
    const entry: Entry = { answer, until: clock.now() + emptyTtlMs }
    entries.delete(key)
    entries.set(key, entry)
    if (entries.size > maxEntries) entries.delete(entries.keys().next().value!)
    const keep = (ms: number): void => {
      entry.until = clock.now() + ms
    }
    answer.then(
      (records) => keep(records.length > 0 ? ttlMs : emptyTtlMs),
      () => keep(emptyTtlMs),
    )
    return answer
  }

  return {
    naptr: (domain) => ask(`naptr ${domain}`, () => resolver.naptr(domain)),
    srv: (name) => ask(`srv ${name}`, () => resolver.srv(name)),
    addresses: (host) => ask(`addresses ${host}`, () => resolver.addresses(host)),
  }
}
