import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { createHttpHost } from '../../gateway/invocation/http.ts'
import { createInProcessHost, loadApp } from '../../gateway/invocation/in-process.ts'
import { createInvoker } from '../../gateway/invocation/invoker.ts'
import { silentLog } from '../../gateway/observe/log.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'
import { invocation } from '../functions/invocations.ts'
import { cpuOf } from './process-cpu.ts'

/**
 * `node test/bench/invocation.ts [seconds]`: what asking a function costs, in this process, over loopback HTTP and signed, beside a bare HTTP
 * round trip with the same bodies: CPU of both sides at 16 in flight, and the time it adds to the set-up of a call, one at a time. Each
 * figure is the median of several rounds, in which the ways take turns; each ratio the median of what it is within a round, so that a
 * machine that is slower for a while does not count. Nothing else should run meanwhile.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const APP = 'test/bench/apps/relay.ts'
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const PATH = '/invite/bench.example/bob'
const ROUNDS = 15
const IN_FLIGHT = 16
const TARGET = 2

interface Way {
  name: string
  once(): Promise<unknown>
  /** Process of the other side; undefined when there is none. */
  pid: number | undefined
}

interface Figures {
  here: number[]
  there: number[]
  both: number[]
  p50: number[]
  p99: number[]
}

const roundMs = (Number(process.argv[2] ?? 30) * 1000) / (ROUNDS + 3) / 4
const children: ChildProcess[] = []
const closing: (() => Promise<unknown>)[] = []
try {
  report(await measure(await ways()))
} finally {
  for (const close of closing) await close()
  for (const child of children) child.kill('SIGKILL')
}

async function ways(): Promise<Way[]> {
  const loaded = await loadApp(`${ROOT}${APP}`)
  if (!loaded.ok) throw new Error(loaded.message)
  const body = Buffer.from(JSON.stringify(sample()))
  const answer = JSON.stringify((await loaded.app.dispatch!(PATH, sample())).body)
  const bare = await serve('test/bench/bare-server.ts', [String(answer.length)], {})
  const open = await serve('functions/entry/node.ts', [APP], { PORT: '0', FUNCTIONS_UNSIGNED: 'loopback' })
  const checked = await serve('functions/entry/node.ts', [APP], { PORT: '0', WEBHOOK_SECRET: SECRET })
  console.log(`an invocation of ${body.length} octets, an answer of ${answer.length}`)
  return [
    { name: 'bare HTTP round trip', pid: bare.pid, once: posting(bare.url, body) },
    { name: 'in process', pid: undefined, once: invoking(createInProcessHost(loaded.app, systemClock)) },
    { name: 'loopback HTTP', pid: open.pid, once: invoking(httpHost(open.url)) },
    { name: 'signed both ways', pid: checked.pid, once: invoking(httpHost(checked.url, SECRET)) },
  ]
}

function sample() {
  return invocation()
}

async function serve(
  script: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ url: string; pid: number }> {
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit']
  const child = spawn(process.execPath, [script, ...args], { cwd: ROOT, env: { ...process.env, ...env }, stdio })
  children.push(child)
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  return { url: /http:\S+/.exec(String(line))![0], pid: child.pid! }
}

function posting(url: string, body: Buffer): () => Promise<unknown> {
  const pool = new Pool(url, { connections: 256, allowH2: false })
  closing.push(() => pool.destroy())
  const headers = { 'content-type': 'application/cloudevents+json', 'accept': 'application/json' }
  return async () => {
    const response = await pool.request({ method: 'POST', path: PATH, headers, body })
    return response.body.text()
  }
}

function httpHost(url: string, secret?: string) {
  const host = createHttpHost({ url, clock: systemClock, ids: createRandomIds(), secret })
  closing.push(() => host.close())
  return host
}

/** As for a call: made, sent, answered, checked. */
function invoking(primary: Parameters<typeof createInvoker>[0]['primary']): () => Promise<unknown> {
  const invoker = createInvoker({ primary, clock: systemClock, count: () => {}, log: silentLog })
  const made = sample()
  let nth = 0
  return async () => {
    const id = `invocation-${++nth}`
    const make = (attempt: number, deadline: number) => {
      const data = { ...made.data, attempt, deadline: new Date(deadline).toISOString() }
      return { ...made, id, data }
    }
    const result = await invoker.invoke(PATH, make, { method: 'INVITE' })
    if (result.kind !== 'answer') throw new Error(JSON.stringify(result))
  }
}

async function measure(all: Way[]): Promise<Map<Way, Figures>> {
  const figures = new Map(all.map((way) => [way, { here: [], there: [], both: [], p50: [], p99: [] } as Figures]))
  for (const way of all) await busy(way, 3 * roundMs)
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of all) {
      const { here, there, both, p50, p99 } = figures.get(way)!
      const cpu = await busy(way, roundMs / 2)
      here.push(cpu.here)
      there.push(cpu.there)
      both.push(cpu.here + cpu.there)
      const times = await alone(way, roundMs / 2)
      p50.push(times[Math.floor(times.length / 2)]!)
      p99.push(times[Math.floor(times.length * 0.99)]!)
    }
  }
  return figures
}

/** CPU microseconds of one, on both sides, with many in flight. */
async function busy(way: Way, ms: number): Promise<{ here: number; there: number }> {
  const other = () => (way.pid === undefined ? 0 : cpuOf(way.pid))
  const before = other()
  const own = process.cpuUsage()
  const until = performance.now() + ms
  let count = 0
  const worker = async () => {
    while (performance.now() < until) {
      await way.once()
      count++
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  const { user, system } = process.cpuUsage(own)
  return { here: (user + system) / count, there: (other() - before) / count }
}

/** Microseconds that each takes, one after the other, in rising order. */
async function alone(way: Way, ms: number): Promise<number[]> {
  const times: number[] = []
  for (const until = performance.now() + ms; performance.now() < until; ) {
    const started = performance.now()
    await way.once()
    times.push((performance.now() - started) * 1000)
  }
  return times.sort((a, b) => a - b)
}

function report(figures: Map<Way, Figures>): void {
  const [bare] = figures.values()
  console.log(
    '| way | CPU µs, gateway | CPU µs, function | CPU, both | p50 µs | p99 µs |\n| --- | --- | --- | --- | --- | --- |',
  )
  let worst = 0
  for (const [{ name }, { here, there, both, p50, p99 }] of figures) {
    const [ofCpu, ofTime] = [medianRatio(both, bare!.both), medianRatio(p50, bare!.p50)]
    worst = Math.max(worst, ofCpu, ofTime)
    const cells = [
      ...[name, median(here).toFixed(0), median(there).toFixed(0)],
      `${median(both).toFixed(0)} (${ofCpu.toFixed(2)}×)`,
      `${median(p50).toFixed(0)} (${ofTime.toFixed(2)}×)`,
      median(p99).toFixed(0),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
  console.log(`at most ${worst.toFixed(2)}× the bare round trip; the target is ${TARGET}×`)
}

function medianRatio(values: readonly number[], others: readonly number[]): number {
  return median(values.map((value, round) => value / others[round]!))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
