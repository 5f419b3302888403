import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { PROGRESS, RINGS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

const CONNECTED = [...RINGS, step.replies(200, 'OK'), step.receives('ACK')]
const CALLS = [step.invite(), PROGRESS, step.answered(), step.ack()]
const IS_HUNG_UP = [step.receives('BYE'), step.accepts()]
const HANGS_UP = [step.bye(), step.receives(200)]

for (const transport of ['udp', 'tcp'] as const) {
  describe(`DTMF screening over ${transport.toUpperCase()}`, { skip: absent('sipp') }, () => {
    const started = new Started()
    let gateway: Gateway
    let stage: Stage
    let users = 0

    before(async () => {
      gateway = await started.keep(Gateway.start({ functions: 'functions/examples/dtmf-screening.ts' }))
      stage = { transport, router: gateway.router, domain: 'example.com' }
    })
    afterEach(() => gateway.isIdle())
    after(() => started.stop())

    it('the callee presses 1 by SIP INFO: both ends get a BYE (RFC 3261 15)', async () => {
      const pressed = [step.calleeDigit('1'), step.mayReceive(200), ...IS_HUNG_UP]
      await meet([...CALLS, ...IS_HUNG_UP], [...CONNECTED, ...pressed])
    })

    it('the caller presses 1 by SIP INFO: both ends get a BYE (RFC 3261 15)', async () => {
      const pressed = [step.digit('1'), step.mayReceive(200), ...IS_HUNG_UP]
      await meet([...CALLS, ...pressed], [...CONNECTED, ...IS_HUNG_UP])
    })

    it('the callee presses 2: the call goes on until the caller hangs up', async () => {
      const pressed = [step.calleeDigit('2'), step.receives(200), ...IS_HUNG_UP]
      await meet([...CALLS, step.pauses(500), ...HANGS_UP], [...CONNECTED, ...pressed])
    })

    it('the caller presses 2: the call goes on until the caller hangs up', async () => {
      const pressed = [step.digit('2'), step.receives(200), step.pauses(500), ...HANGS_UP]
      await meet([...CALLS, ...pressed], [...CONNECTED, ...IS_HUNG_UP])
    })

    it('a digit as application/dtmf counts as well', async () => {
      const pressed = [step.calleeDigit('9', 'application/dtmf'), step.mayReceive(200), ...IS_HUNG_UP]
      await meet([...CALLS, ...IS_HUNG_UP], [...CONNECTED, ...pressed])
    })

    async function meet(callerSteps: step.Step[], calleeSteps: step.Step[]): Promise<void> {
      users += 1
      const user = `fax${users}`
      const phone = new Device(stage, 'callee', user)
      await phone.registers()
      const callee = await phone.plays(calleeSteps, { answersByItself: true })
      const caller = await new Device(stage, 'caller', 'alice').plays(callerSteps, {
        service: user,
        answersByItself: true,
      })
      const results = await Promise.all([caller.succeeds(), callee.succeeds()])
      for (const { messages } of results) assert.match(messages, /^INFO sip:/m)
    }
  })
}
