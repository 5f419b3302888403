import type { Clock, IdSource } from '../functions/contract/clock.ts'
import type { RouseEvent } from '../functions/contract/events.ts'
import { createMemoryStore } from '../functions/store/memory.ts'
import { createRedisStore } from '../functions/store/redis/tcp.ts'
import type { Store } from '../functions/store/store.ts'
import type { Config } from './config.ts'
import { type Counters, series } from './observe/counters.ts'
import type { Log } from './observe/log.ts'
import { StandbyStore } from './standby/standby-store.ts'

/** Longer than any invocation may take: an event that comes meanwhile still counts for what its answer subscribes to. Milliseconds. */
const RECENT_EVENTS_MS = 6000
/** Also longer than it takes to notice that Redis has lost twenty thousand suspended calls, and to write them again. Milliseconds. */
const RECENT_EVENTS_IN_REDIS_MS = 20_000
/** How long the start waits for Redis. Milliseconds. */
const PATIENCE_MS = 10_000

export interface StoreParts {
  clock: Clock
  ids: IdSource
  counters: Counters
  log: Log
}

/** The gateway's store and how it is. */
export interface OpenedStore {
  store: Store
  /** Publishes what somebody else still has, and gives once more when this rejects: the store does not have it. */
  hand(events: RouseEvent[]): Promise<unknown>
  /** For readiness: `memory`, or whether Redis is there. */
  state(): { isUp: boolean; text: string }
}

/**
 * The store in memory, or the one in Redis when there is a URL for it. Rejects when Redis cannot be reached in time: a gateway that does not
 * know the calls it left behind must not answer for them.
 */
export async function openStore(
  { redisUrl, redisPrefix }: Pick<Config, 'redisUrl' | 'redisPrefix'>,
  parts: StoreParts,
): Promise<OpenedStore> {
  const { clock, ids } = parts
  if (redisUrl !== undefined) return openRedis(redisUrl, redisPrefix, parts)
  const store = createMemoryStore({ clock, ids, limits: { recentMs: RECENT_EVENTS_MS } })
  return { store, hand: (events) => store.publish(events), state: () => ({ isUp: true, text: 'memory' }) }
}

async function openRedis(url: string, prefix: string, { clock, ids, counters, log }: StoreParts): Promise<OpenedStore> {
  let isUp = false
  let wasUp = false
  const { promise: known, resolve: nowKnown } = Promise.withResolvers<boolean>()
  const patience = clock.after(PATIENCE_MS, () => nowKnown(false))
  const onState = (up: boolean) => {
    // That it is there when the gateway starts is no news that anybody has to see to.
    if (up !== isUp) log[up && !wasUp ? 'info' : 'warn'](up ? 'redis is there' : 'redis is away')
    isUp = up
    wasUp ||= up
    if (up) nowKnown(true)
  }
  const store = createRedisStore({
    ...{ url, prefix, clock, ids, recentMs: RECENT_EVENTS_IN_REDIS_MS, onState },
    observe: observer(counters),
    onTaken: lagMeter(counters),
  })
  const standby = new StandbyStore({ store, clock, ids, count: counters.count })
  counters.gauge('store_owed', () => standby.owed)
  counters.gauge('store_up', () => (isUp ? 1 : 0))
  if (!(await known)) {
    await store.close()
    throw new Error(
      `REDIS_URL: expected a Redis that answers, and none did in ${PATIENCE_MS / 1000} s; start it, or unset REDIS_URL`,
    )
  }
  patience.cancel()
  const hand = (events: RouseEvent[]) => standby.hand(events)
  return { store: standby, hand, state: () => ({ isUp, text: isUp ? 'redis' : 'redis, away' }) }
}

/** Counts operations and the milliseconds they took; their quotient is the latency. */
function observer(counters: Counters): (operation: string, ms: number, ok: boolean) => void {
  const known = new Map<string, { took: string; done: string; failed: string }>()
  return (operation, ms, ok) => {
    const names = known.get(operation) ?? {
      took: series('store_milliseconds', { operation }),
      done: series('store_operations', { operation, result: 'ok' }),
      failed: series('store_operations', { operation, result: 'failed' }),
    }
    known.set(operation, names)
    counters.count(names.took, ms)
    counters.count(ok ? names.done : names.failed)
  }
}

/** Counts the events that were taken from an inbox, and the milliseconds they were in there; their quotient is the lag. */
function lagMeter(counters: Counters): (gateway: string, lagMs: number) => void {
  const known = new Map<string, { taken: string; lag: string }>()
  return (gateway, lagMs) => {
    const names = known.get(gateway) ?? {
      taken: series('inbox_events', { gateway }),
      lag: series('inbox_lag_milliseconds', { gateway }),
    }
    known.set(gateway, names)
    counters.count(names.taken)
    counters.count(names.lag, lagMs)
  }
}
