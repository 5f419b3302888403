import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Refresher } from '../../../gateway/registrar/refresher.ts'
import { type RedisSubject, redisSubject } from '../../conformance/redis-subject.ts'
import { binding, put } from '../../conformance/subject.ts'
import { absent } from '../../peers.ts'
import { CountingIds } from '../../support/fake-clock.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'

const PORT = 27_245

describe('refresh pushes of several gateways that share a Redis', { skip: absent('redis-server') }, () => {
  let server: TestRedis
  const subjects: RedisSubject[] = []
  before(async () => {
    server = await startRedis({ port: PORT })
  })
  after(async () => {
    for (const subject of subjects) await subject.close()
    await server?.stop()
  })

  test('three that look at once push each device once, and again only when that is due', async () => {
    const first = redisSubject(server.url)
    const { prefix, clock } = first
    const others = { prefix, clock }
    subjects.push(first, redisSubject(server.url, others), redisSubject(server.url, others))
    const pushes: string[] = []
    const refreshers = subjects.map(({ store }) => {
      const pusher = {
        push: async (job: { binding: { aor: string } }) => {
          pushes.push(job.binding.aor)
          return { outcome: 'accepted' as const }
        },
      }
      const options = { refreshLead: 600, refreshPerSecond: 1000, sweepMs: 1000 }
      return new Refresher({ store, clock, ids: new CountingIds(), pusher, publish: () => {}, options })
    })
    const push = { provider: 'fcm', prid: 'secret', param: '' }
    const at = first.now() + 600_000
    const expiresAt = first.now() + 3600_000
    for (let user = 0; user < 300; user++) {
      const one = { aor: `sip:u${user}@example.com`, push, expiresAt, refresh: { at, tries: 0 } }
      await first.store.register(put(first, binding(first, 'phone', one)))
    }
    const step = () => Promise.all(refreshers.map((refresher) => refresher.step()))
    await step()
    assert.equal(pushes.length, 0)
    await first.pass(600_000)
    await step()
    await step()
    assert.equal(pushes.length, 300)
    assert.equal(new Set(pushes).size, 300)
    await first.pass(61_000)
    await step()
    assert.equal(pushes.length, 600)
  })
})
