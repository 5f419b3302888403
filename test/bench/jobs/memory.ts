import { gatewayMissing } from '../routers/gateway.ts'
import { kamailioMissing, startKamailio } from '../routers/kamailio.ts'
import { type Router, sleep } from '../routers/router.ts'
import { type Bench, onStage, PORTS, type Stage } from '../stage.ts'
import { gateway, WAKE_APP } from './wake.ts'

/** What one suspended INVITE costs: the slope of the memory between 10,000 and 30,000 of them, after warming up with 10,000. */

const RATE = 2000
const STEP = 10_000
const SETTLE_MS = 3000

export async function memory(bench: Bench): Promise<void> {
  const { routers } = bench.options
  const noKamailio = kamailioMissing('tsilo')
  const noGateway = gatewayMissing()
  if (routers.includes('kamailio')) {
    if (noKamailio !== undefined) bench.skip('memory of kamailio', noKamailio)
    else await slope(bench, () => startKamailio('tsilo', PORTS.kamailio), true)
  }
  if (routers.includes('gateway')) {
    if (noGateway !== undefined) bench.skip('memory of the gateway', noGateway)
    else await slope(bench, () => gateway(bench, WAKE_APP), false)
  }
}

function slope(bench: Bench, router: () => Promise<Router>, baseline: boolean): Promise<void> {
  return onStage(router, async (stage) => {
    const first = await suspend(stage, 1, 'other-a')
    const last = await suspend(stage, 2, 'other-b')
    const each = (last.bytes - first.bytes) / (2 * STEP)
    bench.add({
      ...{ job: 'memory', load: `${3 * STEP} suspended`, router: stage.router.name, baseline },
      ...{ offered: 3 * STEP, failed: first.failed + last.failed, failures: last.failures, surplus: 0 },
      ...{ memoryBytes: last.bytes, note: `${(each / 1024).toFixed(1)} KiB for each` },
    })
  })
}

async function suspend({ generator, router }: Stage, steps: number, user: string) {
  const { failed, failures } = await generator.run({ job: 'wait', rate: RATE, count: steps * STEP, user })
  await sleep(SETTLE_MS)
  return { failed, failures, bytes: router.memoryBytes() }
}
