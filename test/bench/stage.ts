import { fileURLToPath } from 'node:url'
import { Generator } from './generator/generator.ts'
import type { Calls, Register, Wake } from './generator/protocol.ts'
import type { RunResult } from './generator/tally.ts'
import type { Options } from './options.ts'
import { cpuOfMachine } from './process-cpu.ts'
import type { Row } from './report.ts'
import { DOMAIN } from './routers/gateway.ts'
import { type Router, sleep, startProcess } from './routers/router.ts'

/** Loopback ports of a run; nothing else is ever called. */
export const PORTS = {
  gateway: 27_060,
  gatewayHttp: 27_080,
  kamailio: 27_070,
  callee: 27_061,
  otherCallee: 27_062,
  otherGateway: 27_063,
  otherGatewayHttp: 27_081,
  redis: 27_085,
  functions: 27_090,
}

const FUNCTION_SERVER = fileURLToPath(new URL('function-server.ts', import.meta.url))

/** What a job gets: the options, and where its rows go. */
export interface Bench {
  options: Options
  add(row: Row): void
  /** Says why something was left out. */
  skip(what: string, why: string): void
}

/** A router with a generator in front of it. */
export interface Stage {
  router: Router
  generator: Generator
  /** CPU of the router at rest, microseconds per millisecond. */
  idle: number
}

/** Starts the router and a generator, lets `play` use them, and ends both whatever happens. */
export async function onStage(start: () => Promise<Router>, play: (stage: Stage) => Promise<void>): Promise<void> {
  const router = await start()
  try {
    const { sip, registrar } = router
    const generator = await Generator.start({ router: sip, registrar, domain: DOMAIN, calleePort: PORTS.callee })
    try {
      await play({ router, generator, idle: await idleOf(router) })
    } finally {
      await generator.stop()
    }
  } finally {
    await router.stop()
  }
}

/** The function server is not a SIP element, but is started and ended alike. */
export async function withFunctionServer(play: (url: string) => Promise<void>): Promise<void> {
  const url = `http://127.0.0.1:${PORTS.functions}`
  const address = { host: '127.0.0.1', port: PORTS.functions }
  const args = [FUNCTION_SERVER, String(PORTS.functions), String(PORTS.callee)]
  const server = await startProcess('function server', address, url, { file: process.execPath, args }, async () => {
    const answer = await fetch(`${url}/.well-known/rouse`).catch(() => undefined)
    return answer?.ok === true
  })
  try {
    await play(url)
  } finally {
    await server.stop()
  }
}

/** What a run cost beside what it counted. Shares are of one core, while the load was offered. */
export interface Measured {
  result: RunResult
  /** CPU of the router's processes per thing offered, microseconds, its CPU at rest subtracted. */
  cpuUs: number
  /** What the figures have to be read with: a generator at its limit, or other programs that took the cores. */
  note: string | undefined
}

/** Runs one load and says what the router's processes used for it. */
export async function measure({ router, generator, idle }: Stage, job: Calls | Wake | Register): Promise<Measured> {
  const before = readings(router, generator)
  const result: RunResult = await generator.run<'calls' | 'wake' | 'register'>(job)
  if (router.ended() !== undefined) throw new Error(`${router.name} ended by itself under load: ${router.ended()}`)
  const after = readings(router, generator)
  const elapsedMs = after.atMs - before.atMs
  const routerUs = after.router - before.router
  const generatorUs = after.generator - before.generator
  const elsewhereUs = after.machine - before.machine - routerUs - generatorUs
  const shares = { generator: generatorUs / 1000 / elapsedMs, elsewhere: elsewhereUs / 1000 / elapsedMs }
  return { result, cpuUs: (routerUs - idle * elapsedMs) / job.count, note: noteOf(shares) }
}

function readings(router: Router, generator: Generator) {
  return { atMs: performance.now(), router: router.cpuUs(), generator: generator.cpuUs, machine: cpuOfMachine() }
}

/** Beyond this share of a core the generator may be what limits a run. */
const GENERATOR_FULL = 0.8
/** Beyond this share of a core other programs spoil latencies, and make the highest rate meaningless. */
const ELSEWHERE_BUSY = 0.15

function noteOf({ generator, elsewhere }: { generator: number; elsewhere: number }): string | undefined {
  const percent = (share: number) => `${Math.round(share * 100)} % of a core`
  const notes = [
    generator > GENERATOR_FULL ? `the generator used ${percent(generator)}` : '',
    elsewhere > ELSEWHERE_BUSY ? `other programs used ${percent(elsewhere)}` : '',
  ].filter((each) => each !== '')
  return notes.length > 0 ? notes.join('; ') : undefined
}

/** Lets just-in-time compilers, caches and pools settle before anything counts. */
export async function warmUp({ generator }: Stage, calls: Omit<Calls, 'job' | 'count'>, seconds = 2): Promise<void> {
  await generator.run({ ...calls, job: 'calls', count: Math.round(calls.rate * seconds) })
}

const SETTLE_MS = 500
const IDLE_MS = 1000

async function idleOf(router: Router): Promise<number> {
  await sleep(SETTLE_MS)
  const before = { at: performance.now(), cpuUs: router.cpuUs() }
  await sleep(IDLE_MS)
  return (router.cpuUs() - before.cpuUs) / (performance.now() - before.at)
}
