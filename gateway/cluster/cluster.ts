import { type Clock, pause, type Timer } from '../../functions/contract/clock.ts'
import type { GatewayLease, GatewaySocket, LeaseStep, SeenLease, Store } from '../../functions/store/store.ts'
import type { Log } from '../observe/log.ts'
import type { Listener } from '../transport/types.ts'
import { judge, type Self } from './membership.ts'
import type { LivePeers } from './peers.ts'

/** A gateway that has not renewed its lease for so long is taken for dead. Milliseconds. */
export const LEASE_MS = 5000
/** How often it does. */
export const BEAT_MS = 1000
/** A gateway that nobody could act for, and that has not come back for so long, does not: what it leaves behind is settled. Milliseconds. */
const LOST_MS = 3_600_000
/** By then every gateway that is alive has seen a lease. Milliseconds. */
const SEEN_MS = 1.5 * BEAT_MS

/** Who has the calls in hand. */
export interface CallKeeper {
  /** The calls of that gateway are this one's from now on. @param hasLeft it has left them, and does not go on with any */
  takeOver(gateway: string, hasLeft: boolean): Promise<void>
  /** Nobody goes on with the calls of that gateway. */
  bury(gateway: string): Promise<void>
  /**
   * They are another one's: what is not written yet is, and nothing of them goes on here.
   * @param isTaken another one has taken them already: it goes on with all that the store knows of
   */
  letGo(gateway: string, isTaken: boolean): Promise<void>
  /** Whether it has calls of that gateway. */
  hasCallsOf(gateway: string): boolean
  /** Another process is this gateway now: new calls are for others. */
  replaced(): void
}

export interface ClusterParts {
  store: Pick<Store, 'leases'>
  clock: Clock
  self: Self
  /** Becomes the secret of all gateways unless they have one. */
  secret: string
  count(series: string): void
  log: Log
}

/**
 * This gateway among the others: renews its lease, sees theirs, adopts the calls of one that has died, and gives them back when it returns.
 */
export class Cluster {
  readonly #parts: ClusterParts
  readonly #peers: LivePeers
  readonly #keeper: CallKeeper
  /** Gateways whose calls are in this one's hands, also while they come and while they are given back. */
  readonly #held = new Set<string>()
  /** The leases of gateways whose calls are settled, kept by this one meanwhile. */
  readonly #buried = new Map<string, GatewayLease>()
  /** Of gateways whose calls come, go or are settled: done when they have. That may be thousands, and leases are renewed meanwhile. */
  readonly #moving = new Map<string, Promise<void>>()
  #isReplaced = false
  #isCertain = true
  #isLeaving = false
  /** No calls are moved any more but those that another one has taken. */
  #isResting = false
  #isOver = false
  /** The last try to renew has failed, and that was told. */
  #hasFailed = false
  /** Since when no sight of the leases has failed, or come late. */
  #steadySince: number | undefined
  #seenAt = Number.NEGATIVE_INFINITY
  /** Since when gateways are seen to have lapsed that this one cannot act for. */
  readonly #gone = new Spells()
  /** Since when gateways are seen to have lapsed that are back, and about to take their calls. */
  readonly #awaited = new Spells()
  #timer: Timer | undefined
  #beating: Promise<void> = Promise.resolve()
  /** Until then leases last, should this gateway have no time for a beat. Milliseconds since the epoch. */
  #busyUntil = 0

  /** @param peers is told who they are */
  constructor(parts: ClusterParts, peers: LivePeers, keeper: CallKeeper) {
    this.#parts = parts
    this.#peers = peers
    this.#keeper = keeper
    this.#held.add(parts.self.id)
  }

  /** For readiness: another process has taken this one's place. */
  get isReplaced(): boolean {
    return this.#isReplaced
  }

  /** As far as the last look at the leases has shown, the calls of this gateway are in its own hands. */
  get isCertain(): boolean {
    return this.#isCertain
  }

