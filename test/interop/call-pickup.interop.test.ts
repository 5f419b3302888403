import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { ANSWERS, IS_CANCELLED, PROGRESS, RINGS, TALKS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

for (const transport of ['udp', 'tcp'] as const) {
  for (const functions of ['functions/examples/call-pickup.ts', 'functions/examples/app.ts']) {
    describe(`call pick-up by ${functions} over ${transport.toUpperCase()}`, { skip: absent('sipp') }, () => {
      const started = new Started()
      let gateway: Gateway
      let stage: Stage

      before(async () => {
        gateway = await started.keep(Gateway.start({ functions }))
        stage = { transport, router: gateway.router, domain: 'example.com' }
      })
      afterEach(() => gateway.isIdle())
      after(() => started.stop())

      it("carol dials *8bob: bob's ringing call moves to her phone, and bob's stops", async () => {
        const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => new Device(stage, name, name)) as [
          Device,
          Device,
          Device,
        ]
        await bob.registers()
        await carol.registers()
        const ringing = await bob.plays([...RINGS, ...IS_CANCELLED])
        const caller = await alice.plays([step.invite(), PROGRESS, ...TALKS], { service: 'bob' })
        await caller.has(/SIP\/2.0 180/)
        const picking = await carol.plays([...RINGS, ...ANSWERS])
        const dials = [step.invite([], 5060), step.mayReceive(100), step.receives(480), step.ackFailure()]
        await carol.calls('*8bob', dials, { port: 5080 })
        await Promise.all([caller.succeeds(), ringing.succeeds(), picking.succeeds()])
      })

      it('nothing rings at bob: whoever dials *8bob hears 480 and gets no call', async () => {
        const carol = new Device(stage, 'carol', 'carol')
        await carol.calls('*8bob', [step.invite(), step.mayReceive(100), step.receives(480), step.ackFailure()])
      })
    })
  }
}
