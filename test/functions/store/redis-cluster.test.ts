import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { redisSubject } from '../../conformance/redis-subject.ts'
import { event, listen, positionNow, subscribe, subscription } from '../../conformance/subject.ts'
import { eventually } from '../../interop/program.ts'
import { absent } from '../../peers.ts'
import { startRedisCluster, type TestCluster } from '../../support/redis-cluster.ts'

/** A cluster of which a part is away. Left out: a replica that takes over, which takes Redis some seconds. */

describe('the store in a Redis Cluster', { skip: absent('redis-server') }, () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await startRedisCluster([27_186, 27_187, 27_188])
  })
  after(() => cluster?.stop())

  test('one server that says nothing keeps nobody from the others; all is well when it speaks again, and gateways are to write again what it may have lost', async () => {
    const states: boolean[] = []
    const subject = redisSubject(cluster.url, { deadlineMs: 1500, onState: (isUp) => states.push(isUp) })
    const received = await listen(subject)
    let lost = 0
    await subject.store.inbox(
      'gw-b',
      () => {},
      () => void lost++,
    )
    const aors = Array.from({ length: 24 }, (_, index) => `sip:user${index}@example.com`)
    const ask = () => Promise.allSettled(aors.map((aor) => subject.store.lookup(aor)))
    assert.ok((await ask()).every(({ status }) => status === 'fulfilled'))

    cluster.servers[1]!.pause()
    const outcomes = (await ask()).map(({ status }) => status)
    cluster.servers[1]!.resume()
    assert.deepEqual([...new Set(outcomes)].sort(), ['fulfilled', 'rejected'])

    await eventually('answers', async () => (await ask()).every(({ status }) => status === 'fulfilled') || undefined)
    await eventually('readiness', async () => {
      await subject.store.lookup(aors[0]!)
      return states.at(-1) || undefined
    })
    assert.deepEqual(states, [true, false, true])
    assert.equal(lost, 1, 'what that server held may be gone')
    await subscribe(subject, await positionNow(subject), subscription(subject, 's', 'pickup', {}))
    await subject.store.publish([event('pickup')])
    await eventually('the inbox', () => received.deliveries.length > 0 || undefined)
    await subject.close()
  })
})
