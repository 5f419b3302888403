import type { Clock, IdSource } from '../../contract/clock.ts'
import type { RouseEvent } from '../../contract/events.ts'
import type {
  Binding,
  Delivery,
  LeaseStep,
  Location,
  Receive,
  RegisterChange,
  RegisterOutcome,
  Store,
} from '../store.ts'
import { Commands } from './commands.ts'
import { RedisEvents } from './events.ts'
import type { Executor } from './executor.ts'
import { InboxReader } from './inbox.ts'
import { Keys } from './keys.ts'
import { RedisLeases } from './leases.ts'
import { RedisLocation } from './location.ts'
import { RedisSuspension } from './suspension.ts'
import { WriteCounts } from './write-counts.ts'

export interface RedisStoreOptions {
  clock: Clock
  ids: IdSource
  /** Goes before every key; default `rouse`. */
  prefix?: string
  /** How long any operation may take; milliseconds, default 1,000. What takes longer is rejected. */
  deadlineMs?: number
  /** How long an event can still count for a subscription stored after it, at least; milliseconds, default 6,000. */
  recentMs?: number
  /**
   * By how much the clocks of a cluster's servers may differ; milliseconds, default 20 in a cluster and 0 otherwise. An event that was
   * published less than this before a look-up may count once more.
   */
  skewMs?: number
  /** Pause between two looks into an inbox over HTTP; milliseconds, default 200. */
  pollMs?: number
  /** How long a read of an inbox over TCP waits; milliseconds, default 2,000. */
  blockMs?: number
  /** Deliveries handed to an inbox at once, before other work has its turn; default 64. */
  batch?: number
  /** Hears whether Redis is there: once when that is first known, then at each change. */
  onState?: (isUp: boolean) => void
  /** Hears of each event that is taken from an inbox how long it was in there, in milliseconds. */
  onTaken?: (gateway: string, lagMs: number) => void
  /** Hears how long each operation took and whether it succeeded. */
  observe?: (operation: string, ms: number, ok: boolean) => void
}

export const DEFAULT_DEADLINE_MS = 1000
const DEFAULT_RECENT_MS = 6000
const CLUSTER_SKEW_MS = 20

/** The store in Redis, over whatever carries commands there. */
export class RedisStore implements Store {
  readonly #executor: Executor
  readonly #clock: Clock
  readonly #keys: Keys
  readonly #commands: Commands
  readonly #location: RedisLocation
  readonly #events: RedisEvents
  readonly #suspension: RedisSuspension
  readonly #leases: RedisLeases
  readonly #writes = new WriteCounts()
  readonly #options: RedisStoreOptions
  readonly #inboxes = new Set<InboxReader>()
  #wasAway = false

  /** @param connect opens the way to Redis and says when it is known to be there or away */
  constructor(options: RedisStoreOptions, connect: (told: (isUp: boolean) => void) => Executor) {
    const { clock, deadlineMs = DEFAULT_DEADLINE_MS, observe } = options
    this.#options = options
    this.#clock = clock
    this.#keys = new Keys(options.prefix ?? 'rouse')
    this.#executor = connect((isUp) => this.#commands?.told(isUp))
    this.#commands = new Commands(this.#executor, { clock, deadlineMs, onState: this.#onState, observe })
    const skewMs = options.skewMs ?? (this.#executor.isCluster ? CLUSTER_SKEW_MS : 0)
    this.#events = new RedisEvents(this.#commands, this.#keys, options.recentMs ?? DEFAULT_RECENT_MS)
    this.#location = new RedisLocation(this.#commands, this.#keys, this.#events, options.ids, skewMs)
    this.#suspension = new RedisSuspension(this.#commands, this.#keys, this.#events, this.#writes)
    this.#leases = new RedisLeases(this.#commands, this.#keys)
  }

  readonly #onState = (isUp: boolean): void => {
    this.#options.onState?.(isUp)
    if (isUp && this.#wasAway && this.#executor.isCluster) this.#writes.suspect()
    this.#wasAway = !isUp
  }

  async lookup(aor: string): Promise<Location> {
    const location = await this.#location.lookup(aor, this.#clock.now())
    this.#events.seen(location.at)
    return location
  }

  register(change: RegisterChange): Promise<RegisterOutcome> {
    return this.#location.register(change)
  }

  amend(known: Binding, amended: Binding): Promise<boolean> {
    return this.#location.amend(known, amended, this.#clock.now())
  }

  expire(now: number, limit: number): Promise<RouseEvent[]> {
    return this.#location.expire(now, limit)
  }

  refreshDue(now: number, limit: number): Promise<Binding[]> {
    return this.#location.refreshDue(now, limit)
  }

  registrations(cursor: string, limit: number): ReturnType<Store['registrations']> {
    return this.#location.registrations(cursor, limit, this.#clock.now())
  }

  suspend(step: Parameters<Store['suspend']>[0]): Promise<Delivery[]> {
    return this.#suspension.suspend(step, this.#clock.now())
  }

  resume(step: Parameters<Store['resume']>[0]): Promise<boolean> {
    return this.#suspension.resume(step, this.#clock.now())
  }

  release(...[transaction, rev = 0, held]: Parameters<Store['release']>): Promise<void> {
    return this.#suspension.release(transaction, rev, held)
  }

  lastSeen(gateway: string): Promise<number> {
    return this.#suspension.lastSeen(gateway)
  }

  suspended(gateway: string): ReturnType<Store['suspended']> {
    return this.#suspension.suspended(gateway, this.#clock.now())
  }

  subscriptions(transaction: string): ReturnType<Store['subscriptions']> {
    return this.#suspension.subscriptions(transaction, this.#clock.now())
  }

  leases(step: LeaseStep): ReturnType<Store['leases']> {
    return this.#leases.step(step)
  }

  claim(key: string, ttlMs: number): Promise<boolean> {
    return this.#commands.operation('claim', async (run) => {
      const [reply] = await run([(p) => p.set(this.#keys.claim(key), '1', { nx: true, px: Math.ceil(ttlMs) })])
      return reply === 'OK'
    })
  }

  recall(key: string): Promise<string | undefined> {
    return this.#commands.operation('recall', async (run) => {
      const [reply] = await run([(p) => p.get<string>(this.#keys.memo(key))])
      return typeof reply === 'string' ? reply : undefined
    })
  }

  remember(key: string, value: string, ttlMs: number): Promise<void> {
    return this.#commands.operation('remember', async (run) => {
      await run([(p) => p.set(this.#keys.memo(key), value, { px: Math.ceil(ttlMs) })])
    })
  }

  publish(events: RouseEvent[]): Promise<number> {
    return this.#events.publish(events, this.#clock.now())
  }

  /** Open at once, also while Redis is away: what comes meanwhile is read when it is back. */
  async inbox(gateway: string, receive: Receive, lost?: () => void): ReturnType<Store['inbox']> {
    const { blockMs = 2000, pollMs = 200, batch = 64, onTaken } = this.#options
    const lane = this.#executor.openReader?.()
    const parts = { commands: this.#commands, keys: this.#keys, writes: this.#writes, clock: this.#clock, lane }
    const reader = new InboxReader(parts, { blockMs, pollMs, batch, onTaken }, gateway, receive)
    this.#inboxes.add(reader)
    if (lost) this.#writes.watch(gateway, lost)
    void reader.run()
    return {
      close: async () => {
        this.#inboxes.delete(reader)
        this.#writes.unwatch(gateway)
        reader.close()
      },
    }
  }

  async close(): Promise<void> {
    for (const reader of this.#inboxes) reader.close()
    this.#inboxes.clear()
    this.#executor.close()
  }
}
