import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { type SlowRelay, startSlowRelay } from '../support/slow-relay.ts'
import { RedisStage } from './redis-stage.ts'
import { names } from './udp-peers.ts'

/** Every answer of a real Redis is late: by less than an operation may take, and by more. */

const PORT = 27_199

describe('Redis is slow', { skip: absent('redis-server') }, () => {
  let redis: TestRedis
  let relay: SlowRelay
  let stage: RedisStage

  before(async () => {
    redis = await startRedis({ port: PORT })
    relay = await startSlowRelay(PORT)
    stage = await RedisStage.open(`redis://127.0.0.1:${relay.port}`, redis.url)
  })
  after(async () => {
    await stage?.close().finally(async () => {
      await relay.close()
      await redis.stop()
    })
  })

  test('by 300 ms: calls wait, and connect to phones that register here and elsewhere', {
    timeout: 120_000,
  }, async () => {
    const [here, there] = [names('here', 30), names('there', 30)]
    relay.delayMs = 300
    await stage.wait([...here, ...there])
    await stage.isReady(true)
    await stage.register(here, stage.here)
    await stage.areConnected(here, stage.here)
    await stage.register(there, stage.there)
    await stage.areConnected(there, stage.there)
    relay.delayMs = 0
    await stage.first.isIdle()
    await stage.areStored(0)
  })

  test('by 1.5 s, which counts as away: waiting calls connect to phones that register here, and nothing is owed afterwards', {
    timeout: 120_000,
  }, async () => {
    const users = names('slow', 30)
    await stage.wait(users)
    relay.delayMs = 1500
    await stage.isReady(false)
    await stage.register(users, stage.here)
    await stage.areConnected(users, stage.here)
    relay.delayMs = 0
    await stage.isReady(true)
    await stage.metricIs('rouse_store_owed', (owed) => owed === 0)
    await stage.areStored(0)
    await stage.first.isIdle()
    assert.equal(await stage.metric('rouse_bugs_total'), 0)
  })
})
