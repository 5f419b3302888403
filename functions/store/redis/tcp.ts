import type { Store } from '../store.ts'
import { DEFAULT_DEADLINE_MS, RedisStore, type RedisStoreOptions } from './redis-store.ts'
import { tcpExecutor } from './tcp-executor.ts'

export interface TcpStoreOptions extends RedisStoreOptions {
  /**
   * `redis://user:password@host:port/db`; `rediss://` for TLS. `redis+cluster://host:port,host:port` names servers of a cluster, not
   * necessarily all; `redis+sentinel://host:port,host:port/name` the sentinels that know the master called `name`.
   */
  url: string
}

/**
 * The store in Redis over TCP, the gateway's. Connects, and reconnects, by itself; while Redis is away every operation is rejected at once.
 * @throws TypeError when the URL is none of these
 */
export function createRedisStore(options: TcpStoreOptions): Store {
  const { url, clock, deadlineMs = DEFAULT_DEADLINE_MS } = options
  return new RedisStore(options, (told) => tcpExecutor({ url, clock, deadlineMs, told }))
}
