import { after, before, describe } from 'node:test'
import { startUpstashLocal, type UpstashLocal } from '../../infra/upstash-local/server.ts'
import { absent } from '../peers.ts'
import { startRedisCluster, type TestCluster } from '../support/redis-cluster.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { redisSubject, upstashSubject } from './redis-subject.ts'
import { storeConformance } from './store.ts'

const PORT = 27_179
const CLUSTER_PORTS = [27_181, 27_182, 27_183]
const skip = absent('redis-server')

describe('one redis-server', { skip }, () => {
  let server: TestRedis
  let upstash: UpstashLocal
  before(async () => {
    server = await startRedis({ port: PORT })
    const redis = { host: '127.0.0.1', port: PORT }
    upstash = await startUpstashLocal({ redis, listen: { host: '127.0.0.1', port: 0 }, token: 'a-token' })
  })
  after(async () => {
    await upstash?.close()
    await server?.stop()
  })

  storeConformance('redis store', async () => redisSubject(server.url))
  storeConformance('upstash store', async () => upstashSubject(upstash.url, 'a-token'))
})

describe('a cluster of three', { skip }, () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await startRedisCluster(CLUSTER_PORTS)
  })
  after(() => cluster?.stop())

  // All its servers read the same clock.
  storeConformance('redis store on a cluster', async () => redisSubject(cluster.url, { skewMs: 0 }))
})
