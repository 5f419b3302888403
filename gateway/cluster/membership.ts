import type { GatewayLease, GatewaySocket, SeenLease } from '../../functions/store/store.ts'

/** What this gateway is among the others. */
export interface Self {
  id: string
  /** This process of it. */
  life: string
  pool: string
  sockets: GatewaySocket[]
}

/** What follows from the leases as they were seen. */
export interface Verdict {
  /** Others that are alive. */
  peers: GatewayLease[]
  /** Of gateways whose calls are nobody's now, and could be this one's. */
  adoptable: SeenLease[]
  /** Of gateways whose calls are nobody's now, and could not be this one's. */
  gone: GatewayLease[]
  /** Adopted gateways that are back and want their calls. */
  wanted: string[]
  /** Another process has this gateway's id, and has started later: it answers for its calls. */
  isReplaced: boolean
}

/**
 * @param steadyMs for how long this gateway has seen the leases without a gap. After a gap of the store's own, when nobody could renew
 *   anything, all seem to have lapsed: one that lived on has `ttlMs` to show itself.
 */
export function judge(self: Self, seen: readonly SeenLease[], steadyMs: number, ttlMs: number): Verdict {
  const others = seen.filter(({ life }) => life !== self.life)
  const own = others.find(({ gateway, leftMs }) => gateway === self.id && leftMs > 0)
  const nobodys = steadyMs < ttlMs ? [] : seen.filter(({ gateway, leftMs }) => leftMs <= 0 && gateway !== self.id)
  return {
    peers: others.filter(({ gateway, leftMs }) => leftMs > 0 && gateway !== self.id),
    adoptable: nobodys.filter((lease) => isAdoptable(lease, self)),
    gone: nobodys.filter((lease) => !isAdoptable(lease, self)),
    wanted: seen
      .filter(({ gateway, life, isWanted }) => life === self.life && gateway !== self.id && isWanted)
      .map(({ gateway }) => gateway),
    isReplaced: own?.holder === self.id,
  }
}

/** Of this pool, and known to callers and phones by addresses that are this gateway's, too. */
function isAdoptable({ pool, sockets }: SeenLease, self: Self): boolean {
  if (pool !== self.pool) return false
  return sockets.every(({ transport, advertised }) =>
    self.sockets.some((own) => own.transport === transport && own.advertised === advertised),
  )
}
