import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createRedisStore } from '../../functions/store/redis/tcp.ts'
import type { Store } from '../../functions/store/store.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { Gateway } from './gateway.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'
import { Callers, names, Phones, untilAll } from './udp-peers.ts'

const REDIS_PORT = 27_195
const MANY = 1000

describe('a gateway that is killed and started again, with Redis', { skip: absent('redis-server') }, () => {
  const started = new Started()
  let redis: TestRedis
  let store: Store
  let gateway: Gateway
  let callers: Callers
  let phones: Phones

  const start = () =>
    Gateway.start({
      functions: 'test/interop/restart-app.ts',
      env: { REDIS_URL: redis.url, GATEWAY_ID: 'gw-1', LOG_LEVEL: 'warn' },
    })

  const killAndStart = async () => {
    gateway.program.signal('SIGKILL')
    await gateway.program.exited
    gateway = await start()
  }

  /** Until Redis holds so many calls, each with what is looked for in its record. */
  const areStored = (count: number, looked = '') =>
    eventually(
      `${count} calls to be stored`,
      async () => {
        const records = await store.suspended('gw-1')
        await new Promise((resolve) => setTimeout(resolve, 200))
        return records.filter(({ state }) => state.includes(looked)).length === count || undefined
      },
      30_000,
    )

  before(async () => {
    redis = await started.keep(startRedis({ port: REDIS_PORT }))
    store = createRedisStore({ url: redis.url, clock: systemClock, ids: createRandomIds() })
    started.add(() => store.close())
    gateway = await start()
    callers = new Callers(gateway.router)
    phones = new Phones(gateway.router)
    for (const peer of [callers, phones]) started.add(() => peer.close())
    started.add(() => gateway.stop())
    await callers.open()
    await phones.open()
  })

  after(() => started.stop())

  test('a thousand waiting calls connect when their phones register, and nobody rings twice', {
    timeout: 120_000,
  }, async () => {
    const users = names('waits', MANY)
    await untilAll(
      'every INVITE to be on its way',
      users,
      (user) => callers.trying.has(user),
      (user) => callers.invite(user),
    )
    await areStored(MANY)
    gateway.program.signal('SIGKILL')
    await gateway.program.exited
    for (const user of users.slice(0, 100)) callers.invite(user)
    gateway = await start()
    assert.equal(await gateway.metric('rouse_resumed_calls_total'), MANY)
    for (const user of users) callers.invite(user)

    await untilAll(
      'every phone to be registered',
      users,
      (user) => phones.registered.has(user),
      (user) => phones.register(user),
    )
    await eventually(
      'every caller to hear 200',
      () => users.every((user) => callers.statusesOf(user).includes(200)) || undefined,
      30_000,
    )
    for (const user of users) {
      assert.deepEqual([...new Set(callers.statusesOf(user))], [200], user)
      assert.equal(phones.rang.get(user)?.size, 1, `${user} rings once`)
    }
    assert.equal(
      await gateway.metric('rouse_invocations_total'),
      MANY,
      'the handler of each registration, and no request anew',
    )
    await callers.hangUp(users)
    await gateway.isIdle()
  })

  test('phones that ring at the kill are answered after it', { timeout: 60_000 }, async () => {
    const users = names('rings', 50)
    phones.answers = 'ringing'
    await untilAll(
      'every phone to be registered',
      users,
      (user) => phones.registered.has(user),
      (user) => phones.register(user),
    )
    for (const user of users) callers.invite(user)
    await eventually(
      'every caller to hear 180',
      () => users.every((user) => callers.statusesOf(user).includes(180)) || undefined,
    )
    await areStored(users.length, '"ringing"')
    await killAndStart()
    for (const user of users) phones.pickUp(user)
    await eventually(
      'every caller to hear 200',
      () => users.every((user) => callers.statusesOf(user).includes(200)) || undefined,
    )
    for (const user of users) assert.equal(phones.rang.get(user)?.size, 1, `${user} rings once`)
    await callers.hangUp(users)
    await gateway.isIdle()
  })

  for (const signal of ['SIGKILL', 'SIGTERM'] as const)
    test(`a gateway is killed while people talk, or stopped (${signal}): it goes on with their calls, and sees them end`, {
      timeout: 60_000,
    }, async () => {
      const users = names(`talks-${signal.toLowerCase()}`, 50)
      phones.answers = 'answered'
      await untilAll(
        'every phone to be registered',
        users,
        (user) => phones.registered.has(user),
        (user) => phones.register(user),
      )
      await untilAll(
        'every caller to hear 200',
        users,
        (user) => callers.statusesOf(user).includes(200),
        (user) => callers.invite(user),
      )
      await areStored(users.length, '"talk"')
      gateway.program.signal(signal)
      await gateway.program.exited
      gateway = await start()
      assert.equal(await gateway.metric('rouse_answered_calls_taken_up_total'), users.length)
      assert.equal(await gateway.metric('rouse_live{kind="dialogs"}'), users.length)
      await callers.hangUp(users)
      await gateway.isIdle()
      await areStored(0)
      assert.equal(await gateway.metric('rouse_answered_calls_ended_unseen_total'), 0)
    })

  test('a deadline that passes while nobody is there is kept once, and a caller can give up after it', {
    timeout: 60_000,
  }, async () => {
    const short = names('short', 20)
    const cancelled = names('gives-up', 20)
    const users = [...short, ...cancelled]
    await untilAll(
      'every INVITE to be on its way',
      users,
      (user) => callers.trying.has(user),
      (user) => callers.invite(user),
    )
    await areStored(users.length)
    gateway.program.signal('SIGKILL')
    await gateway.program.exited
    await new Promise((resolve) => setTimeout(resolve, 4500))
    gateway = await start()
    await untilAll(
      '487 for who gives up',
      cancelled,
      (user) => callers.statusesOf(user).includes(487),
      (user) => callers.cancel(user),
    )
    await eventually(
      '480 for who waits in vain',
      () => short.every((user) => callers.statusesOf(user).includes(480)) || undefined,
    )
    for (const user of short) assert.deepEqual([...new Set(callers.statusesOf(user))], [480], user)
    for (const user of cancelled) assert.deepEqual([...new Set(callers.statusesOf(user))], [487], user)
    await gateway.isIdle()
  })
})