  /** Gateways that this one acts for besides itself. */
  get adopted(): string[] {
    return [...this.#held].filter((gateway) => gateway !== this.#parts.self.id)
  }

  /**
   * Goes on with the calls of the process before, sees who else is there, and goes on looking.
   * @throws Error when its calls cannot be had now
   */
  async start(): Promise<void> {
    const taken = this.#takeOver(this.#parts.self.id, true)
    this.#goOn()
    await this.#beating
    try {
      await taken
    } catch (error) {
      this.#isOver = true
      this.#timer?.cancel()
      throw error
    }
  }

  /**
   * Tells the others that this gateway is about to leave, once the calls that are on their way here have come. By the end, or when `limitMs`
   * are over, those that are alive have seen it.
   */
  async announceLeave(limitMs: number): Promise<void> {
    if (this.#peers.size === 0 || limitMs <= 0) return
    const { clock } = this.#parts
    const deadline = clock.now() + limitMs
    await this.rest()
    this.#isLeaving = true
    this.#timer?.cancel()
    this.#goOn()
    await pause(clock, Math.max(0, Math.min(SEEN_MS, deadline - clock.now())))
  }

  /** Keeps its leases through a turn that takes so long: nothing else happens in it. */
  async busyFor(ms: number): Promise<void> {
    this.#busyUntil = this.#parts.clock.now() + LEASE_MS + ms
    await this.#step({ take: this.#wanted() })
  }

  /** Takes no calls any more, and gives none away but by leaving: those on their way have come by the end. Leases are renewed all the while. */
  async rest(): Promise<void> {
    this.#isResting = true
    await this.#beating
    await Promise.all(this.#moving.values())
  }

  /** Whoever can may act for the calls that this gateway has let go of. */
  async leave(): Promise<void> {
    await this.rest()
    this.#isOver = true
    this.#timer?.cancel()
    await this.#beating
    const leave = [...this.#held]
    this.#held.clear()
    try {
      await this.#step({ leave })
    } catch (error) {
      this.#failed(error)
    }
  }

  #later(): void {
    this.#timer = this.#parts.clock.after(BEAT_MS, () => this.#goOn())
  }

  #goOn(): void {
    this.#beating = this.#beat()
    void this.#beating.then(() => this.#isOver || this.#later())
  }

  async #beat(): Promise<void> {
    try {
      const forget = await this.#forget()
      const { taken, seen } = await this.#step({ take: this.#wanted(), forget })
      this.#compare(taken)
      await this.#follow(seen)
      this.#hasFailed = false
      this.#isCertain = this.#hasInHand(this.#parts.self.id)
    } catch (error) {
      this.#isCertain = false
      this.#steadySince = undefined
      this.#failed(error)
    }
  }

  /** Its own lease, also when another one has it at present, those it has adopted, and those whose calls it settles. */
  #wanted(): GatewayLease[] {
    const { id } = this.#parts.self
    const gateways = this.#isReplaced ? this.adopted : [id, ...this.adopted]
    return [...gateways.map((gateway) => this.#lease(gateway)), ...this.#buried.values()]
  }

  /** Adopted gateways that have no calls left. */
  async #forget(): Promise<string[]> {
    const isDone = (gateway: string) => this.#hasInHand(gateway) && !this.#keeper.hasCallsOf(gateway)
    const done = this.adopted.filter(isDone)
    for (const gateway of done) {
      this.#held.delete(gateway)
      await this.#keeper.letGo(gateway, false)
    }
    return done
  }

  /** What was held and is not any more, or the other way round. */
  #compare(taken: readonly string[]): void {
    const { id } = this.#parts.self
    for (const gateway of this.#held) if (!taken.includes(gateway)) this.#lose(gateway)
    if (taken.includes(id) && !this.#held.has(id) && !this.#isResting) void this.#takeOver(id, false)
  }

  async #follow(seen: readonly SeenLease[]): Promise<void> {
    const { self, clock } = this.#parts
    const now = clock.now()
    if (this.#steadySince === undefined || now - this.#seenAt > 2 * BEAT_MS) this.#steadySince = now
    this.#seenAt = now
    const verdict = judge(self, seen, now - this.#steadySince, LEASE_MS)
    this.#peers.update(verdict.peers)
    if (verdict.isReplaced && !this.#isReplaced) this.#replaced()
    if (this.#isResting) return
    for (const gateway of verdict.wanted) if (this.#hasInHand(gateway)) this.#giveBack(gateway)
    // Its own calls come first.
    if (!this.#hasInHand(self.id)) return
    const awaited = verdict.adoptable.filter(({ isWanted }) => isWanted)
    const overdue = this.#awaited.lasting(awaited, now, LEASE_MS)
    const adoptable = verdict.adoptable.filter((lease) => !lease.isWanted || overdue.includes(lease))
    if (adoptable.length > 0) await this.#adopt(adoptable)
    const lost = this.#gone.lasting(verdict.gone, now, LOST_MS)
    if (lost.length > 0) await this.#bury(lost)
  }

  async #adopt(leases: readonly GatewayLease[]): Promise<void> {
    const { taken } = await this.#step({ take: leases.map(({ gateway }) => this.#lease(gateway)) })
    for (const { gateway, isLeaving = false } of leases) {
      if (!taken.includes(gateway)) continue
      this.#parts.count('adopted gateways')
      this.#parts.log.warn('the calls of a gateway that has gone are adopted', { gateway })
      void this.#takeOver(gateway, isLeaving)
    }
  }

  /** Their leases say what they said: when this comes to nothing these gateways have gone as before, and nobody takes them for one of his pool. */
  async #bury(gone: readonly GatewayLease[]): Promise<void> {
    const { id: holder, life } = this.#parts.self
    const leases = gone.map(({ gateway, pool, sockets }) => ({ gateway, holder, life, pool, sockets }))
    const { taken } = await this.#step({ take: leases })
    for (const lease of leases) if (taken.includes(lease.gateway)) this.#settle(lease)
  }

  #settle(lease: GatewayLease): void {
    const { gateway } = lease
    this.#parts.log.warn('a gateway does not come back: its calls are lost', { gateway })
    this.#buried.set(gateway, lease)
    void this.#move(gateway, async () => {
      try {
        await this.#keeper.bury(gateway)
      } finally {
        this.#buried.delete(gateway)
      }
      await this.#step({ forget: [gateway] })
    })
  }

  /** The lease goes last: until then nobody else goes on with what is still on its way. */
  #giveBack(gateway: string): void {
    this.#parts.log.info('the calls of a gateway that is back are given back', { gateway })
    void this.#move(gateway, async () => {
      await this.#keeper.letGo(gateway, false)
      this.#held.delete(gateway)
      await this.#step({ leave: [gateway] })
    })
  }

  /** What fails is tried again: its own calls with the next beat, those of another one when the lease, not renewed, has lapsed once more. */
  #takeOver(gateway: string, hasLeft: boolean): Promise<void> {
    this.#held.add(gateway)
    return this.#move(gateway, async () => {
      try {
        await this.#keeper.takeOver(gateway, hasLeft)
      } catch (error) {
        this.#held.delete(gateway)
        await this.#keeper.letGo(gateway, true)
        throw error
      } finally {
        this.#busyUntil = 0
      }
    })
  }

  #lose(gateway: string): void {
    this.#parts.log.warn('the calls of a gateway are in other hands', { gateway })
    this.#held.delete(gateway)
    void this.#move(gateway, () => this.#keeper.letGo(gateway, true))
  }

  /** One move of the calls of a gateway after the other. A failure is told, whether anybody waits or not. */
  #move(gateway: string, act: () => Promise<void>): Promise<void> {
    const before = this.#moving.get(gateway) ?? Promise.resolve()
    const move = before.then(act)
    const moved = move
      .catch((error) => this.#failed(error))
      .finally(() => this.#moving.get(gateway) === moved && this.#moving.delete(gateway))
    this.#moving.set(gateway, moved)
    return move
  }

  #hasInHand(gateway: string): boolean {
    return this.#held.has(gateway) && !this.#moving.has(gateway)
  }

  #replaced(): void {
    const { self, log } = this.#parts
    this.#isReplaced = true
    this.#keeper.replaced()
    log.error(
      `GATEWAY_ID: another process has started as ${self.id} and has its calls; give each gateway an id of its own`,
    )
  }

  #lease(gateway: string): GatewayLease {
    const { id, life, pool, sockets } = this.#parts.self
    return { gateway, holder: id, life, pool, sockets, ...(this.#isLeaving ? { isLeaving: true } : {}) }
  }

  #step(step: Partial<LeaseStep>): ReturnType<Store['leases']> {
    const ttlMs = Math.max(LEASE_MS, this.#busyUntil - this.#parts.clock.now())
    return leaseStep(this.#parts, { ttlMs, ...step })
  }

  /** The first of several failures is told. */
  #failed(error: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#parts.log.warn('the leases of the gateways could not be renewed', { error: String(error) })
  }
}

