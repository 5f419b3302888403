import { countsOf } from '../report.ts'
import { gatewayMissing, startGateway } from '../routers/gateway.ts'
import { type Flavour, kamailioMissing, startKamailio } from '../routers/kamailio.ts'
import type { Router } from '../routers/router.ts'
import { type Bench, measure, onStage, PORTS, type Stage, warmUp, withFunctionServer } from '../stage.ts'

/** Calls routed by a function in another process, over loopback HTTP; only the router's own CPU counts. */

interface Load {
  name: string
  rate: number
  user: string
  /** One call in a hundred is routed by a function that never answers; the figures are those of the others. */
  neverFor?: string
}

/** What the flavours that block a worker or a task can be asked for. */
const BLOCKING_RATE = 500
const SLOW_RATE = 1000

export async function http(bench: Bench): Promise<void> {
  const { httpRates, routers } = bench.options
  const quick = httpRates.map((rate) => ({ name: `${rate}/s`, rate, user: 'bob' }))
  await withFunctionServer(async (url) => {
    if (routers.includes('kamailio')) await rivals(bench, url, quick)
    if (!routers.includes('gateway')) return
    const missing = gatewayMissing()
    if (missing !== undefined) return bench.skip('HTTP-routed calls through the gateway', missing)
    const { profile } = bench.options
    const start = () => startGateway({ functions: url, sipPort: PORTS.gateway, httpPort: PORTS.gatewayHttp, profile })
    await play(bench, start, [...quick, ...slow()], false)
  })
}

async function rivals(bench: Bench, url: string, quick: Load[]): Promise<void> {
  const gentle = quick.filter(({ rate }) => rate <= BLOCKING_RATE)
  await rival(bench, url, 'http-async', [...quick, ...slow()])
  await rival(bench, url, 'http-tasks', gentle)
  await rival(bench, url, 'http-blocking', gentle)
}

async function rival(bench: Bench, url: string, flavour: Flavour, loads: Load[]): Promise<void> {
  const missing = kamailioMissing(flavour)
  if (missing !== undefined) return bench.skip(`HTTP-routed calls through kamailio ${flavour}`, missing)
  await play(bench, () => startKamailio(flavour, PORTS.kamailio, url), loads, flavour === baseline())
}

/** The rival of an asynchronous router is the asynchronous client; without it the task pool has to do. */
function baseline(): Flavour {
  return kamailioMissing('http-async') === undefined ? 'http-async' : 'http-tasks'
}

function slow(): Load[] {
  return [
    { name: `${SLOW_RATE}/s, answers after 20 ms`, rate: SLOW_RATE, user: 'slow20-bob' },
    { name: `${SLOW_RATE}/s, answers after 100 ms`, rate: SLOW_RATE, user: 'slow100-bob' },
    { name: `${SLOW_RATE}/s, 1 % never answered`, rate: SLOW_RATE, user: 'bob', neverFor: 'never-bob' },
  ]
}

/** A load that ends the router is said; the loads after it get a new one. */
async function play(bench: Bench, start: () => Promise<Router>, loads: Load[], baseline: boolean): Promise<void> {
  const rest = [...loads]
  while (rest.length > 0) await playUntilItEnds(bench, start, rest, baseline)
}

function playUntilItEnds(bench: Bench, start: () => Promise<Router>, rest: Load[], baseline: boolean): Promise<void> {
  return onStage(start, async (stage) => {
    await warmUp(stage, { rate: 1000, user: 'bob' }, 5)
    for (let load = rest.shift(); load !== undefined; load = rest.shift()) {
      try {
        await offer(bench, stage, load, baseline)
      } catch (error) {
        if (stage.router.ended() === undefined) throw error
        return bench.skip(`${load.name} through ${stage.router.name}`, (error as Error).message)
      }
    }
  })
}

async function offer(
  bench: Bench,
  stage: Stage,
  { name, rate, user, neverFor }: Load,
  baseline: boolean,
): Promise<void> {
  const odd = neverFor === undefined ? {} : { odd: { every: 100, user: neverFor } }
  await warmUp(stage, { rate, user }, 1)
  const count = Math.round(rate * bench.options.seconds)
  const { result, cpuUs, note } = await measure(stage, { job: 'calls', rate, count, user, ...odd })
  bench.add({
    ...{ job: 'http', load: name, router: stage.router.name, baseline, cpuUs, ...countsOf(result) },
    ...{ ringing: result.ringing, answered: result.answered, memoryBytes: stage.router.memoryBytes(), note },
  })
}
