import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { ask } from '../support/redis-cluster.ts'
import { startReplica } from '../support/redis-sentinel.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { RedisStage } from './redis-stage.ts'
import { names } from './udp-peers.ts'

/** A real Redis fails in every way a gateway with many waiting calls can meet, and no call is lost. */

const PORT = 27_198

describe('Redis fails under waiting calls', { skip: absent('redis-server') }, () => {
  let redis: TestRedis
  let stage: RedisStage

  before(async () => {
    redis = await startRedis({ port: PORT })
    stage = await RedisStage.open(redis.url)
  })
  after(async () => {
    await stage?.close().finally(() => redis.stop())
  })

  test('killed and started again, empty: a hundred and fifty calls are there again, and connect to phones that register elsewhere', {
    timeout: 120_000,
  }, async () => {
    const users = names('restarted', 150)
    await stage.wait(users)
    await redis.kill()
    await stage.isReady(false)
    redis = await startRedis({ port: PORT })
    await stage.isReady(true)
    await stage.areStored(users.length)
    await stage.register(users, stage.there)
    await stage.areConnected(users, stage.there)
    await stage.first.isIdle()
    await stage.areStored(0)
  })

  test('emptied while it runs: the calls are there again, and connect to phones that register elsewhere', {
    timeout: 120_000,
  }, async () => {
    const users = names('emptied', 100)
    await stage.wait(users)
    await ask(redis.url, 'FLUSHALL')
    await stage.areStored(users.length)
    await stage.register(users, stage.there)
    await stage.areConnected(users, stage.there)
    await stage.first.isIdle()
    const taken = await stage.metric('rouse_inbox_events_total{gateway="gw-1"}')
    assert.ok(taken >= users.length, `${taken} events came by the inbox`)
    assert.ok((await stage.metric('rouse_inbox_lag_milliseconds_total{gateway="gw-1"}')) > 0)
  })

  test('there again without its last writes, as a replica may be that takes over: all calls are there again, old and new', {
    timeout: 120_000,
  }, async () => {
    const [old, young] = [names('old', 30), names('young', 60)]
    await stage.wait(old)
    const behind = await startReplica({ port: PORT + 100, of: redis })
    await ask(behind.url, 'REPLICAOF', 'NO', 'ONE')
    await stage.wait(young, old.length + young.length)
    await redis.kill()
    redis = await startReplica({ port: PORT, of: behind })
    await ask(redis.url, 'REPLICAOF', 'NO', 'ONE')
    await behind.stop()
    await stage.areStored(old.length + young.length)
    await stage.register([...old, ...young], stage.there)
    await stage.areConnected([...old, ...young], stage.there)
    await stage.first.isIdle()
    await stage.areStored(0)
  })

  test('frozen: phones register and ring all the same, users who are known can be called, the others hear 503; afterwards Redis knows it all', {
    timeout: 120_000,
  }, async () => {
    const [waiting, known] = [names('frozen', 60), names('known', 30)]
    await stage.register(known, stage.here)
    await stage.wait(waiting)
    redis.pause()
    try {
      await stage.isReady(false)
      await stage.register(waiting, stage.here)
      await stage.areConnected(waiting, stage.here)
      await stage.call(known)
      await stage.areConnected(known, stage.here)
      stage.callers.invite('nobody')
      await stage.callers.hears('nobody', 503)
      assert.ok((await stage.metric('rouse_store_owed')) > 0)
    } finally {
      redis.resume()
    }
    await stage.isReady(true)
    await stage.metricIs('rouse_store_owed', (owed) => owed === 0)
    await stage.areStored(0)
    await stage.first.isIdle()
    assert.equal(await stage.metric('rouse_bugs_total'), 0)
  })
})
