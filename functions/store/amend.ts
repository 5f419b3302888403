import { byPreference } from './apply-register.ts'
import type { Binding } from './store.ts'

/** The binding that still is exactly what was read. */
export function findSame(bindings: readonly Binding[], known: Binding): Binding | undefined {
  const text = JSON.stringify(known)
  return bindings.find((binding) => binding === known || JSON.stringify(binding) === text)
}

/** The bindings with `amended` in place of `current`, in order of preference. */
export function replaced(bindings: readonly Binding[], current: Binding, amended: Binding): Binding[] {
  return bindings.map((binding) => (binding === current ? amended : binding)).sort(byPreference)
}
