import { SipRouter } from 'rouse'
import { createMemoryStore } from '../../functions/store/memory.ts'
import { startGateway } from '../../gateway/gateway.ts'
import { Hep } from '../../gateway/hep/hep.ts'
import { createInProcessHost } from '../../gateway/invocation/in-process.ts'
import { createInvoker } from '../../gateway/invocation/invoker.ts'
import { createManifest } from '../../gateway/invocation/invoker-manifest.ts'
import { Counters } from '../../gateway/observe/counters.ts'
import { silentLog } from '../../gateway/observe/log.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'
import { locateNow } from '../../gateway/transport/locate.ts'
import type { Network, UdpEvents } from '../../gateway/transport/types.ts'

/**
 * What the gateway's own code costs for one relayed call (7 messages in, 8 out), without sockets: a network of function calls. The
 * difference to `npm run bench -- --only relay` is what the operating system's sockets and wake-ups cost.
 *
 * `node test/bench/call.ts [calls] [--hep]`; `--hep`: every message, event and invocation is also made into a HEP packet, which goes nowhere
 */

const [calls = 20_000] = process.argv.slice(2).filter((argument) => argument !== '--hep')
const CALLS = Number(calls)
const WITH_HEP = process.argv.includes('--hep')
/** Calls measured at a time: other programs disturb some rounds, not the best ones. */
const ROUND = 1000
const BATCH = 50
const GATEWAY = '127.0.0.1:5060'
const UAS = '127.0.0.1:5080'
const SDP = `v=0\r\no=- 20518 0 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\nm=audio 54400 RTP/SAVP 0 8 101\r\n${'a=ice-ufrag:F7gI0123456789012345678901234567890123456789\r\n'.repeat(8)}`

let deliver: UdpEvents['receive'] = () => {}
let sent: string[] = []
let played = 0
const network: Network = {
  udp: async (local, events) => {
    deliver = events.receive.bind(events)
    return {
      local,
      send: (message) => void sent.push(String(message)),
      close: () => {},
    }
  },
  listen: async () => {
    throw new Error('no streams here')
  },
  connect: () => {
    throw new Error('no streams here')
  },
}

const sip = new SipRouter()
sip.invite('/:domain/:user', (call) => call.fork(`sip:uas@${UAS}`))
const counters = new Counters()
const common = { clock: systemClock, count: counters.count, log: silentLog }
const primary = createInProcessHost(sip, systemClock)
const manifest = createManifest({ host: primary, ...common })
await manifest.start()
const ids = createRandomIds()
const hep = WITH_HEP ? openHep() : undefined
const gateway = await startGateway({
  random: Math.random,
  options: {
    id: 'bench',
    domains: ['example.com'],
    timerSlackMs: 4,
    listeners: [
      { transport: 'udp', address: '127.0.0.1', port: 5060, advertisedHost: '127.0.0.1', advertisedPort: 5060 },
    ],
  },
  ...common,
  ids,
  network,
  store: createMemoryStore({ clock: systemClock, ids }),
  locator: { locateNow, locate: async () => [] },
  invoker: createInvoker({ primary, ...common }),
  manifest,
  push: { send: async () => ({ outcome: 'accepted' }) },
  counters,
  taps: hep ? [hep] : [],
  watchers: hep ? [hep] : [],
})

await play(4000)
const rounds: number[] = []
for (let round = 0; round < CALLS / ROUND; round++) {
  const start = process.cpuUsage()
  await play(ROUND)
  const { user, system } = process.cpuUsage(start)
  rounds.push((user + system) / ROUND)
}
rounds.sort((a, b) => a - b)
const heap = (process.memoryUsage().heapUsed / 2 ** 20).toFixed(0)
console.log(
  `µs CPU per call: best ${rounds[0]!.toFixed(0)}, median ${rounds[rounds.length >> 1]!.toFixed(0)} of ${rounds.length} × ${ROUND} calls; ${heap} MiB heap`,
)
manifest.stop()
await gateway.stop()
process.exit(0)

