import { after, before, describe } from 'node:test'
import { absent } from '../../peers.ts'
import { type RedisRest, startRedisRest } from '../../support/redis-rest.ts'
import { SECRET, type Send } from '../contract-suite/reach.ts'
import { httpApp } from './app.ts'
import { storeSuite } from './store-suite.ts'
import { httpSuite } from './suite.ts'

const PREFIX = 'functions'

describe('what HTTP adds, in process', () => {
  const { fetch } = httpApp('', SECRET)
  let env: Record<string, string> & { REGION: string } = { REGION: 'eu', REDIS_PREFIX: PREFIX }
  const send: Send = async (path, init) => fetch(new Request(`https://functions.test${path}`, init), env)
  httpSuite(send)

  describe('with Redis', { skip: absent('redis-server') }, () => {
    let redis: RedisRest

    before(async () => {
      redis = await startRedisRest(27_250)
      env = { ...env, ...redis.env }
    })
    after(() => redis?.stop())

    storeSuite(send, () => ({ url: redis.redisUrl, prefix: PREFIX }))
  })
})
