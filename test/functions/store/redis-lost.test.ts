import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { type RedisSubject, redisSubject as subjectAt } from '../../conformance/redis-subject.ts'
import { event, listen, subscribe, subscription, transaction } from '../../conformance/subject.ts'
import { eventually } from '../../interop/program.ts'
import { absent } from '../../peers.ts'
import { ask } from '../../support/redis-cluster.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'

/** A Redis that has lost what it was given: emptied, or as a replica is that lacked the last writes when it took over. */

const PORT = 27_196

describe('the store when Redis has lost something', { skip: absent('redis-server') }, () => {
  let server: TestRedis
  const subjects: RedisSubject[] = []

  before(async () => {
    server = await startRedis({ port: PORT })
  })
  afterEach(async () => {
    for (const subject of subjects.splice(0)) await subject.close()
  })
  after(() => server?.stop())

  /** A gateway that reads its inbox and has written three calls. */
  async function working() {
    const subject = subjectAt(server.url, { blockMs: 100 })
    subjects.push(subject)
    const heard = { lost: 0, deliveries: 0 }
    await subject.store.inbox(
      'gw-a',
      (deliveries) => {
        heard.deliveries += deliveries.length
      },
      () => void heard.lost++,
    )
    const write = (id: string, rev = 1) =>
      subject.store.suspend({ transaction: transaction(subject, id, { rev }), add: [], drop: [], since: '0' })
    for (const id of ['t1', 't2', 't3']) await write(id)
    const isLost = () => eventually('the loss to be noticed', () => heard.lost > 0 || undefined)
    /** Until an event has gone to the inbox and out of it again, and so whatever was read before. */
    const isRead = async () => {
      const before = heard.deliveries
      await subscribe(subject, '0', subscription(subject, `s${before}`, 'pickup', { key: `k${before}` }))
      await subject.store.publish([event('pickup', { key: `k${before}` })])
      await eventually('the inbox', () => heard.deliveries > before || undefined)
    }
    return { subject, heard, write, isLost, isRead, countKey: `${subject.prefix}:{ggw-a}:suspended:count` }
  }

  test('nothing is lost: whatever is written and read, and whatever happens to connections, nobody is told', async () => {
    const { subject, heard, write, isRead } = await working()
    await isRead()
    await ask(server.url, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually('an answer', () => write('t1', 2).catch(() => undefined))
    await subject.store.release('t2')
    await isRead()
    await isRead()
    assert.equal(heard.lost, 0)
  })

  test('emptied while nothing is written: the next read notices', async () => {
    const { heard, isLost, isRead } = await working()
    await ask(server.url, 'FLUSHALL')
    await isLost()
    await isRead()
    assert.equal(heard.lost, 1)
  })

  test('killed and started again, empty: told once the connection is back', async () => {
    const { heard, isLost, isRead } = await working()
    await server.kill()
    server = await startRedis({ port: PORT })
    await isLost()
    await isRead()
    assert.equal(heard.lost, 1)
  })

  test('the last write is missing: the count is below what it was, and that is noticed', async () => {
    const { subject, heard, isLost, isRead, countKey } = await working()
    await ask(server.url, 'DEL', `${subject.prefix}:{tt3}`)
    await ask(server.url, 'SET', countKey, '2', 'PX', '60000')
    await isLost()
    await isRead()
    assert.equal(heard.lost, 1)
  })

  test('a write notices by itself that those before it are gone, before anything is read', async () => {
    const { subject, countKey } = await working()
    const writer = subjectAt(server.url, { prefix: subject.prefix, clock: subject.clock, blockMs: 60_000 })
    subjects.push(writer)
    let lost = 0
    await writer.store.inbox(
      'gw-a',
      () => {},
      () => void lost++,
    )
    const step = { transaction: transaction(writer, 't4'), add: [], drop: [], since: '0' }
    await writer.store.suspend(step)
    await ask(server.url, 'SET', countKey, '1', 'PX', '60000')
    await writer.store.suspend(step)
    assert.equal(lost, 1)
  })

  test('a gateway that begins has lost nothing', async () => {
    const { subject } = await working()
    const again = subjectAt(server.url, { prefix: subject.prefix, clock: subject.clock, blockMs: 100 })
    subjects.push(again)
    const received = await listen(again)
    let lost = 0
    await again.store.inbox(
      'gw-a',
      () => {},
      () => void lost++,
    )
    await subscribe(again, '0', subscription(again, 's', 'pickup', {}))
    await again.store.publish([event('pickup')])
    await eventually('the inbox', () => received.deliveries.length > 0 || undefined)
    assert.equal(lost, 0)
  })
})
