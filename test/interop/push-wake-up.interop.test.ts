import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { PushServer } from './push-server.ts'
import { ANSWERED_ELSEWHERE, ANSWERS, GIVES_UP, IS_CANCELLED, PROGRESS, RINGS, TALKS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

for (const transport of ['udp', 'tcp'] as const) {
  describe(`push wake-up over ${transport.toUpperCase()}`, { skip: absent('sipp') }, () => {
    const started = new Started()
    let gateway: Gateway
    let pushes: PushServer
    let stage: Stage
    let users = 0

    before(async () => {
      pushes = await started.keep(PushServer.start(host(9)))
      const env = { PUSH_WEBHOOK_URL: pushes.url }
      gateway = await started.keep(Gateway.start({ functions: 'test/interop/apps/short-push-wake-up.ts', env }))
      stage = { transport, router: gateway.router, domain: 'example.com' }
    })
    afterEach(() => gateway.isIdle())
    after(() => started.stop())

    it('the tablet rings at once, the phone registers when pushed and answers, the tablet is cancelled (RFC 8599)', async () => {
      const { alice, user, device } = cast()
      const tablet = device('tablet')
      const phone = device('phone')
      await tablet.registers()
      await phone.registers({ push: 'token-1', port: 5062 })
      const ringing = await tablet.plays([...RINGS, ...ANSWERED_ELSEWHERE])
      const calling = alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      const { prid, provider } = await pushes.next(user)
      assert.deepEqual({ prid, provider }, { prid: 'token-1', provider: 'webhook' })
      const woken = await phone.plays([...RINGS, ...ANSWERS])
      await phone.registers({ push: 'token-1' })
      await Promise.all([calling, ringing.succeeds(), woken.succeeds()])
      assert.doesNotMatch(gateway.program.output, /token-1/)
    })

    it('nobody is registered at all: the phone that registers during the call gets it', async () => {
      const { alice, user, device } = cast()
      const phone = device('phone')
      const caller = await alice.plays([step.invite(), step.receives(100), PROGRESS, ...TALKS], { service: user })
      await caller.has(/SIP\/2.0 100/)
      const woken = await phone.plays([...RINGS, ...ANSWERS])
      await phone.registers()
      await Promise.all([caller.succeeds(), woken.succeeds()])
    })

    it('the phone never comes: the caller hears 480 at the deadline', async () => {
      const { alice, user, device } = cast()
      await device('phone').registers({ push: 'token-2' })
      const start = performance.now()
      await alice.calls(user, [step.invite(), PROGRESS, step.receives(480), step.ackFailure()])
      const waited = performance.now() - start
      assert.ok(waited > 4_900 && waited < 8_000, `heard 480 after ${waited} ms; the example waits 5 s`)
      await pushes.next(user)
    })

    it('the caller hangs up first: 487 at once, the tablet is cancelled (RFC 3261 9.2)', async () => {
      const { alice, user, device } = cast()
      const tablet = device('tablet')
      await tablet.registers()
      const ringing = await tablet.plays([...RINGS, ...IS_CANCELLED])
      await alice.calls(user, [step.invite(), step.mayReceive(100, 182), step.receives(180), ...GIVES_UP])
      await ringing.succeeds()
    })

    it('the caller hangs up while nothing rings: 487 at once (RFC 3261 9.2)', async () => {
      const { alice, user } = cast()
      const start = performance.now()
      await alice.calls(user, [step.invite(), step.receives(100), step.pauses(300), ...GIVES_UP])
      assert.ok(performance.now() - start < 4_000, 'the 487 waited for the deadline')
    })

    it('two phones wake: both ring, one answers, the other is cancelled', async () => {
      const { alice, user, device } = cast()
      const [first, second] = [device('first phone'), device('second phone')]
      await first.registers({ push: 'token-3', port: 5062 })
      await second.registers({ push: 'token-4', port: 5062 })
      const calling = alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      const tokens = [(await pushes.next(user)).prid, (await pushes.next(user)).prid]
      assert.deepEqual(tokens.sort(), ['token-3', 'token-4'])
      const loses = await first.plays([...RINGS, ...ANSWERED_ELSEWHERE])
      await first.registers({ push: 'token-3' })
      await loses.has(/SIP\/2.0 180/)
      const answers = await second.plays([...RINGS, ...ANSWERS])
      await second.registers({ push: 'token-4' })
      await Promise.all([calling, loses.succeeds(), answers.succeeds()])
    })

    it('the old contact fails after 100 ms: the call goes on waiting for the phone', async () => {
      const { alice, user, device } = cast()
      const phone = device('phone')
      await phone.registers({ push: 'token-5', port: 5062 })
      const gone = [step.receives('INVITE'), step.pauses(100), step.replies(404, 'Not Found'), step.receives('ACK')]
      const dead = await phone.plays(gone, { port: 5062 })
      const calling = alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      await pushes.next(user)
      await dead.succeeds()
      const woken = await phone.plays([...RINGS, ...ANSWERS])
      await phone.registers({ push: 'token-5' })
      await Promise.all([calling, woken.succeeds()])
    })

    it('a phone that wakes at its old address gets one INVITE', async () => {
      const { alice, user, device } = cast()
      const phone = device('phone')
      await phone.registers({ push: 'token-6' })
      // Who registered a moment ago has a second to ring before it is pushed.
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      const calling = alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      await pushes.next(user)
      const woken = await phone.plays([...RINGS, step.pauses(700), ...ANSWERS])
      await phone.registers({ push: 'token-6' })
      const [, { messages }] = await Promise.all([calling, woken.succeeds()])
      assert.equal(messages.match(/^INVITE /gm)?.length, 1, messages)
    })

    it('a registration that only refreshes wakes as well as a new one', async () => {
      const { alice, user, device } = cast()
      const tablet = device('tablet')
      const phone = device('phone')
      await tablet.registers()
      await phone.registers({ push: 'token-7' })
      await phone.registers({ push: 'token-7' })
      const ringing = await tablet.plays([...RINGS, ...ANSWERED_ELSEWHERE])
      const calling = alice.calls(user, [step.invite(), PROGRESS, ...TALKS])
      await pushes.next(user)
      const woken = await phone.plays([...RINGS, ...ANSWERS])
      await phone.registers({ push: 'token-7' })
      await Promise.all([calling, ringing.succeeds(), woken.succeeds()])
    })

    it('a phone whose connection is gone is called at its own address', async () => {
      const { alice, user, device } = cast()
      const phone = device('phone')
      await phone.registers({ itself: true })
      const ringing = await phone.plays([...RINGS, ...ANSWERS])
      await Promise.all([alice.calls(user, [step.invite(), PROGRESS, ...TALKS]), ringing.succeeds()])
    })

    /** A caller, a user nobody else calls, and devices of that user. */
    function cast() {
      users += 1
      const user = `bob${users}`
      return {
        user,
        alice: new Device(stage, 'alice', 'alice'),
        device: (name: string) => new Device(stage, name, user),
      }
    }
  })
}
