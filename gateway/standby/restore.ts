import type { Binding, Store } from '../../functions/store/store.ts'
import { everyBinding } from '../../functions/store/whereabouts.ts'

/**
 * Writes the bindings of one AOR again of which the store has none of the same device that is as new: it has lost them.
 * @param known live bindings, as they were last
 * @param now   milliseconds since the epoch
 */
export async function restoreBindings(
  store: Store,
  aor: string,
  known: readonly Binding[],
  now: number,
): Promise<void> {
  const bindings = everyBinding(await store.lookup(aor))
  const isThere = (lost: Binding) =>
    bindings.some(({ device, registeredAt }) => device === lost.device && registeredAt >= lost.registeredAt)
  for (const binding of known) {
    if (isThere(binding)) continue
    const { callId, cseq } = binding
    // It was allowed once: however many there are by now, it is not refused.
    const change = { aor, callId, cseq, now, put: [binding], remove: [], maxContacts: Number.MAX_SAFE_INTEGER }
    await store.register(change)
  }
}
