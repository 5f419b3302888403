import { fileURLToPath } from 'node:url'
import { countsOf } from '../report.ts'
import { gatewayMissing, startGateway } from '../routers/gateway.ts'
import { kamailioMissing, startKamailio } from '../routers/kamailio.ts'
import type { Router } from '../routers/router.ts'
import { type Bench, measure, onStage, PORTS, type Stage, withFunctionServer } from '../stage.ts'

/** A call waits for its sleeping callee; the phone registers and gets the late INVITE. */

export const WAKE_APP = fileURLToPath(new URL('../apps/wake.ts', import.meta.url))
/** One at a time, as phones wake; and so many that the process is never at rest. */
const RATE = 50
const BUSY_RATE = 500
const WARM_RATE = 500
const ASLEEP_MS = 100
/** How fast the others that wait are set up. */
const WAIT_RATE = 3000

interface Play {
  router: () => Promise<Router>
  /** How the calls wait: the first word of the callee's name. */
  waits: 'inline' | 'named'
  others: number[]
  label: string
  baseline: boolean
}

export async function wake(bench: Bench): Promise<void> {
  const { options } = bench
  if (options.routers.includes('kamailio')) await throughTsilo(bench)
  if (!options.routers.includes('gateway')) return
  const missing = gatewayMissing()
  if (missing !== undefined) return bench.skip('wake-up through the gateway', missing)
  const inProcess = () => gateway(bench, WAKE_APP)
  await play(bench, { router: inProcess, waits: 'inline', others: options.others, label: 'inline', baseline: false })
  await play(bench, { router: inProcess, waits: 'named', others: [0], label: 'handler in process', baseline: false })
  await withFunctionServer(async (url) => {
    const overHttp = () => gateway(bench, url)
    await play(bench, {
      router: overHttp,
      waits: 'inline',
      others: [0],
      label: 'inline, armed over HTTP',
      baseline: false,
    })
    await play(bench, { router: overHttp, waits: 'named', others: [0], label: 'handler over HTTP', baseline: false })
  })
}

export function gateway({ options }: Bench, functions: string): Promise<Router> {
  const { profile } = options
  return startGateway({ functions, sipPort: PORTS.gateway, httpPort: PORTS.gatewayHttp, profile })
}

async function throughTsilo(bench: Bench): Promise<void> {
  const missing = kamailioMissing('tsilo')
  if (missing !== undefined) return bench.skip('wake-up through kamailio', missing)
  const router = () => startKamailio('tsilo', PORTS.kamailio)
  const others = bench.options.others.filter((count) => count <= 10_000)
  await play(bench, { router, waits: 'inline', others, label: 'tsilo', baseline: true })
}

function play(bench: Bench, { router, waits, others, label, baseline }: Play): Promise<void> {
  return onStage(router, async (stage) => {
    await stage.generator.run({
      job: 'wake',
      rate: WARM_RATE,
      count: WARM_RATE * 5,
      user: `${waits}-warm`,
      asleepMs: ASLEEP_MS,
    })
    let waiting = 0
    for (const count of [...others].sort((a, b) => a - b)) {
      await waitToo(stage, count - waiting, `other-${waiting}`)
      waiting = count
      await wakes(bench, stage, { rate: RATE, waits, label, waiting, baseline })
      if (waiting === 0) await wakes(bench, stage, { rate: BUSY_RATE, waits, label, waiting, baseline })
    }
  })
}

async function waitToo({ generator }: Stage, count: number, user: string): Promise<void> {
  if (count <= 0) return
  const { failed, failures } = await generator.run({ job: 'wait', rate: WAIT_RATE, count, user })
  if (failed > count / 1000)
    throw new Error(`${failed} of ${count} calls could not be left waiting: ${JSON.stringify(failures)}`)
}

interface Wakes {
  rate: number
  waits: string
  label: string
  waiting: number
  baseline: boolean
}

async function wakes(bench: Bench, stage: Stage, { rate, waits, label, waiting, baseline }: Wakes): Promise<void> {
  const count = rate * bench.options.seconds
  const job = { job: 'wake', rate, count, user: `${waits}-${rate}-${waiting}`, asleepMs: ASLEEP_MS } as const
  const { result, cpuUs, note } = await measure(stage, job)
  bench.add({
    ...{
      job: 'wake',
      load: `${rate}/s, ${waiting} others wait`,
      router: `${stage.router.name.split(' ')[0]}: ${label}`,
      baseline,
    },
    ...{ cpuUs, ...countsOf(result), ringing: result.ringing, memoryBytes: stage.router.memoryBytes(), note },
  })
}
