/**
 * What the transaction layer costs by itself: `node test/bench/transaction.ts`.
 * The transport swallows everything and the clock is virtual, so the figures (CPU) are those of matching, tables and timers.
 * Messages are read beforehand; what reading costs is in the bench of the message layer.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { readMessage, type SipMessage } from '../../gateway/sip/message.ts'
import { createTransactionLayer } from '../../gateway/transaction/layer.ts'
import { createTimerQueue } from '../../gateway/transaction/timer-queue.ts'
import type { ClientTransaction, ServerTransaction } from '../../gateway/transaction/types.ts'
import type { Flow, Listener, TransportLayer } from '../../gateway/transport/types.ts'
import { CountingIds, FakeClock } from '../support/fake-clock.ts'

const PAIRS = 10_000
const ROUNDS = 12

const listener: Listener = {
  transport: 'udp',
  address: '198.51.100.1',
  port: 5060,
  advertisedHost: '198.51.100.1',
  advertisedPort: 5060,
}
const alice: Flow = { transport: 'udp', remoteAddress: '192.0.2.1', remotePort: 5060, listener, connection: 0 }
const bob: Flow = { ...alice, remoteAddress: '192.0.2.2' }
const nowhere: TransportLayer = {
  listeners: [listener],
  async start() {},
  send() {},
  isAlive: () => true,
  listenerFor: () => listener,
  async stop() {},
}

const clock = new FakeClock()
const timers = createTimerQueue(clock)
let server: ServerTransaction | undefined
const layer = createTransactionLayer({
  transport: nowhere,
  timers,
  times: { t1: 500, t2: 4000, t4: 5000 },
  ids: new CountingIds(),
  server: {
    onRequest: (_request, transaction) => {
      server = transaction
    },
    onAck() {},
    onCancel() {},
    onServerEnd() {},
  },
})
const client = { onResponse() {}, onTimeout() {}, onTransportFailure() {} }

/** One request through the gateway and its responses, all read beforehand. */
interface Job {
  request: SipMessage
  requestText: string
  branch: string
  responses: SipMessage[]
  texts: string[]
  ack: SipMessage | undefined
}

interface Kind {
  name: string
  method: string
  statuses: number[]
  /** The caller acknowledges the final response. */
  isAcknowledged: boolean
}

const kinds: Kind[] = [
  { name: 'INVITE pair: 100, 180, 200', method: 'INVITE', statuses: [100, 180, 200], isAcknowledged: false },
  {
    name: 'INVITE pair: 100, 180, 486 and both ACKs',
    method: 'INVITE',
    statuses: [100, 180, 486],
    isAcknowledged: true,
  },
  { name: 'non-INVITE pair: 200', method: 'MESSAGE', statuses: [200], isAcknowledged: false },
]

for (const kind of kinds) report(kind)
reportMatching()
reportMemory('INVITE')
reportMemory('MESSAGE')

function report(kind: Kind): void {
  const rounds: { workUs: number; endUs: number }[] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(runRound(kind, round))
  const work = median(rounds.map(({ workUs }) => workUs))
  const end = median(rounds.map(({ endUs }) => endUs))
  console.log(`${kind.name}: ${(work + end).toFixed(2)} µs (${end.toFixed(2)} of them when its timers fire)`)
}

function runRound(kind: Kind, round: number): { workUs: number; endUs: number } {
  const jobs = Array.from({ length: PAIRS }, (_, index) => prepare(kind, `${round}x${index}`))
  const start = cpuMs()
  for (const job of jobs) play(job)
  const middle = cpuMs()
  clock.advanceSync(40_000)
  const end = cpuMs()
  const { server: servers, client: clients, timers: running } = layer.counts
  if (servers + clients + running > 0) throw new Error('something was left alive')
  return { workUs: ((middle - start) * 1000) / PAIRS, endUs: ((end - middle) * 1000) / PAIRS }
}

function play(job: Job): void {
  layer.receiveRequest(job.request, alice)
  const upstream = server!
  begin(job)
  for (let index = 0; index < job.responses.length; index++) {
    const response = job.responses[index]!
    layer.receiveResponse(response, bob)
    upstream.respond(job.texts[index]!, response.status)
  }
  if (job.ack) layer.receiveRequest(job.ack, alice)
}

function begin({ requestText: text, branch, request: { method } }: Job): ClientTransaction {
  return layer.request({ text, method, branch, destination: bob, context: undefined }, client)
}

/** What a request that is repeated costs: one key, one look-up, one row. */
function reportMatching(): void {
  const jobs = Array.from({ length: PAIRS }, (_, index) => prepare(kinds[2]!, `match${index}`))
  for (const { request } of jobs) layer.receiveRequest(request, alice)
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuMs()
    for (const { request } of jobs) layer.receiveRequest(request, alice)
    rounds.push(((cpuMs() - start) * 1000) / PAIRS)
  }
  clock.advanceSync(40_000)
  console.log(`a repeated request finds its transaction among ${PAIRS}: ${median(rounds).toFixed(2)} µs`)
}

function reportMemory(method: string): void {
  const kind: Kind = { name: '', method, statuses: [180], isAcknowledged: false }
  const jobs = Array.from({ length: PAIRS }, (_, index) => prepare(kind, `${method}${index}`))
  const before = heapUsed()
  for (const { request } of jobs) layer.receiveRequest(request, alice)
  const between = heapUsed()
  for (const job of jobs) begin(job)
  const after = heapUsed()
  const perServer = Math.round((between - before) / PAIRS)
  const perClient = Math.round((after - between) / PAIRS)
  console.log(`one live ${method}: server ${perServer}, client ${perClient} bytes beside the messages`)
  for (const { responses } of jobs) layer.receiveResponse(responses[0]!, bob)
  clock.advanceSync(40_000)
}

function prepare({ method, statuses, isAcknowledged }: Kind, id: string): Job {
  const branch = `z9hG4bK-out-${method}-${id}`
  const top = `Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-in-${method}-${id}\r\n`
  const own = `Via: SIP/2.0/UDP 198.51.100.1:5060;branch=${branch}\r\n`
  const rest = `From: <sip:alice@example.com>;tag=a${id}\r\nTo: <sip:bob@example.com>\r\nCall-ID: ${id}\r\n`
  const end = 'Content-Length: 0\r\n\r\n'
  const requestLine = `${method} sip:bob@example.com SIP/2.0\r\n`
  const cseq = `CSeq: 1 ${method}\r\n`
  const texts = statuses.map((status) => `SIP/2.0 ${status} OK\r\n${top}${rest}${cseq}${end}`)
  return {
    request: read(`${requestLine}${top}${rest}${cseq}${end}`),
    requestText: `${requestLine}${own}${top}${rest}${cseq}${end}`,
    branch,
    texts,
    responses: statuses.map((status) => read(`SIP/2.0 ${status} OK\r\n${own}${top}${rest}${cseq}${end}`)),
    ack: isAcknowledged ? read(`ACK sip:bob@example.com SIP/2.0\r\n${top}${rest}CSeq: 1 ACK\r\n${end}`) : undefined,
  }
}

/** Read, and its top Via looked at: checks did so before the layer gets the message. */
function read(text: string): SipMessage {
  const result = readMessage(text)
  if (!result.ok || result.message.via === undefined) throw new Error(`unreadable: ${text}`)
  return result.message
}

/** CPU time of this process, garbage collection included: other programs on the machine count less than on a wall clock. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round++) collect()
  return process.memoryUsage().heapUsed
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1]!
}
