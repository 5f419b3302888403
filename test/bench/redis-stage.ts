import { absent } from '../peers.ts'
import { startRedis } from '../support/redis-server.ts'
import { type RedisCounters, redisCounters } from './redis-counters.ts'
import { gatewayMissing } from './routers/gateway.ts'
import { type Bench, PORTS } from './stage.ts'

/** A redis-server of a job's own, empty when the job begins. */
export interface BenchRedis {
  readonly url: string
  read(): Promise<RedisCounters>
}

/** Why nothing can be measured with Redis here, `undefined` when it can. */
function missing({ options }: Bench): string | undefined {
  if (!options.routers.includes('gateway')) return 'the gateway is not asked for'
  return gatewayMissing() ?? (absent('redis-server') || undefined)
}

/** Starts redis-server, lets `play` use it, and ends it whatever happens; says why where that cannot be. */
export async function withRedis(bench: Bench, what: string, play: (redis: BenchRedis) => Promise<void>): Promise<void> {
  const why = missing(bench)
  if (why !== undefined) return bench.skip(what, why)
  const server = await startRedis({ port: PORTS.redis })
  try {
    await play({ url: server.url, read: () => redisCounters(server.url) })
  } finally {
    await server.stop()
  }
}

/** What each of `count` things cost Redis between two readings. */
export function eachOf(before: RedisCounters, after: RedisCounters, count: number): RedisCounters {
  const names = Object.keys(before) as (keyof RedisCounters)[]
  return Object.fromEntries(
    names.map((name) => [name, (after[name] - before[name]) / count]),
  ) as unknown as RedisCounters
}
