import type { GatewayLease, LeaseStep, SeenLease } from './store.ts'

interface Held {
  lease: GatewayLease
  /** Milliseconds since the epoch. */
  until: number
  isWanted: boolean
}

/** Who acts for the calls of which gateway, in one process. */
export class LeaseTable {
  readonly #held = new Map<string, Held>()
  #secret: string | undefined

  step({ life, isStart, take, leave, forget, ttlMs, secret }: LeaseStep, now: number) {
    this.#secret ??= secret
    for (const gateway of leave) {
      const held = this.#of(gateway, life)
      if (held) held.until = now
    }
    for (const gateway of forget) if (this.#of(gateway, life)) this.#held.delete(gateway)
    const taken = take.filter((lease) => this.#take(lease, isStart, now, now + ttlMs)).map(({ gateway }) => gateway)
    return { taken, seen: [...this.#held.values()].map((held) => seen(held, now)), secret: this.#secret }
  }

  #of(gateway: string, life: string): Held | undefined {
    const held = this.#held.get(gateway)
    return held?.lease.life === life ? held : undefined
  }

  #take(lease: GatewayLease, isStart: boolean, now: number, until: number): boolean {
    const held = this.#held.get(lease.gateway)
    const isOwn = held?.lease.life === lease.life
    if (held && !isOwn && held.until > now) {
      const isOwner = lease.holder === lease.gateway
      const isOlderSelf = isStart && isOwner && held.lease.holder === lease.gateway
      if (!isOlderSelf) {
        held.isWanted ||= isOwner
        return false
      }
    }
    this.#held.set(lease.gateway, { lease, until, isWanted: isOwn && held.isWanted })
    return true
  }
}

function seen({ lease, until, isWanted }: Held, now: number): SeenLease {
  return { ...lease, leftMs: Math.max(0, until - now), isWanted }
}