function openHep(): Hep {
  const opened = new Hep({
    ...common,
    random: Math.random,
    counters,
    settings: {
      url: { transport: 'udp', host: '127.0.0.1', port: 9060 },
      ...{ agentId: 2001, authKey: undefined, node: 'bench', maxBytes: 8192 },
    },
    own: { address: '127.0.0.1', port: 5060 },
    functions: { address: '127.0.0.1', port: 8080 },
    open: (events) => {
      queueMicrotask(() => events.opened())
      return { queued: 0, write: () => {}, end: () => events.closed('ended'), destroy: () => {} }
    },
  })
  opened.start()
  return opened
}

async function play(calls: number): Promise<void> {
  for (let done = 0; done < calls; done += BATCH) {
    const invites = Array.from({ length: BATCH }, (_, index) => `call-${played + index}`)
    played += BATCH
    for (const id of invites) receive(request('INVITE', id, `INVITE sip:bob@example.com`, 1, '', SDP), 5070)
    await new Promise((resolve) => setImmediate(resolve))
    const forwarded = take((text) => text.startsWith('INVITE'))
    for (const invite of forwarded) {
      receive(response(invite, 180, 'Ringing', ''), 5080)
      receive(response(invite, 200, 'OK', SDP), 5080)
    }
    sent = []
    for (const id of invites) {
      receive(request('ACK', id, `ACK sip:uas@${UAS}`, 1, ';tag=uas', ''), 5070)
      receive(request('BYE', id, `BYE sip:uas@${UAS}`, 2, ';tag=uas', ''), 5070)
    }
    const byes = take((text) => text.startsWith('BYE'))
    for (const bye of byes) receive(response(bye, 200, 'OK', ''), 5080)
    if (forwarded.length !== BATCH || byes.length !== BATCH || sent.length !== BATCH)
      throw new Error(`lost: ${forwarded.length} ${byes.length} ${sent.length}`)
    sent = []
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function take(which: (text: string) => boolean): string[] {
  const taken = sent.filter(which)
  sent = []
  return taken
}

function receive(text: string, port: number): void {
  deliver(Buffer.from(text, 'latin1'), '127.0.0.1', port)
}

function request(method: string, id: string, start: string, cseq: number, toTag: string, body: string): string {
  const route = toTag === '' ? '' : `Route: <sip:${GATEWAY};lr>\r\n`
  return `${start} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-${method}-${id};rport\r\nMax-Forwards: 70\r\n${route}From: "Alice" <sip:alice@example.com>;tag=a${id}\r\nTo: <sip:bob@example.com>${toTag}\r\nCall-ID: ${id}@127.0.0.1\r\nCSeq: ${cseq} ${method}\r\nContact: <sip:alice@127.0.0.1:5070>\r\nUser-Agent: bench\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: replaces\r\n${body === '' ? '' : 'Content-Type: application/sdp\r\n'}Content-Length: ${body.length}\r\n\r\n${body}`
}

/** The response of a simple callee: Vias, Record-Route, From, To, Call-ID and CSeq as they came. */
function response(to: string, status: number, reason: string, body: string): string {
  const head = to.slice(0, to.indexOf('\r\n\r\n')).split('\r\n')
  const copied = head.filter((line) => /^(Via|Record-Route|From|Call-ID|CSeq):/.test(line))
  const toLine = head.find((line) => line.startsWith('To:'))!
  return `SIP/2.0 ${status} ${reason}\r\n${copied.join('\r\n')}\r\n${toLine.includes(';tag=') ? toLine : `${toLine};tag=uas`}\r\nContact: <sip:uas@${UAS}>\r\n${body === '' ? '' : 'Content-Type: application/sdp\r\n'}Content-Length: ${body.length}\r\n\r\n${body}`
}
