import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createRedisStore } from '../../functions/store/redis/tcp.ts'
import type { Store } from '../../functions/store/store.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { Baresip } from './baresip.ts'
import type { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { pooledGateway, sharingGateway, threeGateways } from './sharing-gateway.ts'
import { Started } from './started.ts'
import { Callers, names, Phones, untilAll } from './udp-peers.ts'

describe('two gateways, each at an address of its own, with one Redis', {
  skip: absent('redis-server', 'baresip'),
}, () => {
  const started = new Started()
  let redis: TestRedis
  let a: Gateway
  let b: Gateway

  before(async () => {
    redis = await started.keep(startRedis({ port: 27_196 }))
    ;[a, b] = await started.keepAll([sharingGateway(1, redis.url), sharingGateway(2, redis.url)] as const)
  })
  after(() => started.stop())

  const phone = (user: string, at: Gateway, number: number, transport: 'udp' | 'tcp') =>
    started.keep(
      Baresip.start({
        user,
        domain: 'example.com',
        transport,
        address: host(number),
        tone: user === 'alice' ? 440 : 700,
        outbound: `sip:${at.address}:5060;transport=${transport}`,
      }),
    )

  test('a call that waits on one rings a phone that registers on the other, over a connection that only that one has', {
    timeout: 60_000,
  }, async () => {
    const alice = await phone('alice', a, 11, 'udp')
    await alice.call('sip:bob@example.com')
    await eventually('the call to wait', async () => (await stateOf(a)) === 'suspended' || undefined)
    const bob = await phone('bob', b, 12, 'tcp')
    await bob.rings()
    await Promise.all([bob.answer(), alice.isEstablished()])
    await eventually('sound both ways', () => (alice.heard(700) >= 0.5 && bob.heard(440) >= 0.5) || undefined)
    await bob.hangup()
    await Promise.all([bob.closes(), alice.closes()])
    await bob.call('sip:alice@example.com')
    await alice.rings()
    await Promise.all([alice.answer(), bob.isEstablished()])
    await alice.hangup()
    await Promise.all([bob.closes(), alice.closes()])
    await Promise.all([a.isIdle(), b.isIdle()])
  })

  async function stateOf(gateway: Gateway): Promise<string | undefined> {
    const { calls } = (await gateway.get('/calls?limit=1')) as { calls: { state: string }[] }
    return calls[0]?.state
  }
})

describe('three gateways of a pool, with one Redis', { skip: absent('redis-server') }, () => {
  const started = new Started()
  let redis: TestRedis
  let store: Store
  let pool: Gateway[]
  let callers: Callers
  let phones: Phones

  const start = (number: number) => pooledGateway(number, redis.url)

  before(async () => {
    redis = await started.keep(startRedis({ port: 27_197 }))
    store = createRedisStore({ url: redis.url, clock: systemClock, ids: createRandomIds() })
    started.add(() => store.close())
    pool = await threeGateways(start)
    for (const index of pool.keys()) started.add(() => pool[index]!.stop())
    callers = new Callers(pool[0]!.router)
    phones = new Phones(pool[0]!.router)
    for (const peer of [callers, phones]) started.add(() => peer.close())
    await callers.open()
    await phones.open()
  })

  after(() => started.stop())

  const adopted = async (...gateways: Gateway[]) =>
    (await Promise.all(gateways.map((gateway) => gateway.metric('rouse_adopted_calls_total')))).reduce((a, b) => a + b)

  const areStored = (gateway: string, count: number) =>
    eventually(
      `${count} calls of ${gateway} to be stored`,
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 100))
        return (await store.suspended(gateway)).length === count || undefined
      },
      30_000,
    )

  const connectAll = async (users: string[]) => {
    await untilAll(
      'every phone to be registered',
      users,
      (user) => phones.registered.has(user),
      (user) => phones.register(user),
    )
    await haveAnswers(users)
  }

  const haveAnswers = async (users: string[]) => {
    await eventually(
      'every caller to hear 200',
      () => users.every((user) => callers.statusesOf(user).includes(200)) || undefined,
      30_000,
    )
    for (const user of users) {
      assert.deepEqual([...new Set(callers.statusesOf(user).filter((status) => status >= 200))], [200], user)
      assert.equal(phones.rang.get(user)?.size, 1, `${user} rings once`)
    }
  }

  test('the calls of one that is killed are adopted by exactly one of the others, and connect through a third', {
    timeout: 90_000,
  }, async () => {
    const [a, b, c] = pool as [Gateway, Gateway, Gateway]
    const users = names('waits', 300)
    await untilAll(
      'every INVITE to be on its way',
      users,
      (user) => callers.trying.has(user),
      (user) => callers.invite(user),
    )
    await areStored('gw-1', users.length)
    a.program.signal('SIGKILL')
    await a.program.exited
    callers.router = b.router
    phones.router = phones.answersTo = c.router
    await eventually('the calls to be adopted', async () => (await adopted(b, c)) >= users.length || undefined, 20_000)
    assert.equal(await adopted(b, c), users.length)
    await connectAll(users)
    await callers.hangUp(users)
    pool[0] = await start(1)
    await Promise.all(pool.map((gateway) => gateway.isIdle()))
  })

  test('one that is stopped leaves what waits and what rings to another, and goes at once', {
    timeout: 90_000,
  }, async () => {
    const [a, b, c] = pool as [Gateway, Gateway, Gateway]
    const waiting = names('stays', 50)
    const ringing = names('rings', 50)
    callers.router = phones.router = phones.answersTo = a.router
    phones.answers = 'ringing'
    await untilAll(
      'every phone to be registered',
      ringing,
      (user) => phones.registered.has(user),
      (user) => phones.register(user),
    )
    for (const user of [...waiting, ...ringing]) callers.invite(user)
    await eventually(
      'phones to ring',
      () => ringing.every((user) => callers.statusesOf(user).includes(180)) || undefined,
    )
    await eventually('calls to wait', () => waiting.every((user) => callers.trying.has(user)) || undefined)
    const before = await adopted(b, c)
    a.program.signal('SIGTERM')
    assert.equal((await a.program.endsWithin(5000)).code, 0)
    callers.router = phones.router = phones.answersTo = b.router
    await eventually('the calls to be adopted', async () => (await adopted(b, c)) - before >= 100 || undefined, 10_000)
    await untilAll(
      'every caller to hear 200',
      ringing,
      (user) => callers.statusesOf(user).includes(200),
      (user) => phones.pickUp(user),
    )
    phones.answers = 'answered'
    await connectAll(waiting)
    await haveAnswers(ringing)
    await callers.hangUp([...waiting, ...ringing])
    pool[0] = await start(1)
    await Promise.all(pool.map((gateway) => gateway.isIdle()))
  })

  test('a message that reaches another gateway than its own is handed over', { timeout: 60_000 }, async () => {
    const [a, b] = pool as [Gateway, Gateway]
    const users = names('strays', 50)
    callers.router = phones.router = phones.answersTo = a.router
    await untilAll(
      'every phone to be registered',
      users,
      (user) => phones.registered.has(user),
      (user) => phones.register(user),
    )
    // The phones answer, the callers acknowledge and hang up by way of the other gateway.
    phones.router = phones.answersTo = b.router
    for (const user of users) callers.invite(user)
    callers.router = b.router
    await haveAnswers(users)
    assert.ok((await b.metric('rouse_messages_handed_over_total')) >= users.length)
    await callers.hangUp(users)
    await Promise.all(pool.map((gateway) => gateway.isIdle()))
  })
})
