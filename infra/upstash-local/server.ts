import { serveApi } from '../../gateway/api/serve.ts'
import { isLoopback } from '../../gateway/config-values.ts'
import { systemClock } from '../../gateway/system.ts'
import { createUpstashApp } from './app.ts'
import { RedisConnection } from './redis-connection.ts'
import type { RedisAddress } from './redis-link.ts'
import { Subscriptions } from './subscription.ts'

export interface UpstashLocalOptions {
  redis: RedisAddress
  /** `port` 0 takes a free one. */
  listen: { host: string; port: number }
  /** What clients have to send; may be absent on loopback only. */
  token?: string | undefined
  /** Octets of a request body; default 10 MiB. */
  bodyLimit?: number
}

export interface UpstashLocal {
  /** For `UPSTASH_REDIS_REST_URL`: `http://127.0.0.1:8079` */
  readonly url: string
  /** Ends streams of events, lets running requests end, and closes the connection to the Redis. */
  close(): Promise<void>
}

/** Serves the REST API of Upstash over a Redis, which may be away: requests are answered with 503 until it is there. */
export async function startUpstashLocal(options: UpstashLocalOptions): Promise<UpstashLocal> {
  const { redis, listen, token, bodyLimit } = options
  const fault = tokenFault(listen, token)
  if (fault) throw new Error(fault)
  const connection = new RedisConnection(redis)
  const subscriptions = new Subscriptions(redis)
  const app = createUpstashApp({
    send: (commands) => connection.send(commands),
    subscribe: (verb, channel) => subscriptions.open(verb, channel),
    token,
    bodyLimit,
  })
  const server = await serveApi(app, { ...listen, setting: 'UPSTASH_LOCAL_LISTEN', clock: systemClock })
  return {
    url: server.url,
    async close() {
      subscriptions.close()
      await server.close()
      await connection.close()
    },
  }
}

/** @returns what is wrong with listening there without a token; `undefined` when nothing is */
export function tokenFault({ host, port }: { host: string; port: number }, token?: string): string | undefined {
  if (token !== undefined || isLoopback(host)) return undefined
  return `UPSTASH_LOCAL_TOKEN: expected a token, since UPSTASH_LOCAL_LISTEN is ${host}, which others can reach; got nothing. Set UPSTASH_LOCAL_TOKEN to a long random word, or UPSTASH_LOCAL_LISTEN to 127.0.0.1:${port}`
}
