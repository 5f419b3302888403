import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Phone } from '../../gateway/cli/phone/phone.ts'
import { arrowLine, messageLabel } from '../../gateway/observe/ladder.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'
import { createNodeNetwork } from '../../gateway/transport/node-network.ts'

/**
 * `npm run demo`: a sleeping phone is woken, on real sockets. A gateway of its own runs the push wake-up example; bob's tablet rings at
 * once, the push wakes his phone, the ringing call forks to it, it answers, the tablet stops.
 */

const GATEWAY = fileURLToPath(new URL('../../gateway/main.ts', import.meta.url))
const FUNCTIONS = fileURLToPath(new URL('../../functions/examples/push-wake-up.ts', import.meta.url))
const DOMAIN = '127.0.0.1'
/** How long the phone takes to wake, how long it rings, and how long they talk, in milliseconds. */
const WAKE_MS = 1500
const RING_MS = 1000
const TALK_MS = 500

let pushed: () => void = () => {}
const started = Date.now()
const ids = createRandomIds()
const tell = (text: string) => console.log(`\n${text}\n`)
const arrow = (from: string, to: string, label: string) => {
  const at = Date.now() - started
  console.log(arrowLine(`${String(at).padStart(6)} ms`, { at, from, to, label }))
}

const sipPort = await freeUdpPort()
const phones: Phone[] = []
const pushServer = await servePushes()
const gateway = await startGateway((pushServer.address() as AddressInfo).port)
try {
  await play()
} finally {
  for (const phone of phones) await phone.sleep()
  gateway.kill('SIGTERM')
  pushServer.close()
}
process.exit(0)

async function play(): Promise<void> {
  const alice = phone('alice', 'alice', '127.0.0.11')
  const tablet = phone('tablet', 'bob', '127.0.0.12')
  const sleeper = phone('phone', 'bob', '127.0.0.13', { provider: 'demo', prid: 'the-token-of-bobs-phone' }, () => {
    setTimeout(() => {
      tell('bob answers on the phone: the tablet stops.')
      sleeper.answer()
    }, RING_MS)
  })

  tell("Everybody registers; then bob's phone falls asleep.")
  for (const each of [alice, tablet, sleeper]) {
    await each.wake()
    await each.register(600)
  }
  await sleeper.sleep()

  tell('alice calls bob: the tablet rings, the phone gets a push.')
  pushed = () => {
    setTimeout(async () => {
      tell('The push has woken the phone: it registers, and the ringing call comes to it.')
      await sleeper.wake()
      await sleeper.register(600)
    }, WAKE_MS)
  }
  const final = await alice.call(`sip:bob@${DOMAIN}`, () => {})
  if (final?.status !== 200) throw new Error(`the call was answered with ${final?.status} instead of 200`)
  await new Promise((resolve) => setTimeout(resolve, TALK_MS))

  tell('alice hangs up.')
  await alice.hangUp()
  tell('That was functions/examples/push-wake-up.ts: four lines of routing, and no function ran while the call waited.')
}

/** Each phone has a loopback address of its own. */
function phone(
  name: string,
  user: string,
  address: string,
  push?: { provider: string; prid: string },
  onRing = () => {},
): Phone {
  const made = new Phone({
    user,
    domain: DOMAIN,
    address,
    transport: 'udp',
    server: { address: DOMAIN, port: sipPort },
    instance: `urn:uuid:00000000-0000-0000-0000-${Buffer.from(name).toString('hex').padStart(12, '0')}`,
    push,
    network: createNodeNetwork(),
    clock: systemClock,
    ids,
    onMessage: (direction, message) => {
      if (direction === 'sent') arrow(name, 'gateway', messageLabel(message))
      else arrow('gateway', name, messageLabel(message))
    },
    onRing,
    onEnded: () => {},
  })
  phones.push(made)
  return made
}

/** What a push gateway would be: the phone's operating system hears of it. */
async function servePushes(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      response.writeHead(200).end()
      arrow('gateway', 'push', 'wake bob’s phone')
      pushed()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

async function startGateway(pushPort: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [GATEWAY], {
    env: {
      ...process.env,
      SIP_LISTEN: `udp://${DOMAIN}:${sipPort}`,
      HTTP_LISTEN: '127.0.0.1:0',
      FUNCTIONS,
      PUSH_WEBHOOK_URL: `http://127.0.0.1:${pushPort}/`,
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const chunk of child.stdout!) {
    if (String(chunk).includes('ready')) return child
  }
  throw new Error('the gateway did not start')
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  await once(socket.bind(0, DOMAIN), 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}
