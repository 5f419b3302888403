import type { IdSource } from '../contract/clock.ts'
import type { Attributes, RouseEvent } from '../contract/events.ts'
import type { Binding, RegisterChange } from './store.ts'

/** An event to be. */
export interface Happened {
  type: string
  attributes: Attributes
}

export type Applied =
  /** The AOR's bindings by then, which of the stored ones are gone, which are new, and what happened, in order. */
  | { ok: true; bindings: Binding[]; removed: Binding[]; added: Binding[]; happened: Happened[] }
  | { ok: false; why: 'order' | 'too many contacts' }

/**
 * What a REGISTER makes of the bindings of one AOR; decides all or nothing (RFC 3261 10.3 step 7).
 * A contact removes or replaces the binding of its device, or, when that has none, the binding of the same contact URI. Two devices
 * that name different instances never replace each other, however equal their private addresses look (RFC 5626 6).
 * A binding that is kept falls asleep where it is, which means to those who wait that it was removed.
 * @param stored bindings of the AOR, those that have expired by `change.now` too
 */
export function applyRegister(stored: readonly Binding[], change: RegisterChange): Applied {
  const live = stored.filter((binding) => binding.expiresAt > change.now)
  const leaving = live.filter((binding) => isNamedIn(change.remove, binding))
  const replacedBy = change.put.map((put) => replacedIn(stored, put))
  const touched = [...leaving, ...replacedBy.flat().filter((binding) => binding.expiresAt > change.now)]
  if (touched.some((binding) => isOutOfOrder(binding, change))) return { ok: false, why: 'order' }

  const replaced = new Set(replacedBy.flat())
  const left = leaving.filter((binding) => !replaced.has(binding))
  const gone = new Set([...left, ...replaced])
  const sleepers = new Map(left.flatMap((binding) => asSleeper(binding, change)))
  const bindings = [
    ...stored.flatMap((binding) => sleepers.get(binding) ?? (gone.has(binding) ? [] : binding)),
    ...change.put,
  ]
  const count = bindings.filter((binding) => binding.expiresAt > change.now).length
  if (count > change.maxContacts && count > live.length) return { ok: false, why: 'too many contacts' }

  const isRefresh = replacedBy.map((some) => some.some((binding) => binding.expiresAt > change.now && !binding.asleep))
  const removed = left.filter((binding) => !binding.asleep)
  const happened = happenedTo(removed, change.put, isRefresh, change.now)
  const added = [...sleepers.values(), ...change.put]
  return { ok: true, bindings: bindings.sort(byPreference), removed: [...gone], added, happened }
}

/** What a change means to those who wait: `contact.removed` for what went, `contact.registered` for each binding that was put. */
export function happenedTo(
  removed: readonly Binding[],
  put: readonly Binding[],
  isRefresh: readonly boolean[],
  now: number,
): Happened[] {
  return [
    ...removed.map((binding) => ({ type: 'contact.removed', attributes: contactAttributes(binding) })),
    ...put.map((binding, index) => ({
      type: 'contact.registered',
      attributes: {
        ...contactAttributes(binding),
        kind: isRefresh[index] ? 'refreshed' : 'new',
        expires: Math.round((binding.expiresAt - now) / 1000),
        gateway: binding.received.gateway,
      },
    })),
  ]
}

/** What happened as events. */
export function eventsOf(happened: readonly Happened[], { event, now }: RegisterChange, ids: IdSource): RouseEvent[] {
  const first = happened.findIndex(({ type }) => type === 'contact.registered')
  return happened.map((what, index) => ({
    id: (index === first ? event : undefined) ?? ids.next('event'),
    time: now,
    ...what,
  }))
}

/** Highest q first, then most recently registered first. */
export function byPreference(a: Binding, b: Binding): number {
  return b.q - a.q || b.registeredAt - a.registeredAt
}

/** The attributes of `contact.removed` and `contact.expired`. */
export function contactAttributes(binding: Binding): Attributes {
  return { aor: binding.aor, contact: binding.contact, instance: binding.instance ?? '' }
}

/** "If it agrees, the registrar compares the CSeq value": only a higher one may change the binding. */
function isOutOfOrder(binding: Binding, change: RegisterChange): boolean {
  return binding.callId === change.callId && binding.cseq >= change.cseq
}

/** A binding that leaves and what becomes of it, when it may be woken and its device wants that. */
function asSleeper(binding: Binding, { remove, callId, cseq }: RegisterChange): [Binding, Binding][] {
  if (remove === '*' || !binding.push || binding.push.invalidSince !== undefined) return []
  const keepUntil = remove.findLast(
    (named) => named.keepUntil !== undefined && isSameContact(binding, named),
  )?.keepUntil
  if (keepUntil === undefined) return []
  const order = binding.callId === callId ? { cseq } : {}
  return [[binding, { ...binding, ...order, expiresAt: keepUntil, asleep: true }]]
}

function isNamedIn(remove: RegisterChange['remove'], binding: Binding): boolean {
  return remove === '*' || remove.some((named) => isSameContact(binding, named))
}

function replacedIn(stored: readonly Binding[], put: Binding): Binding[] {
  return stored.filter((binding) => isSameContact(binding, put))
}

function isSameContact(binding: Binding, named: { contact: string; device: string; instance?: string }): boolean {
  if (binding.device === named.device) return true
  if (binding.contact !== named.contact) return false
  return binding.instance === undefined || named.instance === undefined || binding.instance === named.instance
}
