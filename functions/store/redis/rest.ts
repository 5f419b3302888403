import { Redis } from '@upstash/redis'
import type { Clock } from '../../contract/clock.ts'
import type { Store } from '../store.ts'
import type { Executor } from './executor.ts'
import { DEFAULT_DEADLINE_MS, RedisStore, type RedisStoreOptions } from './redis-store.ts'

export interface RestStoreOptions extends RedisStoreOptions {
  /** Where Upstash's REST API is spoken: `https://…`. */
  url: string
  token: string
}

/** The store in Redis over HTTP, the functions', who can hold no socket: same keys, same scripts. Runs wherever `fetch` does. */
export function createUpstashStore(options: RestStoreOptions): Store {
  return new RedisStore(options, () => restExecutor(options))
}

function restExecutor({ url, token, clock, deadlineMs = DEFAULT_DEADLINE_MS }: RestStoreOptions): Executor {
  // Never a second try of its own: a claim that is made twice is lost.
  const redis = new Redis({
    url,
    token,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    retry: { retries: 0 },
  })
  bound(redis, clock, deadlineMs)
  return { redis, isCluster: false, stuck: () => {}, close: () => {} }
}

/** A request that nobody waits for any more is given up. */
function bound(redis: Redis, clock: Clock, deadlineMs: number): void {
  redis.use(async (request, next) => {
    const controller = new AbortController()
    const timer = clock.after(deadlineMs, () => controller.abort('nobody waits any more'))
    try {
      return await next({ ...request, signal: controller.signal })
    } finally {
      timer.cancel()
    }
  })
}
