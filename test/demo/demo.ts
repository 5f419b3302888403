import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { DemoPhone } from './phone.ts'

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
const tell = (text: string) => console.log(`\n${text}\n`)
const arrow = (from: string, to: string, label: string) => {
  console.log(`${String(Date.now() - started).padStart(6)} ms  ${from.padEnd(8)} -> ${to.padEnd(8)} ${label}`)
}

const sipPort = await freeUdpPort()
const gatewayAddress = `${DOMAIN}:${sipPort}`
const phones: DemoPhone[] = []
const pushServer = await servePushes()
const gateway = await startGateway((pushServer.address() as AddressInfo).port)
try {
  await play()
} finally {
  for (const phone of phones) phone.close()
  gateway.kill('SIGTERM')
  pushServer.close()
}

async function play(): Promise<void> {
  const alice = phone('alice', 'alice', '127.0.0.11')
  const tablet = phone('tablet', 'bob', '127.0.0.12')
  const sleeper = phone('phone', 'bob', '127.0.0.13', 'pn-provider=demo;pn-prid=the-token-of-bobs-phone;pn-param=app')

  tell("Everybody registers; then bob's phone falls asleep.")
  for (const each of [alice, tablet, sleeper]) await each.register()
  sleeper.sleep()

  tell('alice calls bob: the tablet rings, the phone gets a push.')
  pushed = () => {
    setTimeout(() => {
      tell('The push has woken the phone: it registers, and the ringing call comes to it.')
      void sleeper.wake()
    }, WAKE_MS)
  }
  sleeper.onRing = () => {
    setTimeout(() => {
      tell('bob answers on the phone: the tablet stops.')
      sleeper.answer()
    }, RING_MS)
  }
  const final = await alice.call('bob')
  if (final !== 200) throw new Error(`the call was answered with ${final} instead of 200`)
  await new Promise((resolve) => setTimeout(resolve, TALK_MS))

  tell('alice hangs up.')
  await alice.hangUp()
  tell('That was functions/examples/push-wake-up.ts: four lines of routing, and no function ran while the call waited.')
}

function phone(name: string, user: string, address: string, contactParams?: string): DemoPhone {
  const made = new DemoPhone({
    name,
    user,
    address,
    port: 5060,
    gateway: gatewayAddress,
    domain: DOMAIN,
    instance: `urn:uuid:00000000-0000-0000-0000-${name.padStart(12, '0').replace(/[^0-9a-f]/g, '0')}`,
    onArrow: arrow,
    ...(contactParams ? { contactParams } : {}),
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
