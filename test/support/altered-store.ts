import { createMemoryStore } from '../../functions/store/memory.ts'
import type { Store } from '../../functions/store/store.ts'
import type { WorldOptions } from './world.ts'

/** A store in memory of which some methods are others. */
export function altered(change: (memory: Store) => Partial<Store>): NonNullable<WorldOptions['store']> {
  return (clock, ids) => {
    const memory = createMemoryStore({ clock, ids })
    const changed = change(memory)
    return new Proxy(memory, {
      get: (_, name: keyof Store) => changed[name] ?? (memory[name] as (...args: unknown[]) => unknown).bind(memory),
    })
  }
}

export const away = () => Promise.reject(new Error('the store is away'))
