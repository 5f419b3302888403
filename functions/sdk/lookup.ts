import type { Contact } from '../contract/envelope.ts'
import type { RouseStore } from './store.ts'

/** Looks an AOR up without the gateway; undefined when the store does not answer, and the gateway has to be asked. */
export type Lookup = (aor: string) => Promise<Contact[] | undefined>

type StoreOfEnv = RouseStore | ((env: never) => RouseStore | undefined) | undefined

/**
 * How the handlers of a router look AORs up: in its store, which is asked of a function until that has one.
 * @param onError hears of a store that does not answer, or cannot be made
 * @returns for the environment of an invocation; undefined where there is no store
 */
export function lookups(store: StoreOfEnv, onError: (error: unknown) => void): (env: unknown) => Lookup | undefined {
  const attempt = async (found: RouseStore, aor: string) => {
    try {
      return await found.lookup(aor)
    } catch (error) {
      onError(error)
      return undefined
    }
  }
  let known: RouseStore | undefined
  return (env) => {
    try {
      known ??= typeof store === 'function' ? store(env as never) : store
    } catch (error) {
      onError(error)
    }
    const found = known
    return found && ((aor) => attempt(found, aor))
  }
}
