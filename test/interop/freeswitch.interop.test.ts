import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { FakeSwitch } from '../support/freeswitch.ts'
import { startRedis } from '../support/redis-server.ts'
import { Baresip } from './baresip.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

const UUID = '6a7f2f3c-0000-4000-8000-000000000001'

describe('a gateway beside FreeSWITCH', { skip: absent('baresip') }, () => {
  const started = new Started()
  const media = new FakeSwitch()
  /** Its clients may not hear of anything but digits. */
  const other = new FakeSwitch('rouse@example.com:sesame')
  let gateway: Gateway
  let alice: Baresip
  let bob: Baresip

  before(async () => {
    await media.start(8021, host(40))
    started.add(() => media.stop())
    for (const event of ['CHANNEL_ANSWER', 'CHANNEL_CREATE', 'CHANNEL_DESTROY']) other.denied.add(event)
    other.core = 'core-2'
    await other.start(8022, host(41))
    started.add(() => other.stop())
    const urls = `esl://:ClueCon@${host(40)},esl://rouse%40example.com:sesame@${host(41)}:8022?format=plain`
    const env = { FREESWITCH_ESL_URL: urls, FREESWITCH_EVENTS: 'DTMF CHANNEL_ANSWER' }
    gateway = await started.keep(Gateway.start({ functions: 'test/interop/apps/switched.ts', env }))
    const phone = { domain: 'example.com', transport: 'udp', outbound: `sip:${gateway.router}` } as const
    ;[alice, bob] = await started.keepAll([
      Baresip.start({ ...phone, user: 'alice', address: host(11), tone: 440 }),
      Baresip.start({ ...phone, user: 'bob', address: host(12), tone: 700 }),
    ] as const)
  })
  afterEach(() => gateway.isIdle())
  after(() => started.stop())

  /** A call that FreeSWITCH has a channel of. @returns its Call-ID */
  async function calls(): Promise<string> {
    await alice.call(bob.uri)
    await bob.rings()
    await Promise.all([bob.answer(), alice.isEstablished()])
    const { calls } = (await gateway.get('/calls')) as { calls: { callId: string; state: string }[] }
    const { callId } = calls.find(({ state }) => state === 'answered')!
    media.channels.set(UUID, callId)
    media.raise('CHANNEL_CREATE', { 'Unique-ID': UUID, variable_sip_call_id: callId })
    media.raise('CHANNEL_ANSWER', { 'Unique-ID': UUID, variable_sip_call_id: callId })
    const isNoted = async () => JSON.stringify(await gateway.get(`/calls/${callId}`)).includes(UUID) || undefined
    await eventually('the channel to be noted', isNoted)
    return callId
  }
  const presses = (digit: string) =>
    media.raise('DTMF', { 'Unique-ID': UUID, 'DTMF-Digit': digit, 'DTMF-Duration': '800' })

  it('a digit that FreeSWITCH hears ends the call there, by uuid_kill', async () => {
    await calls()
    presses('1')
    await eventually(
      'the channel to be killed',
      () => media.commands.includes(`api uuid_kill ${UUID} CALL_REJECTED`) || undefined,
    )
    // The channel is none of these phones: nobody has said BYE yet.
    await alice.hangup()
    await bob.closes()
  })

  it('a call is held until a digit comes, of a channel that FreeSWITCH has to be asked about, in plain text, octet by octet', async () => {
    await alice.call('sip:held@example.com')
    const held = async () => {
      const { calls } = (await gateway.get('/calls')) as { calls: { callId: string; state: string }[] }
      return calls.find(({ state }) => state === 'suspended')?.callId
    }
    const callId = await eventually('the call to wait', held)
    other.chunk = 1
    other.channels.set('by-call-id@example.com', callId)
    other.raise('DTMF', { 'Unique-ID': 'by-call-id@example.com', 'DTMF-Digit': '#', 'DTMF-Duration': '1280' })
    await bob.rings()
    const { annotations } = (await gateway.get(`/calls/${callId}`)) as { annotations: object }
    assert.deepEqual(annotations, { digit: '#', duration: '160' })
    await Promise.all([bob.answer(), alice.isEstablished()])
    await alice.hangup()
    await bob.closes()
  })

  it('what it does not tell of, readiness says; the gateway is ready, and the password is nowhere', async () => {
    const { checks, ...rest } = (await gateway.get('/readyz')) as { checks: Record<string, string> }
    const name = `${host(41)}:8022`
    assert.equal(checks.freeswitch, `${name} does not tell of CHANNEL_ANSWER (-ERR permission denied)`)
    assert.equal(await gateway.metric('rouse_integration_up{name="freeswitch"}'), 1)
    assert.doesNotMatch(gateway.program.output + JSON.stringify({ checks, rest }), /sesame|ClueCon/)
  })

  it('the right digit changes nothing', async () => {
    await calls()
    presses('2')
    await bob.hangup()
    await alice.closes()
  })

  it('a call that FreeSWITCH does not know any more is ended by the gateway', async () => {
    await calls()
    media.channels.clear()
    presses('1')
    await Promise.all([alice.closes(), bob.closes()])
  })

  it('while it is away calls go on, and the gateway ends them itself; when it is back it is heard again', async () => {
    await calls()
    await media.stop()
    const health = async () => ((await gateway.get('/readyz')) as { checks: Record<string, string> }).checks.freeswitch!
    await eventually('it to be missed', async () => /:8021 away/.test(await health()) || undefined)
    const digit = { type: 'dtmf', attributes: { callId: await onlyCall(), digit: '1' } }
    await gateway.publish(digit)
    await Promise.all([alice.closes(), bob.closes()])
    await media.start(8021, host(40))
    await eventually('it to be there', async () => !/away/.test(await health()) || undefined)
    await calls()
    await alice.hangup()
    await bob.closes()
  })

  async function onlyCall(): Promise<string> {
    const { calls } = (await gateway.get('/calls')) as { calls: { callId: string; state: string }[] }
    return calls.find(({ state }) => state === 'answered')!.callId
  }
})

