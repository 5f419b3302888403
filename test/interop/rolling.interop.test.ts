import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import type { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { pooledGateway, threeGateways } from './sharing-gateway.ts'
import { Started } from './started.ts'
import { Callers, names, Phones, untilAll } from './udp-peers.ts'

const RECEIVER = { host: host(30), port: 8090 }
const CALLS_PER_RESTART = 40
const CALL_EVERY_MS = 60
const RING_MS = 800
const TALK_MS = 1500
const T1_MS = 500
/** What rang at a gateway that is killed is adopted within seven seconds. */
const PATIENCE_MS = 20_000

interface Cdr {
  callId: string
  result: string
  reason: string
  gateway: string
  duration: number
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('three gateways of a pool that are stopped, or killed, one after the other while people call', {
  skip: absent('redis-server'),
}, () => {
  const started = new Started()
  let redis: TestRedis
  let receiver: Server
  const pool: Gateway[] = []
  /** Those that a load balancer sends anything to. */
  let ready: Gateway[] = []
  let callers: Callers
  let phones: Phones
  const cdrs: Cdr[] = []
  let sent = 0
  const nextReady = () => ready[sent++ % ready.length]!

  const start = (number: number) => pooledGateway(number, redis.url, { SUBSCRIPTION_NETWORKS: '127.0.0.0/8' })

  before(async () => {
    redis = await started.keep(startRedis({ port: 27_311 }))
    receiver = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      cdrs.push(JSON.parse(body).data)
      response.writeHead(204).end()
    }).listen(RECEIVER.port, RECEIVER.host)
    await once(receiver, 'listening')
    started.add(async () => void receiver.close())
    pool.push(...(await threeGateways(start)))
    ready = [...pool]
    for (const index of pool.keys()) started.add(() => pool[index]!.stop())
    const subscribed = await fetch(pool[0]!.url('/subscriptions'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'cdr.created', url: `http://${RECEIVER.host}:${RECEIVER.port}/cdr` }),
    })
    assert.equal(subscribed.status, 201)
    callers = new Callers(pool[0]!.router)
    phones = new Phones(pool[0]!.router)
    for (const peer of [callers, phones]) started.add(() => peer.close())
    // What belongs to no new request goes to any gateway.
    const next = () => nextReady().router
    for (const peer of [callers, phones]) Object.defineProperty(peer, 'router', { get: next })
    Object.defineProperty(phones, 'answersTo', { get: next })
    phones.answers = 'ringing'
    await callers.open()
    await phones.open()
  })

  after(() => started.stop())

  /** Calls, is answered after a while, talks, and hangs up: by way of whichever gateway is there. */
  async function call(user: string): Promise<void> {
    await connect(user)
    await pause(TALK_MS)
    await callers.hangUp([user])
  }

  async function connect(user: string): Promise<void> {
    // A repeat goes where the first one went, as long as that gateway is there.
    let gateway = nextReady()
    while (!callers.trying.has(user)) {
      if (!ready.includes(gateway)) gateway = nextReady()
      callers.invite(user, gateway.router)
      await pause(T1_MS)
    }
    await eventually(`${user} to ring`, () => callers.statusesOf(user).includes(180) || undefined, PATIENCE_MS)
    await pause(RING_MS)
    await untilAll(
      `${user} to be answered`,
      [user],
      () => callers.statusesOf(user).includes(200),
      () => phones.pickUp(user),
    )
  }

  /** Calls all of them, and ends one gateway in the midst of it, which is started again. */
  async function callMeanwhile(users: readonly string[], index: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const calls: Promise<void>[] = []
    const callAll = async (some: readonly string[]) => {
      for (const user of some) {
        calls.push(call(user))
        await pause(CALL_EVERY_MS)
      }
    }
    const end = async () => {
      const gateway = pool[index]!
      ready = pool.filter((each) => each !== gateway)
      gateway.program.signal(signal)
      const { code } = await gateway.program.endsWithin(10_000)
      if (signal === 'SIGTERM') assert.equal(code, 0)
      pool[index] = await start(index + 1)
      ready = [...pool]
    }
    const before = users.slice(0, Math.floor(users.length * 0.75))
    await callAll(before)
    await Promise.all([end(), callAll(users.slice(before.length))])
    await Promise.all(calls)
  }

  test('every call rings once, is answered and ends, and one record is told of each', {
    timeout: 180_000,
  }, async () => {
    const rolling = names('rolls', 6 * CALLS_PER_RESTART)
    // They talk through all of it.
    const long = names('talks', 20)
    const users = [...long, ...rolling]
    await untilAll(
      'every phone to be registered',
      users,
      (user) => phones.registered.has(user),
      (user) => phones.register(user),
    )
    await Promise.all(long.map((user) => connect(user)))
    const talkedSince = Date.now()
    for (const [round, signal] of (['SIGTERM', 'SIGKILL'] as const).entries())
      for (const index of pool.keys()) {
        const first = (3 * round + index) * CALLS_PER_RESTART
        await callMeanwhile(rolling.slice(first, first + CALLS_PER_RESTART), index, signal)
      }
    const longMs = Date.now() - talkedSince
    await callers.hangUp(long)
    await Promise.all(pool.map((gateway) => gateway.isIdle()))
    for (const user of users) {
      assert.deepEqual([...new Set(callers.statusesOf(user).filter((status) => status >= 200))], [200], user)
      assert.equal(phones.rang.get(user)?.size, 1, `${user} rings once`)
    }
    const told = () => new Set(cdrs.map(({ callId }) => callId))
    await eventually('a record of each call', () => told().size === users.length || undefined, 20_000)
    // Those whose gateway had gone were told of by whoever had them next: nobody has talked for less than he has.
    for (const { callId, reason, duration } of cdrs) {
      const talkedMs = long.includes(callId) ? longMs : TALK_MS
      assert.ok(duration >= Math.floor(talkedMs / 1000), `${callId}: ${duration} s`)
      assert.doesNotMatch(reason, /gateway/)
    }
    const takenUp = await Promise.all(pool.map((gateway) => gateway.metric('rouse_answered_calls_taken_up_total')))
    assert.ok(takenUp.some((count) => count > 0))
    const results = Object.groupBy(cdrs, ({ callId }) => callId)
    for (const user of users) {
      assert.deepEqual([...new Set(results[user]!.map(({ result }) => result))], ['answered'], user)
      assert.equal(new Set(results[user]!.map(({ gateway, reason }) => `${gateway} ${reason}`)).size, 1, user)
    }
  })
})
