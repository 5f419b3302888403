import { after, before, describe } from 'node:test'
import { SECRET, type Send } from '../functions/contract-suite/reach.ts'
import { contractSuite, type SuiteOptions, servedAt } from '../functions/contract-suite/suite.ts'
import { storeSuite } from '../functions/http-suite/store-suite.ts'
import { type HttpSuiteOptions, httpSuite } from '../functions/http-suite/suite.ts'
import { absent } from '../peers.ts'
import { type RedisRest, startRedisRest } from '../support/redis-rest.ts'
import type { Serving } from './serving.ts'

export interface RuntimeOptions extends SuiteOptions, HttpSuiteOptions {
  name: string
  /** Why it cannot be met here. */
  skip: string | false
  /** Serves `apps/contract.ts` with this environment. */
  start(env: Record<string, string>): Promise<Serving>
  /** Port of a Redis of its own. */
  redisPort: number
  /** The contract too, or only what HTTP adds, where the same program is reached in another way; default both. */
  withContract?: boolean
}

/** The one suite for every runtime: the contract, what HTTP adds, and the gateways' Redis over REST. */
export function runtimeSuite(options: RuntimeOptions): void {
  const { name, skip, start, redisPort, withContract = true } = options
  describe(name, { skip }, () => {
    const withoutRedis = absent('redis-server')
    const prefix = 'functions'
    let redis: RedisRest | undefined
    let serving: Serving

    before(async () => {
      redis = withoutRedis ? undefined : await startRedisRest(redisPort)
      serving = await start({ WEBHOOK_SECRET: SECRET, REGION: 'eu', REDIS_PREFIX: prefix, ...redis?.env })
    })
    after(async () => {
      await serving?.stop()
      await redis?.stop()
    })

    const send: Send = (path, init) => fetch(serving.url + path, init)
    const sendToHttp: Send = (path, init) => send(`/http${path}`, init)
    if (withContract) contractSuite(servedAt(send), options)
    httpSuite(sendToHttp, options)
    describe('with Redis', { skip: withoutRedis }, () =>
      storeSuite(sendToHttp, () => ({ url: redis!.redisUrl, prefix })),
    )
  })
}
