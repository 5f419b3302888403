/** How the targets of one fork are tried. */
export type ForkMode = 'parallel' | 'sequential' | 'by-q'

/**
 * Orders targets into the groups a proxy tries in turn.
 * @param targets `q` 0 to 1; in mode `by-q` those of equal q ring together
 * @returns groups, each forked in parallel; `[]` when there is no target
 * @see RFC 3261 16.6, 20.10
 */
export function groupTargets<Target extends { q: number }>(targets: readonly Target[], mode: ForkMode): Target[][] {
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

/**
 * Whether the next group is tried after the failure `status` of a target.
 * @param retryOn absent: after any
 */
export function triesOnAfter(status: number, retryOn: readonly number[] | undefined): boolean {
  // A flow that is gone (RFC 5626) is told as 480, and is a failure of the transport (RFC 3261 16.9): who lists either means it.
  const names = status === 430 ? [430, 480, 503] : [status]
  return retryOn === undefined || names.some((name) => retryOn.includes(name))
}
