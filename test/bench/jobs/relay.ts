import { fileURLToPath } from 'node:url'
import { countsOf, isClean, type Row } from '../report.ts'
import { gatewayMissing, startGateway } from '../routers/gateway.ts'
import { kamailioMissing, startKamailio } from '../routers/kamailio.ts'
import type { Router } from '../routers/router.ts'
import { type Bench, measure, onStage, PORTS, type Stage, warmUp } from '../stage.ts'

/** INVITE → 180 → 200 → ACK → BYE → 200 to a registered callee, through a record-routing proxy; the function runs in process. */

const APP = fileURLToPath(new URL('../apps/relay.ts', import.meta.url))
const CALLEE = 'bob'

export function relay(bench: Bench): Promise<void> {
  return eachRelay(bench, 'relay', (start, baseline) => onStage(start, (stage) => rates(bench, stage, baseline)))
}

/** Plays with Kamailio, then with the gateway, as far as they are here and asked for. */
export async function eachRelay(
  bench: Bench,
  job: string,
  play: (start: () => Promise<Router>, baseline: boolean) => Promise<void>,
): Promise<void> {
  const { profile, routers } = bench.options
  const { gateway: sipPort, gatewayHttp: httpPort, kamailio } = PORTS
  const noKamailio = kamailioMissing('plain')
  const noGateway = gatewayMissing()
  if (routers.includes('kamailio')) {
    if (noKamailio !== undefined) bench.skip(`${job} through kamailio`, noKamailio)
    else await play(() => startKamailio('plain', kamailio), true)
  }
  if (routers.includes('gateway')) {
    if (noGateway !== undefined) bench.skip(`${job} through the gateway`, noGateway)
    else await play(() => startGateway({ functions: APP, sipPort, httpPort, profile }), false)
  }
}

/** Compilers in the process go on for some 20,000 calls. */
const WARM_UP_SECONDS = 12

async function rates(bench: Bench, stage: Stage, baseline: boolean): Promise<void> {
  await stage.generator.run({ job: 'register', rate: 100, count: 1, user: CALLEE, users: 1 })
  await warmUp(stage, { rate: 2000, user: CALLEE }, WARM_UP_SECONDS)
  for (const rate of bench.options.rates) {
    bench.add(
      rate === 'max' ? await highestClean(stage, baseline) : await atRate(stage, rate, bench.options.seconds, baseline),
    )
  }
}

async function atRate(stage: Stage, rate: number, seconds: number, baseline: boolean): Promise<Row> {
  await warmUp(stage, { rate, user: CALLEE }, 1)
  const job = { job: 'calls', rate, count: Math.round(rate * seconds), user: CALLEE } as const
  const { result, cpuUs, note } = await measure(stage, job)
  return {
    ...{ job: 'relay', load: `${rate}/s`, router: stage.router.name, baseline, cpuUs, ...countsOf(result) },
    ...{ ringing: result.ringing, answered: result.answered, memoryBytes: stage.router.memoryBytes() },
    note,
  }
}

const FIRST_RATE = 2000
const STEP = 1.2
const SEARCH_SECONDS = 2
const MOST_STEPS = 12

/**
 * Raises the rate by a fifth until more than one call in a thousand fails or is repeated, and takes the last that was clean; lowers it
 * instead when the first is not clean. When no rate is, the row is that of the lowest, failures and all.
 */
async function highestClean(stage: Stage, baseline: boolean): Promise<Row> {
  let best = await attempt(stage, 0, baseline)
  const rises = isClean(best)
  for (let step = 1; step < MOST_STEPS; step++) {
    const row = await attempt(stage, rises ? step : -step, baseline)
    if (rises && !isClean(row)) break
    best = row
    if (!rises && isClean(row)) break
  }
  return best
}

async function attempt(stage: Stage, step: number, baseline: boolean): Promise<Row> {
  const rate = Math.round((FIRST_RATE * STEP ** step) / 100) * 100
  const row = await atRate(stage, rate, SEARCH_SECONDS, baseline)
  const notes = [`${rate}/s`, row.note].filter((note) => note !== undefined)
  return { ...row, load: 'highest clean', note: notes.join('; ') }
}
