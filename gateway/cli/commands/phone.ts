import { randomUUID } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { arrowLine, messageLabel } from '../../observe/ladder.ts'
import type { SipMessage } from '../../sip/message.ts'
import { createRandomIds, systemClock } from '../../system.ts'
import { createNodeNetwork } from '../../transport/node-network.ts'
import type { Address } from '../../transport/types.ts'
import { type Arguments, type Command, Refusal } from '../command.ts'
import { Performance } from '../phone/performance.ts'
import { PHONE_OPTIONS, type PhonePlan, readPlan } from '../phone/plan.ts'
import { listenForPushes, PHONE_PROVIDER } from '../phone/wake-up.ts'
import { untilStopped } from './until-stopped.ts'

export const phone: Command = {
  name: 'phone',
  usage: 'phone <user> [options]',
  summary: 'plays a phone: registers, sleeps, rings, answers, calls; signalling only, no sound',
  options: PHONE_OPTIONS,
  positionals: { least: 1, most: 1 },
  details: [
    'rouse phone bob --register --asleep --answer after 2s',
    'rouse phone alice --call bob --hangup after 5s',
    '',
    'Exit status: 0 when the call was answered (a phone that takes calls: when it was ended by Ctrl-C), 1 when it was not,',
    '2 when the options are wrong, 3 when the router refuses the registration or does not answer it.',
  ].join('\n'),
  run,
}

async function run(args: Arguments): Promise<number> {
  const plan = readPlan(args)
  const server = await serverAddress(plan)
  const address = await ownAddress(server)
  const ids = createRandomIds()
  const started = systemClock.now()
  const margin = () => `${String(systemClock.now() - started).padStart(6)} ms`
  const draw = (direction: 'sent' | 'received', message: SipMessage) => {
    const [from, to] = direction === 'sent' ? [plan.user, 'router'] : ['router', plan.user]
    process.stdout.write(`${arrowLine(margin(), { at: systemClock.now(), from, to, label: messageLabel(message) })}\n`)
  }
  const wakeUps = plan.sleeps ? await listenForPushes(ids.next('token'), () => performance.wakeUp()) : undefined
  const performance: Performance = new Performance({
    plan,
    clock: systemClock,
    tell: (sentence) => void process.stdout.write(`${margin()}  ${plan.user}: ${sentence}\n`),
    phone: {
      address,
      server,
      transport: plan.transport,
      credentials: plan.password === undefined ? undefined : { user: plan.user, password: plan.password },
      instance: `urn:uuid:${randomUUID()}`,
      push: wakeUps && { provider: PHONE_PROVIDER, prid: wakeUps.prid },
      network: createNodeNetwork(),
      ids,
      onMessage: draw,
    },
  })
  const status = await performance.play(untilStopped())
  wakeUps?.close()
  return status
}

async function serverAddress({ server: { host, port } }: PhonePlan): Promise<Address> {
  try {
    return { address: (await lookup(host)).address, port }
  } catch {
    throw new Refusal(`--server: ${host} cannot be found; name the router by an address or a name that DNS knows`)
  }
}

/** The address of this machine from which the router is reached: connecting a UDP socket sends nothing. */
async function ownAddress({ address, port }: Address): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.connect(port, address)
    await once(socket, 'connect')
    return socket.address().address
  } catch {
    throw new Refusal(`--server: there is no way from this machine to ${address}`)
  } finally {
    socket.close()
  }
}