/** For how long leases have been seen in some state, without a gap. */
class Spells {
  readonly #since = new Map<string, number>()

  /** Of `leases`, which are all that are in that state now, those that have been for `ms`. */
  lasting<Lease extends GatewayLease>(leases: readonly Lease[], now: number, ms: number): Lease[] {
    const names = new Set(leases.map(({ gateway }) => gateway))
    for (const gateway of this.#since.keys()) if (!names.has(gateway)) this.#since.delete(gateway)
    for (const gateway of names) if (!this.#since.has(gateway)) this.#since.set(gateway, now)
    return leases.filter(({ gateway }) => now - this.#since.get(gateway)! >= ms)
  }
}

/**
 * Where the other gateways reach these listeners.
 * @param address IP literal instead of each listener's own
 */
export function socketsOf(listeners: readonly Listener[], address?: string): GatewaySocket[] {
  return listeners.map(({ transport, address: own, port, advertisedHost, advertisedPort }) => ({
    transport,
    host: address ?? own,
    port,
    advertised: `${advertisedHost}:${advertisedPort}`,
  }))
}

/**
 * Takes this gateway's lease before it takes anything else up: at once, or when who has adopted its calls has left them to it. Others that
 * are alive have seen it by the end: what registers here can be called from there.
 * @returns the secret of all gateways
 */
export async function joinCluster(parts: ClusterParts): Promise<string> {
  const { clock, self, log } = parts
  const { id: gateway, life, pool, sockets } = self
  for (let isFirst = true; ; isFirst = false) {
    const { taken, seen, secret } = await leaseStep(parts, {
      isStart: true,
      take: [{ gateway, holder: gateway, life, pool, sockets }],
    })
    if (taken.includes(gateway)) {
      if (judge(self, seen, 0, LEASE_MS).peers.length > 0) await pause(clock, SEEN_MS)
      return secret
    }
    if (isFirst) log.info('another gateway has this one’s calls, and is asked for them', { gateway })
    await pause(clock, BEAT_MS / 4)
  }
}

function leaseStep({ store, self, secret }: ClusterParts, step: Partial<LeaseStep>): ReturnType<Store['leases']> {
  return store.leases({
    life: self.life,
    isStart: false,
    take: [],
    leave: [],
    forget: [],
    ttlMs: LEASE_MS,
    secret,
    ...step,
  })
}
