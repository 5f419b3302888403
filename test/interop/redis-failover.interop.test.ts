import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { startSentinel, type TestSentinel } from '../support/redis-sentinel.ts'
import { RedisStage } from './redis-stage.ts'
import { names } from './udp-peers.ts'

/** The master of a Redis with Sentinel dies, and its replica takes over. */

describe('Redis fails over under waiting calls', { skip: absent('redis-server') }, () => {
  let sentinel: TestSentinel
  let stage: RedisStage

  before(async () => {
    sentinel = await startSentinel({ master: 27_201, replica: 27_202, sentinel: 27_203 })
    stage = await RedisStage.open(sentinel.url)
  })
  after(async () => {
    await stage?.close().finally(() => sentinel.stop())
  })

  test('a hundred calls wait through it and connect to phones that register elsewhere; phones that come meanwhile are heard here', {
    timeout: 120_000,
  }, async () => {
    const [meanwhile, later] = [names('meanwhile', 30), names('later', 70)]
    const users = [...meanwhile, ...later]
    await stage.wait(users)
    await sentinel.inStep()
    await sentinel.master.kill()
    await stage.isReady(false)
    await stage.register(meanwhile, stage.here)
    await stage.areConnected(meanwhile, stage.here)
    await sentinel.promoted()
    await stage.isReady(true)
    await stage.metricIs('rouse_store_owed', (owed) => owed === 0)
    await stage.areStored(later.length)
    await stage.register(later, stage.there)
    await stage.areConnected(later, stage.there)
    await stage.first.isIdle()
    await stage.areStored(0)
    assert.equal(await stage.metric('rouse_bugs_total'), 0)
  })
})
