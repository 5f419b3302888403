import { startUpstashLocal } from '../../infra/upstash-local/server.ts'
import { startRedis } from './redis-server.ts'

/** A real Redis with Upstash's REST API before it, for one test file. */
export interface RedisRest {
  /** `redis://…`, for the gateway's side. */
  readonly redisUrl: string
  /** For the functions' side. */
  readonly env: { UPSTASH_REDIS_REST_URL: string; UPSTASH_REDIS_REST_TOKEN: string }
  stop(): Promise<void>
}

export async function startRedisRest(port: number): Promise<RedisRest> {
  const redis = await startRedis({ port })
  const token = 'a-token'
  const upstash = await startUpstashLocal({
    redis: { host: '127.0.0.1', port },
    listen: { host: '127.0.0.1', port: 0 },
    token,
  })
  return {
    redisUrl: redis.url,
    env: { UPSTASH_REDIS_REST_URL: upstash.url, UPSTASH_REDIS_REST_TOKEN: token },
    async stop() {
      await upstash.close()
      await redis.stop()
    },
  }
}