describe('two gateways beside one FreeSWITCH, with one Redis', { skip: absent('redis-server', 'baresip') }, () => {
  const started = new Started()
  const media = new FakeSwitch()
  let a: Gateway
  let b: Gateway

  before(async () => {
    const redis = await started.keep(startRedis({ port: 27_600 }))
    await media.start(8021, host(45))
    started.add(() => media.stop())
    const start = (number: number) => {
      const env = { REDIS_URL: redis.url, GATEWAY_ID: `gw-${number}`, FREESWITCH_ESL_URL: `esl://:ClueCon@${host(45)}` }
      return Gateway.start({ functions: 'test/interop/apps/switched.ts', address: host(number), env })
    }
    ;[a, b] = await started.keepAll([start(46), start(47)] as const)
    await eventually('both to listen', () => media.subscribed === 2 || undefined)
  })
  after(() => started.stop())

  it('both raise what it says: the call goes on once, and each digit counts once', async () => {
    const phone = (user: string, at: Gateway, number: number) =>
      Baresip.start({
        ...{ user, domain: 'example.com', transport: 'udp', address: host(number), tone: 440 },
        outbound: `sip:${at.router}`,
      })
    const [alice, bob] = await started.keepAll([phone('alice', a, 48), phone('bob', a, 49)] as const)
    await alice.call('sip:held@example.com')
    const first = async () => {
      const { calls } = (await a.get('/calls')) as { calls: { callId: string; state: string }[] }
      return calls.find(({ state }) => state === 'suspended')?.callId
    }
    const callId = await eventually('the call to wait', first)
    const raised = async () => (await a.metric('rouse_freeswitch_events')) + (await b.metric('rouse_freeswitch_events'))
    for (const [digit, count] of [
      ['5', 2],
      ['6', 4],
    ] as const) {
      media.raise('DTMF', { 'Unique-ID': 'u-1', 'DTMF-Digit': digit, variable_sip_call_id: callId })
      await eventually('both to have heard it', async () => (await raised()) === count || undefined)
      if (digit === '5') await bob.rings()
    }
    await Promise.all([bob.answer(), alice.isEstablished()])
    const seen = async () => {
      const call = (await a.get(`/calls/${callId}`)) as { timeline: { what: string }[]; branches: unknown[] }
      return {
        counted: call.timeline.filter(({ what }) => what === 'dtmf: counted').length,
        branches: call.branches.length,
      }
    }
    await eventually('both digits to count', async () => (await seen()).counted >= 2 || undefined)
    assert.equal((await seen()).branches, 1)
    await alice.hangup()
    await bob.closes()
    assert.equal((await seen()).counted, 2)
    await Promise.all([a.isIdle(), b.isIdle()])
  })
})
