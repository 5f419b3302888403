import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { PushServer } from './push-server.ts'
import { ANSWERS, GIVES_UP, IS_CANCELLED, PROGRESS, RINGS, TALKS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

const BUSY = [...RINGS, step.replies(486, 'Busy Here'), step.receives('ACK')]

for (const transport of ['udp', 'tcp'] as const) {
  describe(`wait, resume, time out over ${transport.toUpperCase()}`, { skip: absent('sipp') }, () => {
    const started = new Started()
    let gateway: Gateway
    let pushes: PushServer
    let stage: Stage
    let voicemail: Device
    let users = 0

    before(async () => {
      pushes = await started.keep(PushServer.start(host(9)))
      const mailbox = { address: host(8), uri: `sip:voicemail@${host(8)};transport=${transport}` }
      const env = { PUSH_WEBHOOK_URL: pushes.url, VOICEMAIL: mailbox.uri }
      gateway = await started.keep(Gateway.start({ functions: 'test/interop/apps/short-linear.ts', env }))
      stage = { transport, router: gateway.router, domain: 'example.com' }
      voicemail = new Device(stage, 'voicemail', 'voicemail', mailbox.address)
    })
    afterEach(() => gateway.isIdle())
    after(() => started.stop())

    it('the desk answers: nobody is pushed', async () => {
      const { alice, user, desk } = cast()
      await desk.registers()
      const ringing = await desk.plays([...RINGS, ...ANSWERS])
      await Promise.all([alice.calls(user, [step.invite(), PROGRESS, ...TALKS]), ringing.succeeds()])
      assert.deepEqual(pushes.left, [])
    })

    it('the desk rings out and is cancelled, the call waits, the phone registers and the call resumes there', async () => {
      const { alice, user, desk, phone } = cast()
      await desk.registers({ push: 'token-desk' })
      const ringing = await desk.plays([...RINGS, ...IS_CANCELLED])
      const calling = alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      await ringing.succeeds()
      await pushes.next(user)
      const woken = await phone.plays([...RINGS, ...ANSWERS])
      await phone.registers()
      await Promise.all([calling, woken.succeeds()])
    })

    it('the desk is busy and no phone comes: the call times out to voicemail', async () => {
      const { alice, user, desk } = cast()
      await desk.registers()
      const ringing = await desk.plays(BUSY)
      const mailbox = await voicemail.plays([step.receives('INVITE'), ...ANSWERS])
      const start = performance.now()
      const calling = alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      await ringing.succeeds()
      await Promise.all([calling, mailbox.succeeds()])
      const took = performance.now() - start
      assert.ok(took > 2_900, `voicemail answered after ${took} ms; the call was to wait 3 s`)
    })

    it('the caller hangs up during the wait: 487 at once, and a phone that comes later does not ring (RFC 3261 9.2)', async () => {
      const { alice, user, phone } = cast()
      const start = performance.now()
      await alice.calls(user, [step.invite(), step.receives(100), step.pauses(300), ...GIVES_UP])
      assert.ok(performance.now() - start < 2_500, 'the 487 waited for the deadline')
      const late = await phone.plays([...RINGS], { deadlineMs: 1_000 })
      await phone.registers()
      const { messages } = await late.ends()
      assert.equal(messages, '', 'a phone rang for a call that is over')
    })

    /** A caller, a user nobody else calls, and the user's devices. */
    function cast() {
      users += 1
      const user = `bob${users}`
      const device = (name: string) => new Device(stage, name, user)
      return { user, alice: new Device(stage, 'alice', 'alice'), desk: device('desk'), phone: device('phone') }
    }
  })
}
