import type { Target as WireTarget } from '../contract/actions.ts'
import type { RouseEvent } from '../contract/events.ts'
import { aorOf, parseUri } from '../contract/uri/uri.ts'
import type { Binding, Store } from '../store/store.ts'
import type { Target } from './branch.ts'

export interface TargetSource {
  store: Store
  isLocal(host: string): boolean
  /** The location of the callee as it was before the invocation. */
  bindings: readonly Binding[]
  /** What set off the fork: what it says of a contact is newer than what was read before. */
  event: RouseEvent | undefined
}

/** What targets stand for: a registered contact, all contacts of an AOR of the router's domains, or any other URI as it is. */
export async function resolveTargets(targets: readonly WireTarget[], source: TargetSource): Promise<Target[]> {
  const resolved: Target[] = []
  for (const target of targets) {
    const q = typeof target === 'string' ? undefined : target.q
    for (const found of await resolve(target, source)) resolved.push(q === undefined ? found : { ...found, q })
  }
  return resolved
}

async function resolve(target: WireTarget, { store, isLocal, bindings, event }: TargetSource): Promise<Target[]> {
  const uri = typeof target === 'string' ? target : target.uri
  for (const aor of namedAors(target, event)) {
    const there = (await store.lookup(aor)).bindings
    const binding =
      there.find(({ contact }) => contact === uri) ?? there.find(({ contact }) => isSameAddress(contact, uri))
    if (binding) return [bindingTarget(binding)]
  }
  const known = bindings.find(({ contact }) => contact === uri)
  if (known) return [bindingTarget(known)]
  const parsed = parseUri(uri)
  if (!parsed || parsed.user === '' || !isLocal(parsed.host)) {
    return [{ uri, q: 1, device: uri, binding: undefined }]
  }
  return (await store.lookup(aorOf(uri))).bindings.map(bindingTarget)
}

export function bindingTarget(binding: Binding): Target {
  return { uri: binding.contact, q: binding.q, device: binding.device, binding }
}

function namedAors(target: WireTarget, event: RouseEvent | undefined): string[] {
  const named = typeof target === 'string' ? undefined : target.aor
  return [named, event?.attributes.aor].filter((aor) => typeof aor === 'string').map((aor) => aorOf(aor))
}

function isSameAddress(a: string, b: string): boolean {
  const [left, right] = [parseUri(a), parseUri(b)]
  return !!left && !!right && left.user === right.user && left.host === right.host && left.port === right.port
}
