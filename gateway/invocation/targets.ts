import type { Target as WireTarget } from '../../functions/contract/actions.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Binding, Store } from '../../functions/store/store.ts'
import type { Identity } from '../proxy/identity.ts'
import { bindingTarget, type Target } from '../proxy/target.ts'
import { canonicalAor, parseUri } from '../sip/uri.ts'
import { latin1 } from './request-data.ts'

/** Where the contacts of a call are known from. */
export interface TargetSource {
  store: Store
  identity: Identity
  /** The location of the callee as it was before the invocation. */
  bindings: readonly Binding[]
  /** The event that set off the fork. */
  event: RouseEvent | undefined
}

/**
 * Finds what a function's targets stand for: a registered contact (its Path and flow are then used), all contacts of an AOR of
 * this router's domains, or any other URI as it is. Reads the store only for what the call's own location does not tell.
 */
export function resolveTargets(targets: readonly WireTarget[], source: TargetSource): Target[] | Promise<Target[]> {
  const resolved: Target[] = []
  for (const target of targets) {
    const here = resolveHere(target, source)
    if (!here) return resolveAll(targets, source)
    resolved.push(here)
  }
  return resolved
}

/** What a target stands for, when nobody has to be asked. */
function resolveHere(target: WireTarget, source: TargetSource): Target | undefined {
  const uri = latin1(uriOf(target))
  const known = source.bindings.find(({ contact }) => contact === uri)
  if (known && isAsNewAs(known, source.event)) return withQ(target, bindingTarget(known))
  if (namedAors(target, source.event).length > 0) return undefined
  if (known) return withQ(target, bindingTarget(known))
  return localAor(uri, source.identity) === undefined ? withQ(target, plainTarget(uri)) : undefined
}

/** The location was read when the event had come, and has its contact as it says. */
function isAsNewAs(known: Binding, event: RouseEvent | undefined): boolean {
  return event?.type === 'contact.registered' && event.attributes.aor === known.aor && known.registeredAt >= event.time
}

async function resolveAll(targets: readonly WireTarget[], source: TargetSource): Promise<Target[]> {
  const resolved: Target[] = []
  for (const target of targets) resolved.push(...(await resolve(target, source)))
  return resolved
}

async function resolve(target: WireTarget, source: TargetSource): Promise<Target[]> {
  const uri = latin1(uriOf(target))
  // What an event says of a contact is newer than what was read before the invocation.
  for (const aor of namedAors(target, source.event)) {
    const { bindings } = await source.store.lookup(aor)
    const binding =
      bindings.find(({ contact }) => contact === uri) ?? bindings.find(({ contact }) => sameAddress(contact, uri))
    if (binding) return [withQ(target, bindingTarget(binding))]
  }
  const known = source.bindings.find(({ contact }) => contact === uri)
  if (known) return [withQ(target, bindingTarget(known))]
  const aor = localAor(uri, source.identity)
  if (aor === undefined) return [withQ(target, plainTarget(uri))]
  const { bindings } = await source.store.lookup(aor)
  return bindings.map((binding) => withQ(target, bindingTarget(binding)))
}

/** The AOR that a URI of this router's domains names; undefined for any other URI. */
function localAor(uri: string, identity: Identity): string | undefined {
  const parsed = parseUri(uri)
  if (!parsed || parsed.user === '' || !identity.isLocalDomain(parsed.host, parsed.port)) return undefined
  return canonicalAor(parsed)
}

function plainTarget(uri: string): Target {
  return { uri, q: 1, device: uri, binding: undefined }
}

/** The same user, host and port: phones write other parameters into the Contact of an INVITE than into that of a REGISTER. */
function sameAddress(a: string, b: string): boolean {
  const left = parseUri(a)
  const right = parseUri(b)
  return (
    left !== undefined &&
    right !== undefined &&
    left.user === right.user &&
    left.host === right.host &&
    left.port === right.port
  )
}

function namedAors(target: WireTarget, event: RouseEvent | undefined): string[] {
  const aors: string[] = []
  if (typeof target !== 'string' && target.aor !== undefined) aors.push(canonicalAor(latin1(target.aor)))
  const fromEvent = event?.attributes.aor
  if (typeof fromEvent === 'string') aors.push(canonicalAor(fromEvent))
  return aors
}

function withQ(target: WireTarget, resolved: Target): Target {
  return typeof target === 'string' || target.q === undefined ? resolved : { ...resolved, q: target.q }
}

function uriOf(target: WireTarget): string {
  return typeof target === 'string' ? target : target.uri
}
