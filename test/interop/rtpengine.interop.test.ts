import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Baresip } from './baresip.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { host, nextAddress } from './network.ts'
import { eventually } from './program.ts'
import { freePort, Microphone, Rtpengine } from './rtpengine.ts'
import { PROGRESS, RINGS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

const CAPTURES = '/usr/share/sip-tester'
const PCMA = 8
const TELEPHONE_EVENT = 101

const CONNECTED = [...RINGS, step.replies(200, 'OK'), step.receives('ACK')]
const CALLS = [step.invite(), PROGRESS, step.answered(), step.ack()]
const IS_HUNG_UP = [step.receives('BYE'), step.accepts()]
const HANGS_UP = [step.bye(), step.receives(200)]

const isRoot = process.getuid?.() === 0
const skip = absent('rtpengine', 'sipp') || (!isRoot && 'sipp plays captures as root only')

describe('rtpengine', { skip }, () => {
  const started = new Started()
  let gateway: Gateway
  let engine: Rtpengine
  let stage: Stage
  let ports: { port: number; dtmfPort: number }
  let users = 0

  before(async () => {
    ports = { port: await freePort(), dtmfPort: await freePort() }
    const env = {
      RTPENGINE_URL: `udp://127.0.0.1:${ports.port}`,
      RTPENGINE_DTMF_LISTEN: `udp://127.0.0.1:${ports.dtmfPort}`,
      RTPENGINE_PING: '100ms',
    }
    gateway = await started.keep(Gateway.start({ functions: 'test/interop/apps/media.ts', env }))
    stage = { transport: 'udp', router: gateway.router, domain: 'example.com' }
  })
  afterEach(() => gateway.isIdle())
  after(() => started.stop())

  it('is absent when the gateway starts: that is said, calls that ask for it get 503, and others are not concerned', async () => {
    await isShown(/^0 of 1 connected; 127\.0\.0\.1:\d+ away/)
    const { caller } = await scene([step.receives('INVITE')])
    await caller.calls('nobody-home', [step.invite(), PROGRESS, step.receives(480), step.ackFailure()])
    const phone = new Device(stage, 'callee', 'mediated')
    await phone.registers()
    await caller.calls('mediated', [step.invite(), PROGRESS, step.receives(503), step.ackFailure()])
  })

  it('comes: the gateway knows it, and its media goes by way of it', async () => {
    engine = await startEngine()
    await isShown(/^connected$/)
  })

  it('hears digit 1 of the caller in real audio: both ends get a BYE, and nothing is left (RFC 4733, RFC 3261 15)', async () => {
    const before = await gateway.metric('rouse_dtmf_reports_total{outcome="raised"}')
    await meet([...CALLS, plays('dtmf_2833_1'), ...IS_HUNG_UP], [...CONNECTED, ...IS_HUNG_UP])
    assert.equal(await gateway.metric('rouse_dtmf_reports_total{outcome="raised"}'), before + 1, 'once for each digit')
    await engine.isIdle()
  })

  it('hears digit 1 of the callee', async () => {
    await meet([...CALLS, ...IS_HUNG_UP], [...CONNECTED, plays('dtmf_2833_1'), ...IS_HUNG_UP])
    await engine.isIdle()
  })

  it('hears digit 2: the call goes on, audio passes through it to the callee, and the call ends as calls do', async () => {
    const before = await gateway.metric('rouse_dtmf_reports_total{outcome="raised"}')
    const talks = [plays('dtmf_2833_2'), step.pauses(400), plays('g711a'), step.pauses(1500)]
    const { ear, messages } = await meet([...CALLS, ...talks, ...HANGS_UP], [...CONNECTED, ...IS_HUNG_UP])
    assert.equal(await gateway.metric('rouse_dtmf_reports_total{outcome="raised"}'), before + 1)
    assert.equal(ear.packets.get(TELEPHONE_EVENT), 10, 'every packet of the capture has arrived')
    assert.ok((ear.packets.get(PCMA) ?? 0) >= 20, `audio: ${ear.packets.get(PCMA)} packets`)
    assert.deepEqual(ear.senders, [host(3)], 'the callee hears the rtpengine alone')
    assert.match(messages, new RegExp(`^c=IN IP4 ${host(3).replaceAll('.', '\\.')}\\r?$`, 'm'))
    await engine.isIdle()
  })

  it('is let go of by a callee that declines, and by a caller who gives up', async () => {
    const declines = [...RINGS, step.replies(486, 'Busy Here'), step.receives('ACK')]
    await meet([step.invite(), PROGRESS, step.receives(486), step.ackFailure()], declines)
    await engine.isIdle()
    const givesUp = [step.invite(), step.mayReceive(100), step.receives(180), step.cancel(), step.receives(200)]
    await meet(
      [...givesUp, step.receives(487), step.ackFailure()],
      [
        ...RINGS,
        step.receives('CANCEL'),
        step.accepts(),
        step.replies(487, 'Request Terminated'),
        step.receives('ACK'),
      ],
    )
    await engine.isIdle()
  })

  it('offers the callee the RTP profile that the function says (RFC 4568)', async () => {
    const phone = new Device(stage, 'callee', 'secure-1')
    await phone.registers()
    const callee = await phone.plays([...RINGS, step.replies(486, 'Busy Here'), step.receives('ACK')])
    await new Caller(stage).calls('secure-1', [step.invite(), PROGRESS, step.receives(486), step.ackFailure()])
    const { messages } = await callee.succeeds()
    assert.match(messages, /^m=audio \d+ RTP\/SAVP 8 101\r?$/m)
    assert.match(messages, /^a=crypto:/m)
    await engine.isIdle()
  })

  it('is killed while people talk, and started again: the call can be ended, and the next one has its audio', async () => {
    const { caller, user } = await scene([...CONNECTED, ...IS_HUNG_UP])
    const call = await caller.plays([...CALLS, step.pauses(2000), ...HANGS_UP], { service: user })
    await eventually('people talk', async () => (await gateway.metric('rouse_live{kind="dialogs"}')) === 1 || undefined)
    assert.equal((await engine.calls()).length, 1)
    await engine.kill()
    await isShown(/away/)
    await call.succeeds()
    engine = await startEngine()
    await isShown(/^connected$/)
    const talks = [plays('g711a'), step.pauses(1000), ...HANGS_UP]
    const { ear } = await meet([...CALLS, ...talks], [...CONNECTED, ...IS_HUNG_UP])
    assert.ok((ear.packets.get(PCMA) ?? 0) >= 10, `audio: ${ear.packets.get(PCMA)} packets`)
    await engine.isIdle()
  })

  it('is killed while a phone rings: who answers then is hung up on, and the caller gets 503', async () => {
    const rings = [...RINGS, step.pauses(1500), step.replies(200, 'OK'), step.receives('ACK'), ...IS_HUNG_UP]
    const { caller, user, callee } = await scene(rings)
    const call = await caller.plays([step.invite(), PROGRESS, step.receives(503), step.ackFailure()], { service: user })
    // The engine has the call before the gateway has its answer, and the phone its INVITE.
    await callee.has(/^INVITE sip:/m)
    assert.equal((await engine.calls()).length, 1)
    await engine.kill()
    await Promise.all([call.succeeds(), callee.succeeds()])
    engine = await startEngine()
    await isShown(/^connected$/)
  })

  it('is started anew while people talk: a re-INVITE brings their audio back', async () => {
    const calleeSteps = [...CONNECTED, step.receives('INVITE'), step.acceptsReInvite(), step.receives('ACK')]
    const { caller, user, ear, callee } = await scene([...calleeSteps, ...IS_HUNG_UP])
    const again = [step.reInvite(), step.mayReceive(100), step.answered(), step.ack(2)]
    const talks = [plays('g711a'), step.pauses(1000)]
    const call = await caller.plays([...CALLS, step.pauses(3000), ...again, ...talks, ...HANGS_UP], { service: user })
    await eventually('people talk', async () => (await gateway.metric('rouse_live{kind="dialogs"}')) === 1 || undefined)
    await engine.kill()
    engine = await startEngine()
    assert.equal(ear.packets.get(PCMA), undefined)
    await Promise.all([call.succeeds(), callee.succeeds()])
    assert.ok((ear.packets.get(PCMA) ?? 0) >= 10, `audio: ${ear.packets.get(PCMA)} packets`)
    await engine.isIdle()
  })

  it('sends audio to where it went before a re-INVITE that is declined (RFC 3261 14.1)', async () => {
    const declines = [step.receives('INVITE'), step.declinesReInvite(), step.receives('ACK')]
    const talks = [step.pauses(300), plays('g711a'), step.pauses(1000)]
    const { caller, user, callee } = await scene([...CONNECTED, ...declines, ...talks, ...IS_HUNG_UP])
    const ear = await started.keep(Microphone.open(caller.address))
    const moves = [step.reInvite(9), step.mayReceive(100), step.receives(488), step.ackDeclined()]
    const steps = step.withMedia([...CALLS, ...moves, step.pauses(2500), ...HANGS_UP], ear.port)
    const call = await caller.plays(steps, { service: user })
    await Promise.all([call.succeeds(), callee.succeeds()])
    assert.ok((ear.packets.get(PCMA) ?? 0) >= 10, `audio: ${ear.packets.get(PCMA)} packets`)
    await engine.isIdle()
  })

  it('has a call for each phone that rings, and is left with that of who answers', async () => {
    const { caller, user, callee } = await scene([...CONNECTED, ...IS_HUNG_UP])
    const other = new Device(stage, 'other', user)
    await other.registers()
    const loses = [...RINGS, step.receives('CANCEL'), step.accepts(), step.replies(487, 'Request Terminated')]
    const loser = await other.plays([...loses, step.receives('ACK')])
    const call = await caller.plays([...CALLS, step.pauses(500), ...HANGS_UP], { service: user })
    await loser.succeeds()
    await eventually('one call', async () => (await engine.calls()).length === 1 || undefined)
    await Promise.all([call.succeeds(), callee.succeeds()])
    await engine.isIdle()
  })

  function startEngine(): Promise<Rtpengine> {
    return started.keep(Rtpengine.start({ ...ports, address: host(3) }))
  }

  function plays(capture: string): step.Step {
    return step.playsCapture(`${CAPTURES}/${capture}.pcap`)
  }

  /** What readiness says of it. */
  async function isShown(text: RegExp): Promise<void> {
    let said = ''
    const look = async () => {
      const { checks } = (await gateway.get('/readyz')) as { checks: Record<string, string> }
      said = checks.rtpengine ?? ''
      return text.test(said) || undefined
    }
    await eventually(`rtpengine: ${text}`, look).catch(() => assert.match(said, text))
  }

  async function scene(calleeSteps: step.Step[]) {
    users += 1
    const user = `fax${users}`
    const phone = new Device(stage, 'callee', user)
    const ear = await started.keep(Microphone.open(phone.address))
    await phone.registers()
    const playing = calleeSteps.some((each) => each.includes('play_pcap'))
    const steps = step.withMedia(calleeSteps, playing ? '[media_port]' : ear.port)
    const callee = await phone.plays(steps)
    return { user, ear, callee, caller: new Caller(stage) }
  }

  async function meet(callerSteps: step.Step[], calleeSteps: step.Step[]) {
    const { user, ear, callee, caller } = await scene(calleeSteps)
    const call = await caller.plays(callerSteps, { service: user })
    const [{ messages }] = await Promise.all([call.succeeds(), callee.succeeds()])
    return { ear, messages }
  }
})

describe('several rtpengines, the shipped example, and a gateway that is killed', { skip }, () => {
  const started = new Started()
  let gateway: Gateway
  let engines: [Rtpengine, Rtpengine]
  let stage: Stage
  let env: Record<string, string>

  before(async () => {
    const dtmfPort = await freePort()
    const [first, second] = [await freePort(), await freePort()]
    engines = await started.keepAll([
      Rtpengine.start({ port: first, dtmfPort, address: host(3) }),
      Rtpengine.start({ port: second, dtmfPort, address: host(4) }),
    ])
    env = {
      RTPENGINE_URL: `${engines[0].url};weight=1000,${engines[1].url}`,
      RTPENGINE_DTMF_LISTEN: `udp://127.0.0.1:${dtmfPort}`,
      RTPENGINE_PING: '100ms',
    }
    gateway = await startGateway()
    started.add(() => gateway.stop())
    stage = { transport: 'udp', router: gateway.router, domain: 'example.com' }
  })
  after(() => started.stop())

  it('goes on by what the Route of a request says: the BYE of a call of before lets go of its media', async () => {
    const callee = await calleeOf('talks', [...CONNECTED, ...IS_HUNG_UP])
    const caller = await new Caller(stage).plays([...CALLS, step.pauses(4000), ...HANGS_UP], { service: 'talks' })
    await callee.has(/^ACK sip:/m)
    assert.equal((await engines[0].calls()).length, 1, 'the one with the greater weight')
    gateway.program.signal('SIGKILL')
    await gateway.program.exited
    gateway = await startGateway()
    await Promise.all([caller.succeeds(), callee.succeeds()])
    await engines[0].isIdle()
  })

  it('screens by digits in the audio as it is shipped', async () => {
    // Digits are those of a call only once both ends have said that they take them.
    const callee = await calleeOf('fax', step.withMedia([...CONNECTED, ...IS_HUNG_UP], 16384))
    const presses = step.playsCapture(`${CAPTURES}/dtmf_2833_star.pcap`)
    await new Caller(stage).calls('fax', [...CALLS, presses, ...IS_HUNG_UP])
    await callee.succeeds()
    await engines[0].isIdle()
  })

  it('when one dies, the calls that come go by way of the other', async () => {
    await engines[0].kill()
    for (const user of ['one', 'two']) {
      const ear = await calleeEar(user)
      const talks = [step.playsCapture(`${CAPTURES}/g711a.pcap`), step.pauses(500), ...HANGS_UP]
      await new Caller(stage).calls(user, [...CALLS, ...talks])
      assert.deepEqual(ear.senders, [host(4)])
    }
    await engines[1].isIdle()
  })

  function startGateway(): Promise<Gateway> {
    return Gateway.start({ functions: 'functions/examples/dtmf-screening.ts', env })
  }

  async function calleeOf(user: string, steps: step.Step[], address?: string) {
    const phone = new Device(stage, 'callee', user, address)
    await phone.registers()
    return phone.plays(steps)
  }

  async function calleeEar(user: string): Promise<Microphone> {
    const address = nextAddress()
    const ear = await started.keep(Microphone.open(address))
    await calleeOf(user, step.withMedia([...CONNECTED, ...IS_HUNG_UP], ear.port), address)
    return ear
  }
})

describe('phones by way of an rtpengine', { skip: absent('rtpengine', 'baresip') }, () => {
  const started = new Started()
  let gateway: Gateway
  let engine: Rtpengine
  let alice: Baresip
  let bob: Baresip

  before(async () => {
    const ports = { port: await freePort(), dtmfPort: await freePort() }
    engine = await started.keep(Rtpengine.start({ ...ports, address: host(3) }))
    const env = { RTPENGINE_URL: engine.url, RTPENGINE_DTMF_LISTEN: `udp://127.0.0.1:${ports.dtmfPort}` }
    gateway = await started.keep(Gateway.start({ functions: 'test/interop/apps/media.ts', env }))
    const domain = gateway.address
    ;[alice, bob] = await started.keepAll([
      Baresip.start({ domain, user: 'alice', transport: 'udp', address: host(10), tone: 440 }),
      Baresip.start({ domain, user: 'bob', transport: 'tcp', address: host(11), tone: 700 }),
    ])
  })
  afterEach(() => gateway.isIdle())
  after(() => started.stop())

  it('hear each other, also after the callee has held the call and resumed it by re-INVITEs', async () => {
    await alice.call(bob.uri)
    await bob.rings()
    await Promise.all([bob.answer(), alice.isEstablished()])
    await eventually('sound both ways', () => (alice.heard(700) >= 0.5 && bob.heard(440) >= 0.5) || undefined)
    assert.equal((await engine.calls()).length, 1)
    await bob.hold()
    await eventually('re-INVITE', async () => (await answers()) >= 2 || undefined)
    await bob.resume()
    await eventually('re-INVITE', async () => (await answers()) >= 3 || undefined)
    // Its recordings end when a call is held, but it says how much comes in and goes out.
    for (const phone of [alice, bob]) {
      phone.program.skip()
      await phone.program.says(/audio=[1-9]\d+\/[1-9]\d+ /)
    }
    await alice.hangup()
    await Promise.all([alice.closes(), bob.closes()])
    await engine.isIdle()
  })

  function answers(): Promise<number> {
    return gateway.metric(
      `rouse_rtpengine_commands_total{engine="${engine.url.slice('udp://'.length)}",command="answer"`,
    )
  }
})

/** A device that calls with media of its own. */
class Caller extends Device {
  constructor(stage: Stage) {
    super(stage, 'caller', 'alice')
  }

  override plays(steps: readonly step.Step[], options: Parameters<Device['plays']>[1] = {}) {
    return super.plays(step.withMedia(steps, '[media_port]'), options)
  }
}
