import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { absent } from '../peers.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { Baresip } from './baresip.ts'
import { Gateway } from './gateway.ts'
import { Linphone } from './linphone.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

/** The ends of a call are asked a minute after it was taken up. */
const ASKED_MS = 90_000

describe('real phones that talk while their gateway is killed and started again', {
  skip: absent('redis-server', 'baresip', 'linphonec'),
}, () => {
  const started = new Started()
  let redis: TestRedis
  let gateway: Gateway
  let alice: Baresip
  let carol: Linphone
  let bob: Baresip
  let dave: Baresip

  const start = () => Gateway.start({ env: { REDIS_URL: redis.url, GATEWAY_ID: 'gw-1' } })
  const phone = (user: string, number: number) =>
    Baresip.start({ domain: host(1), transport: 'udp', user, address: host(number), tone: 440 + number })

  before(async () => {
    redis = await started.keep(startRedis({ port: 27_321 }))
    gateway = await start()
    started.add(() => gateway.stop())
    const domain = gateway.address
    ;[alice, dave, carol] = await started.keepAll([
      phone('alice', 10),
      phone('dave', 12),
      Linphone.start({ domain, transport: 'tcp', user: 'carol', address: host(13), proxy: domain, tone: 1_000 }),
    ])
    bob = await phone('bob', 11)
    started.add(() => bob.stop())
  })

  after(() => started.stop())

  async function connect(caller: Baresip, callee: Baresip | Linphone): Promise<void> {
    await caller.call(callee.uri)
    await callee.rings()
    await Promise.all([callee.answer(), caller.isEstablished()])
  }

  test('who is still there says so, and talks on; who has gone meanwhile does not know the call, and the other end hears that', {
    timeout: 170_000,
  }, async () => {
    await connect(alice, carol)
    await connect(dave, bob)
    gateway.program.signal('SIGKILL')
    await gateway.program.exited
    // Without a word: a phone that was switched off, and on again.
    bob.program.signal('SIGKILL')
    await bob.program.exited
    gateway = await start()
    bob = await phone('bob', 11)
    assert.equal(await gateway.metric('rouse_answered_calls_taken_up_total'), 2)
    await eventually(
      'one call to be over',
      async () => (await gateway.metric('rouse_answered_calls_ended_unseen_total')) === 1 || undefined,
      ASKED_MS,
    )
    await dave.closes()
    const timelines = async () => {
      const { calls } = (await gateway.get('/calls')) as { calls: { id: string; state: string }[] }
      const live = calls.filter(({ state }) => state === 'answered')
      return Promise.all(live.map(({ id }) => gateway.get(`/calls/${id}`)))
    }
    await eventually('the other one to be certain', async () => {
      const [call, ...others] = await timelines()
      assert.deepEqual(others, [])
      return JSON.stringify(call).includes('it is still talked on') || undefined
    })
    await alice.hangup()
    await Promise.all([alice.closes(), carol.closes()])
    await gateway.isIdle()
  })
})
