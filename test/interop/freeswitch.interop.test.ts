import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { FakeSwitch } from '../support/freeswitch.ts'
import { Baresip } from './baresip.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

const UUID = '6a7f2f3c-0000-4000-8000-000000000001'

describe('a gateway beside FreeSWITCH', { skip: absent('baresip') }, () => {
  const started = new Started()
  const media = new FakeSwitch()
  let gateway: Gateway
  let alice: Baresip
  let bob: Baresip

  before(async () => {
    await media.start(8021, host(40))
    started.add(() => media.stop())
    const env = { FREESWITCH_ESL_URL: `esl://:ClueCon@${host(40)}`, FREESWITCH_EVENTS: 'DTMF CHANNEL_ANSWER' }
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

  it('the right digit changes nothing', async () => {
    await calls()
    presses('2')
    const { checks } = (await gateway.get('/readyz')) as { checks: Record<string, string> }
    assert.equal(checks.freeswitch, 'connected')
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
    await eventually('it to be missed', async () => /away/.test(await health()) || undefined)
    const digit = { type: 'dtmf', attributes: { callId: await onlyCall(), digit: '1' } }
    await gateway.publish(digit)
    await Promise.all([alice.closes(), bob.closes()])
    await media.start(8021, host(40))
    await eventually('it to be there', async () => (await health()) === 'connected' || undefined)
    await calls()
    await alice.hangup()
    await bob.closes()
  })

  async function onlyCall(): Promise<string> {
    const { calls } = (await gateway.get('/calls')) as { calls: { callId: string; state: string }[] }
    return calls.find(({ state }) => state === 'answered')!.callId
  }
})
