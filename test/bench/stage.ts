import { fileURLToPath } from 'node:url'
import { Generator } from './generator/generator.ts'
import type { Calls, Register, Wake } from './generator/protocol.ts'
import type { RunResult } from './generator/tally.ts'
import type { Options } from './options.ts'
import type { Row } from './report.ts'
import { DOMAIN } from './routers/gateway.ts'
import { type Router, sleep, startProcess } from './routers/router.ts'

/** Loopback ports of a run; nothing else is ever called. */
export const PORTS = {
  gateway: 15_060,
  gatewayHttp: 15_080,
  kamailio: 15_070,
  callee: 15_061,
  otherCallee: 15_062,
  functions: 15_090,
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
    const generator = await Generator.start({ router: router.sip, domain: DOMAIN, calleePort: PORTS.callee })
    try {
      await play({ router, generator, idle: await idleOf(router) })
    } finally {
      generator.stop()
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

/** Runs one load and says what the router's processes used for it, per thing offered. */
export async function measure(
  { router, generator, idle }: Stage,
  job: Calls | Wake | Register,
): Promise<{ result: RunResult; cpuUs: number; generatorShare: number }> {
  const before = { at: performance.now(), router: router.cpuUs(), generator: generator.cpuUs }
  const result: RunResult = await generator.run<'calls' | 'wake' | 'register'>(job)
  if (router.ended() !== undefined) throw new Error(`${router.name} ended by itself under load: ${router.ended()}`)
  const elapsedMs = performance.now() - before.at
  const cpuUs = (router.cpuUs() - before.router - idle * elapsedMs) / job.count
  const offeringMs = (job.count / job.rate) * 1000
  return { result, cpuUs, generatorShare: (generator.cpuUs - before.generator) / 1000 / offeringMs }
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
