import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { CgratesStandIn } from '../support/cgrates.ts'
import { CgratesServer } from '../support/cgrates-server.ts'
import { startRedis, type TestRedis } from '../support/redis-server.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { eventually } from './program.ts'
import { PROGRESS, RINGS, TALKS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

const TCP_PORT = 27_801
const HTTP_PORT = 27_802
const REDIS_PORT = 27_803

const ANSWERED = [...RINGS, step.replies(200, 'OK'), step.receives('ACK')]
const IS_HUNG_UP = [step.receives('BYE'), step.accepts()]
const CALL = [step.invite(), PROGRESS, step.answered(), step.ack()]

let users = 0

/** A caller with so much credit, and whom it calls. */
function cast(stage: Stage, standIn: CgratesStandIn, seconds: number) {
  const number = ++users
  const account = standIn.account(`payer${number}`, seconds)
  const user = `bob${number}`
  return { account, user, alice: new Device(stage, 'alice', `payer${number}`), desk: new Device(stage, 'desk', user) }
}

function record(standIn: CgratesStandIn, account: string) {
  return eventually(`the record of ${account}`, async () => {
    return [...standIn.cdrs.values()].find(({ event }) => event.Account === account)
  })
}

function begun(standIn: CgratesStandIn, account: string) {
  return eventually(`the session of ${account}`, async () => {
    return [...standIn.sessions].find(([, { event }]) => event.Account === account)?.[0]
  })
}

for (const [way, url] of [
  ['TCP', `tcp://127.0.0.1:${TCP_PORT}`],
  ['HTTP', `http://127.0.0.1:${HTTP_PORT}/jsonrpc`],
] as const) {
  describe(`CGRateS over ${way}`, { skip: absent('sipp') }, () => {
    const started = new Started()
    const standIn = new CgratesStandIn()
    let gateway: Gateway
    let stage: Stage

    before(async () => {
      await started.keep(CgratesServer.start(standIn, { tcp: TCP_PORT, http: HTTP_PORT }))
      const env = { CGRATES_URL: url, CGRATES_DEBIT_INTERVAL: '1s' }
      gateway = await started.keep(Gateway.start({ functions: 'test/interop/apps/billed.ts', env }))
      stage = { transport: 'udp', router: gateway.router, domain: 'example.com' }
      await eventually('CGRateS to be reached', async () => (await up(gateway)) === 1 || undefined)
    })
    afterEach(() => gateway.isIdle())
    after(async () => {
      await started.stop()
      assert.deepEqual(standIn.faults, [])
      assert.equal(standIn.sessions.size, 0)
    })

    it('a call is authorized, answered, and billed for as long as it was talked', async () => {
      const { account, user, alice, desk } = cast(stage, standIn, 600)
      await desk.registers()
      const ringing = await desk.plays([...ANSWERED, ...IS_HUNG_UP])
      await alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      await ringing.succeeds()
      const { usageMs, event } = await record(standIn, alice.user)
      assert.equal(event.Destination, user)
      assert.ok(usageMs >= 200 && usageMs < 5000, `${usageMs} ms`)
      assert.equal(account.balanceMs, 600_000 - usageMs)
    })

    it('readiness says how it is with CGRateS', async () => {
      const { checks } = (await gateway.get('/readyz')) as { checks: Record<string, string> }
      assert.equal(checks.cgrates, 'connected')
    })

    it('a caller without credit hears 402, and nobody rings', async () => {
      const { user, alice } = cast(stage, standIn, 0)
      await alice.calls(user, [step.invite(), PROGRESS, step.receives(402), step.ackFailure()])
    })

    it('the balance ends: both ends get a BYE', async () => {
      const { account, user, alice, desk } = cast(stage, standIn, 2)
      await desk.registers()
      const reason = step.receives('BYE', { header: ['Reason', 'the balance has ended'] })
      const ringing = await desk.plays([...ANSWERED, reason, step.accepts()])
      await alice.calls(user, [...CALL, reason, step.accepts()])
      await ringing.succeeds()
      const { usageMs } = await record(standIn, alice.user)
      assert.ok(usageMs >= 2000 && usageMs < 4000, `${usageMs} ms`)
      assert.equal(account.balanceMs, 2000 - usageMs)
    })

    it('the call ends when CGRateS says so', { skip: way === 'HTTP' && 'it cannot ask over HTTP' }, async () => {
      const { user, alice, desk } = cast(stage, standIn, 600)
      await desk.registers()
      const ringing = await desk.plays([...ANSWERED, ...IS_HUNG_UP])
      const calling = alice.calls(user, [...CALL, ...IS_HUNG_UP])
      const id = await begun(standIn, alice.user)
      assert.deepEqual(await standIn.disconnect(id, 'FRAUD'), [{ result: 'OK' }])
      await Promise.all([calling, ringing.succeeds()])
      await record(standIn, alice.user)
    })
  })
}

describe('CGRateS dies, and so does the gateway', { skip: absent('sipp') || absent('redis-server') }, () => {
  const started = new Started()
  const standIn = new CgratesStandIn()
  let redis: TestRedis
  let server: CgratesServer
  let gateway: Gateway
  let stage: Stage

  const start = () =>
    Gateway.start({
      functions: 'test/interop/apps/billed.ts',
      env: {
        CGRATES_URL: `tcp://127.0.0.1:${TCP_PORT}`,
        CGRATES_DEBIT_INTERVAL: '1s',
        CGRATES_AWAY: 'pass',
        REDIS_URL: redis.url,
        GATEWAY_ID: 'gw-1',
      },
    })
  const serve = async () => {
    server = await CgratesServer.start(standIn, { tcp: TCP_PORT })
  }
  const killAndStart = async () => {
    gateway.program.signal('SIGKILL')
    await gateway.program.exited
    gateway = await start()
  }

  before(async () => {
    redis = await started.keep(startRedis({ port: REDIS_PORT }))
    await serve()
    started.add(() => server.stop())
    gateway = await start()
    started.add(() => gateway.stop())
    stage = { transport: 'udp', router: gateway.router, domain: 'example.com' }
  })
  after(async () => {
    await started.stop()
    assert.deepEqual(standIn.faults, [])
  })

  it('a call that ends while CGRateS is dead is kept, by a gateway that is killed meanwhile, and told once', async () => {
    const { account, user, alice, desk } = cast(stage, standIn, 600)
    await desk.registers()
    const ringing = await desk.plays([...ANSWERED, ...IS_HUNG_UP])
    const calling = alice.calls(user, [...CALL, step.pauses(3000), step.bye(), step.receives(200)])
    await begun(standIn, alice.user)
    await server.stop()
    await Promise.all([calling, ringing.succeeds()])
    assert.equal(await gateway.metric('rouse_cgrates_records_waiting'), 1)
    assert.equal(await up(gateway), 0)
    await killAndStart()
    await eventually(
      'what was kept',
      async () => (await gateway.metric('rouse_cgrates_records_waiting')) === 1 || undefined,
    )
    await serve()
    const { usageMs } = await record(standIn, alice.user)
    assert.ok(usageMs >= 3000 && usageMs < 10_000, `${usageMs} ms`)
    await eventually(
      'nothing to be left',
      async () => (await gateway.metric('rouse_cgrates_records_waiting')) === 0 || undefined,
    )
    assert.equal(account.balanceMs, 600_000 - usageMs)
    assert.equal(standIn.sessions.size, 0)
  })

  it('a gateway that is killed while a call is talked goes on with its session when it is back', async () => {
    const { account, user, alice, desk } = cast(stage, standIn, 600)
    await desk.registers()
    const ringing = await desk.plays([...ANSWERED, ...IS_HUNG_UP])
    const calling = alice.calls(user, [...CALL, step.pauses(6000), step.bye(), step.receives(200)])
    await begun(standIn, alice.user)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await killAndStart()
    await Promise.all([calling, ringing.succeeds()])
    const { usageMs } = await record(standIn, alice.user)
    assert.ok(usageMs >= 6000 && usageMs < 20_000, `${usageMs} ms`)
    assert.equal(account.balanceMs, 600_000 - usageMs)
    assert.equal(standIn.sessions.size, 0)
  })
})

function up(gateway: Gateway): Promise<number> {
  return gateway.metric('rouse_integration_up{name="cgrates"}')
}
