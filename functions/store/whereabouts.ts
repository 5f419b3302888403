import type { Binding, Whereabouts } from './store.ts'

/** Of the stored bindings of an AOR, in order of preference, those that have not expired. */
export function whereabouts(stored: readonly Binding[], now: number): Whereabouts {
  const bindings = stored.filter((binding) => binding.expiresAt > now && !binding.asleep)
  if (bindings.length === stored.length) return { bindings }
  const asleep = stored.filter((binding) => binding.expiresAt > now && binding.asleep)
  return asleep.length > 0 ? { bindings, asleep } : { bindings }
}

/** All of them, those asleep last: whom a push may reach. */
export function everyBinding({ bindings, asleep }: Whereabouts): Binding[] {
  return asleep ? [...bindings, ...asleep] : bindings
}

/** Whether its `refresh` counts: whoever is asleep shall sleep on, and to an invalid token nothing is pushed. */
export function isRefreshable({ refresh, asleep, push }: Binding): boolean {
  return refresh !== undefined && !asleep && push?.invalidSince === undefined
}
