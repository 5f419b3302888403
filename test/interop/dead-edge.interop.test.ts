import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import type { Gateway } from './gateway.ts'
import { eventually } from './program.ts'
import { pooledGateway, threeGateways } from './sharing-gateway.ts'
import { Started } from './started.ts'
import { TcpPhone } from './tcp-phone.ts'
import { names } from './udp-peers.ts'

const CALLS = 12

describe('three gateways of a pool, and the one that phones are connected to is killed', {
  skip: absent('redis-server'),
}, () => {
  const started = new Started()
  let redis: TestRedis
  const pool: Gateway[] = []
  const callers = names('caller', CALLS).map((name) => new TcpPhone(name))
  const phones = names('phone', CALLS).map((name) => new TcpPhone(name))

  before(async () => {
    redis = await started.keep(startRedis({ port: 27_313 }))
    const [owner, edge, other] = await threeGateways((number) => pooledGateway(number, redis.url))
    pool.push(owner, edge, other)
    started.add(() => edge.program.stop())
    for (const gateway of [owner, other]) started.add(() => gateway.stop())
    started.add(() => [...callers, ...phones].map((phone) => phone.close()))
    for (const caller of callers) caller.connect(pool[0]!.router)
    for (const phone of phones) {
      phone.connect(pool[1]!.router)
      phone.register()
    }
    await allHear(phones, 'REGISTER', 200)
    for (const [index, caller] of callers.entries()) caller.call(phones[index]!.user)
    await allHear(callers, 'INVITE', 200)
    await eventually('every ACK', () => phones.every(({ heard }) => heard.includes('ACK')) || undefined)
  })

  after(() => started.stop())

  /** The last final response of each. */
  async function allHear(peers: readonly TcpPhone[], method: string, status: number): Promise<void> {
    await eventually(`${method} to be answered`, () => peers.every(({ finals }) => finals.has(method)) || undefined)
    const wrong = peers.filter(({ finals }) => finals.get(method) !== status)
    assert.deepEqual(
      wrong.map(({ user, finals }) => [user, finals.get(method)]),
      [],
    )
  }

  test('each phone hangs up over a new connection, to whichever gateway: its caller is told, and no call is left', async () => {
    const [owner, edge, other] = pool as [Gateway, Gateway, Gateway]
    assert.equal(await owner.metric('rouse_live{kind="dialogs"}'), CALLS)
    edge.program.signal('SIGKILL')
    await edge.program.exited
    for (const [index, phone] of phones.entries()) {
      phone.connect((index % 2 === 0 ? owner : other).router)
      phone.hangUp()
    }
    await allHear(phones, 'BYE', 200)
    assert.ok(callers.every(({ heard }) => heard.includes('BYE')))
    await owner.isIdle()
    assert.equal(await owner.metric('rouse_live{kind="dialogs"}'), 0)
  })

  test('whoever calls such a phone before it registers anew hears 480', async () => {
    for (const [index, caller] of callers.entries()) caller.call(phones[index]!.user)
    await allHear(callers, 'INVITE', 480)
  })
})
