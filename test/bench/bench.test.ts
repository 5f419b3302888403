import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Generator } from './generator/generator.ts'
import { Samples } from './generator/samples.ts'
import { answer } from './generator/templates.ts'
import { CALL_ID, headerOf } from './generator/wire.ts'
import { readOptions } from './options.ts'
import { cpuOf, memoryOf, processTree } from './process-cpu.ts'
import { type Row, tableOf } from './report.ts'
import { DOMAIN, gatewayMissing, startGateway } from './routers/gateway.ts'
import { kamailioMissing, startKamailio } from './routers/kamailio.ts'
import type { Router } from './routers/router.ts'

/** The harness itself: that it counts what happened, and not what one hopes for. A second of load each, on loopback. */

const RELAY_APP = fileURLToPath(new URL('apps/relay.ts', import.meta.url))
const LOAD = { job: 'calls', rate: 200, count: 100, drainMs: 1500 } as const

test('calls that are answered, dropped and refused are told apart, and repeated answers are counted', async () => {
  const router = await scriptedRouter((nth) => {
    if (nth % 10 === 0) return []
    if (nth % 10 === 1) return [486]
    return nth % 10 === 2 ? [180, 200, 200] : [180, 200]
  })
  const { result } = await offered({ sip: router.sip }, 'bob')
  router.close()
  assert.equal(result.offered, 100)
  assert.equal(result.completed, 80)
  assert.deepEqual(result.failures, { 486: 10, unfinished: 10 })
  assert.equal(result.failed, 20)
  assert.equal(result.repeated, 10)
  assert.ok(result.retransmitted >= 10, `every dropped INVITE is sent again: ${result.retransmitted}`)
  assert.equal(result.answered.count, 80)
})

test(
  'Kamailio: every call is completed, its CPU is seen, and a callee who is not registered is a failure',
  skip('kamailio'),
  async () => {
    await throughRouter(await startKamailio('plain', 28_070), '404')
  },
)

test(
  'the gateway: every call is completed, its CPU is seen, and a callee who is not registered is a failure',
  skip('gateway'),
  async () => {
    const options = { functions: RELAY_APP, sipPort: 28_060, httpPort: 28_080, profile: undefined }
    await throughRouter(await startGateway(options), '480')
  },
)

test('CPU and memory of a process include what it started', async () => {
  const busy = `const until = Date.now() + 300; while (Date.now() < until);`
  const parent = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(`${busy} console.log('done'); setInterval(() => {}, 1000)`)}], { stdio: 'inherit' })`
  const child = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const [first, second, ...more] = processTree(child.pid!)
  const cpu = { tree: cpuOf(first!), child: cpuOf(second!) }
  const memory = { tree: memoryOf(first!), child: memoryOf(second!) }
  process.kill(second!)
  child.kill()
  assert.deepEqual(more, [])
  assert.ok(cpu.tree > cpu.child && cpu.child > 50_000, JSON.stringify(cpu))
  assert.ok(memory.tree > memory.child && memory.child > 1 << 20, JSON.stringify(memory))
})

test('percentiles are values that were measured (nearest rank)', () => {
  const samples = new Samples()
  for (let ms = 100; ms >= 1; ms--) samples.add(ms)
  assert.deepEqual(samples.spread(), { count: 100, p50: 50, p99: 99, max: 100 })
  assert.deepEqual(new Samples().spread(), { count: 0, p50: 0, p99: 0, max: 0 })
})

test('the table compares a row with the baseline of the same job and load', () => {
  const row = { job: 'relay', load: '500/s', offered: 10, failed: 0, failures: {}, surplus: 0 }
  const rows: Row[] = [
    { ...row, router: 'kamailio', baseline: true, cpuUs: 200 },
    { ...row, router: 'rouse', baseline: false, cpuUs: 250, failed: 1, failures: { 503: 1 } },
    { ...row, load: '900/s', router: 'rouse', baseline: false, cpuUs: 100 },
  ]
  const table = tableOf(rows)
  assert.match(table, /rouse\s+\| 250 \(1\.25×\)/)
  assert.match(table, /1 of 10 \(1 × 503\)/)
  assert.match(table, /900\/s\s+\| rouse\s+\| 100 /)
})

test('a wrong option is refused with what was expected', () => {
  assert.throws(() => readOptions(['--only', 'rely']), /--only: expected some of generator, relay.*got "rely"/)
  assert.throws(() => readOptions(['--rates', '500,fast']), /--rates: expected a number up to 1,000,000, got "fast"/)
  assert.deepEqual(readOptions(['--rates', '500,max']).rates, [500, 'max'])
})

function skip(router: 'kamailio' | 'gateway') {
  const missing = router === 'kamailio' ? kamailioMissing('plain') : gatewayMissing()
  return missing === undefined ? {} : { skip: missing }
}

async function throughRouter(router: Router, notRegistered: string): Promise<void> {
  try {
    const registered = await offered(router, 'bob')
    assert.deepEqual(registered.result.failures, {})
    assert.equal(registered.result.completed, 100)
    assert.ok(registered.cpuUs > 1000, `${registered.cpuUs} µs of CPU for 100 calls`)
    const unknown = await offered(router, 'nobody')
    assert.deepEqual(unknown.result.failures, { [notRegistered]: 100 })
    assert.equal(unknown.result.completed, 0)
  } finally {
    await router.stop()
  }
}

/** Registers bob and calls that user. */
async function offered(router: Pick<Router, 'sip'> & Partial<Router>, user: string) {
  const generator = await Generator.start({ router: router.sip, domain: DOMAIN, calleePort: 0 })
  try {
    if (router.cpuUs !== undefined) {
      await generator.run({ job: 'register', rate: 100, count: 1, user: 'bob', users: 1 })
    }
    const before = router.cpuUs?.() ?? 0
    const result = await generator.run({ ...LOAD, user })
    return { result, cpuUs: (router.cpuUs?.() ?? 0) - before }
  } finally {
    await generator.stop()
  }
}

/** Stands in for a router and its callees: answers the nth call as told, and every BYE. */
async function scriptedRouter(statusesOf: (nth: number) => (180 | 200 | 486)[]) {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const calls = new Map<string, (180 | 200 | 486)[]>()
  socket.on('message', (octets, from) => {
    const text = octets.toString('latin1')
    const callId = headerOf(text, CALL_ID)
    if (text.startsWith('BYE ')) respond(socket, from, text, [200])
    if (!text.startsWith('INVITE ')) return
    const statuses = calls.get(callId) ?? statusesOf(calls.size)
    calls.set(callId, statuses)
    respond(socket, from, text, statuses)
  })
  return { sip: { host: '127.0.0.1', port }, close: () => socket.close() }
}

function respond(socket: Socket, { address, port }: RemoteInfo, request: string, statuses: (180 | 200 | 486)[]): void {
  for (const status of statuses) socket.send(answer(request, status, `${address}:${port}`), port, address)
}
