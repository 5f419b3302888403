import type { Binding } from '../../functions/store/store.ts'
import type { Flow } from '../transport/types.ts'

/** One place to fork a request to. */
export interface Target {
  /** Becomes the Request-URI. */
  uri: string
  /** 0 to 1; contacts of equal q ring together. */
  q: number
  /** The device, of which one branch rings at a time; for a target that is no registered contact, the URI. */
  device: string
  /** The binding it came from: its Path and flow are used. */
  binding: Binding | undefined
  /** A flow to use whatever the URI says: the far end of a dialog behind a NAT or on a connection. */
  flow?: Flow | undefined
}

export type ForkMode = 'parallel' | 'sequential' | 'by-q'

/**
 * Orders targets into the groups a proxy tries in turn.
 * @returns groups, each forked in parallel; `[]` when there is no target
 * @see RFC 3261 16.6, 20.10
 */
export function groupTargets(targets: readonly Target[], mode: ForkMode): Target[][] {
  if (targets.length === 0) return []
  if (mode === 'parallel' || targets.length === 1) return [[...targets]]
  if (mode === 'sequential') return targets.map((target) => [target])
  const groups = new Map<number, Target[]>()
  for (const target of targets) {
    const group = groups.get(target.q)
    if (group) group.push(target)
    else groups.set(target.q, [target])
  }
  return [...groups.entries()].sort(([a], [b]) => b - a).map(([, group]) => group)
}

/** The target a registered contact makes. */
export function bindingTarget(binding: Binding): Target {
  return { uri: binding.contact, q: binding.q, device: binding.device, binding }
}
