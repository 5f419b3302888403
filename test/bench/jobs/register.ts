import { countsOf } from '../report.ts'
import { gatewayMissing } from '../routers/gateway.ts'
import { kamailioMissing, startKamailio } from '../routers/kamailio.ts'
import type { Router } from '../routers/router.ts'
import { type Bench, measure, onStage, PORTS } from '../stage.ts'
import { gateway, WAKE_APP } from './wake.ts'

/** REGISTERs of 10,000 phones in turn, kept in memory, no credentials asked. */

const RATE = 1000
const USERS = 10_000
/** Fast, so that the just-in-time compiler is through before anything counts. */
const WARM_RATE = 3000

export async function register(bench: Bench): Promise<void> {
  const { routers } = bench.options
  const noKamailio = kamailioMissing('plain')
  const noGateway = gatewayMissing()
  if (!routers.includes('kamailio')) bench.skip('REGISTER at kamailio', 'not asked for')
  else if (noKamailio !== undefined) bench.skip('REGISTER at kamailio', noKamailio)
  else await at(bench, () => startKamailio('plain', PORTS.kamailio), true)
  if (!routers.includes('gateway')) bench.skip('REGISTER at the gateway', 'not asked for')
  else if (noGateway !== undefined) bench.skip('REGISTER at the gateway', noGateway)
  else await at(bench, () => gateway(bench, WAKE_APP), false)
}

function at(bench: Bench, router: () => Promise<Router>, baseline: boolean): Promise<void> {
  return onStage(router, async (stage) => {
    const load = { job: 'register', rate: RATE, user: 'phone', users: USERS } as const
    await stage.generator.run({ ...load, rate: WARM_RATE, count: WARM_RATE * 5 })
    const { result, cpuUs, note } = await measure(stage, { ...load, count: RATE * bench.options.seconds })
    bench.add({
      ...{ job: 'register', load: `${RATE}/s`, router: stage.router.name, baseline, cpuUs, ...countsOf(result) },
      ...{ answered: result.answered, memoryBytes: stage.router.memoryBytes(), note },
    })
  })
}
