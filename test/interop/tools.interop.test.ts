import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Device, type Stage } from './cast.ts'
import { Gateway } from './gateway.ts'
import { listening, nextAddress, temporaryDirectory } from './network.ts'
import { Program } from './program.ts'
import { ANSWERS, PROGRESS, RINGS, TALKS } from './scenes.ts'
import * as step from './sipp-steps.ts'
import { Started } from './started.ts'

describe('tools that operators and attackers use', () => {
  const started = new Started()
  let gateway: Gateway
  let stage: Stage
  let calls = 0

  before(async () => {
    gateway = await started.keep(Gateway.start({ functions: 'functions/examples/dtmf-screening.ts' }))
    stage = { transport: 'udp', router: gateway.router, domain: gateway.address }
  })
  afterEach(async () => {
    await gateway.isIdle()
    if (!absent('sipp')) await aCallWorks()
  })
  after(() => started.stop())

  it('sipsak: an OPTIONS ping gets 200 (RFC 3261 11.2)', { skip: absent('sipsak') }, async () => {
    const { code, output } = await runs('sipsak', ['-vv', '-s', `sip:${gateway.address}`])
    assert.equal(code, 0, output)
    assert.match(output, /SIP\/2\.0 200/)
  })

  it('sipsak: a user it registers is listed', { skip: absent('sipsak') }, async () => {
    const contact = `sip:frank@${nextAddress()}`
    const { code, output } = await runs('sipsak', [
      '-U',
      '-C',
      contact,
      '-x',
      '60',
      '-s',
      `sip:frank@${gateway.address}`,
    ])
    assert.equal(code, 0, output)
    const { registrations } = (await gateway.get(`/registrations/sip:frank@${gateway.address}`)) as {
      registrations: { contact: string }[]
    }
    assert.deepEqual(
      registrations.map(({ contact }) => contact),
      [contact],
    )
  })

  for (const method of ['OPTIONS', 'REGISTER', 'INVITE']) {
    it(`sipvicious svmap with ${method} finds the router and does it no harm`, { skip: absent('svmap') }, async () => {
      const { output } = await runs('svmap', ['-m', method, '-b', nextAddress(), '-p', '5060', gateway.address])
      assert.match(output, new RegExp(gateway.address.replaceAll('.', '\\.')))
    })
  }

  for (const method of ['OPTIONS', 'REGISTER', 'INVITE']) {
    it(`sipvicious svwar with ${method} goes through 50 users and does it no harm`, {
      skip: absent('svmap'),
    }, async () => {
      const range = ['-e', '100-149', '--force', '--maximumtime', '3', '-t', '0.005']
      const { code, output } = await runs('svwar', ['-m', method, '-b', nextAddress(), ...range, gateway.address])
      assert.equal(code, 0, output)
    })
  }

  for (const transport of ['udp', 'tcp'] as const) {
    const title = `sipp's own caller and callee over ${transport.toUpperCase()}: ACK and BYE go to the AOR without a Route`
    it(title, { skip: absent('sipp') }, async () => {
      const callee = new Device({ ...stage, transport }, 'service', 'service')
      await callee.registers()
      const answering = builtIn(transport, 'uas', callee.address, ['-m', '5'])
      await listening(transport, callee.address, 5060)
      const calling = builtIn(transport, 'uac', nextAddress(), ['-s', 'service', '-m', '5', '-r', '10', '-d', '100'])
      await succeed(calling, answering)
    })
  }

  it('third party call control by sipp: an INVITE without SDP, the answer in the ACK (RFC 3725)', {
    skip: absent('sipp'),
  }, async () => {
    const [a, b] = ['a', 'b'].map((name) => new Device(stage, name, name)) as [Device, Device]
    await a.registers()
    await b.registers()
    const port = 20_000 + (process.pid % 10_000) // the controllers meet here, on every address
    const control = ['-m', '1', '-3pcc', `127.0.0.1:${port}`]
    const ends = [builtIn('udp', '3pcc-A', a.address, ['-m', '1']), builtIn('udp', '3pcc-B', b.address, ['-m', '1'])]
    await Promise.all([a, b].map(({ address }) => listening('udp', address, 5060)))
    const second = builtIn('udp', '3pcc-C-B', nextAddress(), ['-s', 'b', ...control])
    await listening('tcp', '0.0.0.0', port)
    const first = builtIn('udp', '3pcc-C-A', nextAddress(), ['-s', 'a', ...control])
    await succeed(first, second, ...ends)
  })

  /** Whatever a tool did before: the router still sets up calls. */
  async function aCallWorks(): Promise<void> {
    calls += 1
    const [alice, bob] = ['alice', `bob${calls}`].map((name) => new Device(stage, name, name)) as [Device, Device]
    await bob.registers()
    const ringing = await bob.plays([...RINGS, ...ANSWERS])
    await Promise.all([alice.calls(bob.user, [step.invite(), PROGRESS, ...TALKS]), ringing.succeeds()])
  }

  function builtIn(transport: 'udp' | 'tcp', scenario: string, address: string, args: string[]): Program {
    const socket = ['-t', transport === 'udp' ? 'u1' : 't1', '-i', address, '-p', '5060', '-bind_local']
    const limits = ['-nostdin', '-timeout', '10s', '-timeout_error']
    const all = [gateway.router, '-sn', scenario, ...socket, ...limits, ...args]
    return new Program(`sipp -sn ${scenario}`, 'sipp', all, { cwd: temporaryDirectory('sipp') })
  }
})

async function succeed(...programs: Program[]): Promise<void> {
  for (const program of programs) {
    const { code } = await program.exited
    assert.equal(code, 0, `${program.name} ended with ${code}:\n${program.output.slice(-4_000)}`)
  }
}

async function runs(command: string, args: string[]): Promise<{ code: number | null; output: string }> {
  const directory = temporaryDirectory(command)
  const program = new Program(command, command, args, { cwd: directory, env: { ...process.env, HOME: directory } })
  const { code } = await program.endsWithin(15_000)
  return { code, output: program.output }
}
