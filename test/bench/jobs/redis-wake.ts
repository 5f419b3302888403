import { withRedis } from '../redis-stage.ts'
import { countsOf } from '../report.ts'
import { startGatewayPair } from '../routers/gateway-pair.ts'
import type { Router } from '../routers/router.ts'
import { type Bench, measure, onStage, PORTS } from '../stage.ts'
import { gateway, WAKE_APP } from './wake.ts'

/**
 * A call waits at one gateway, and its callee registers at another: from the REGISTER to the late INVITE, beside one gateway that keeps
 * everything in memory.
 */

const RATE = 50
const WARM_RATE = 300
const WARM_SECONDS = 10
/** Longer than a busy gateway lets an INVITE wait: who has registered before the call is looked up is not waited for. */
const ASLEEP_MS = 1000
const WAYS = ['inline', 'named'] as const

type P99 = Partial<Record<(typeof WAYS)[number], number>>

export function redisWake(bench: Bench): Promise<void> {
  return withRedis(bench, 'wake-up through Redis', async ({ url: redisUrl }) => {
    const { profile } = bench.options
    const inMemory = await wakes(bench, () => gateway(bench, WAKE_APP), undefined)
    const pair = () =>
      startGatewayPair({ functions: WAKE_APP, profile, redisUrl }, [
        { sipPort: PORTS.gateway, httpPort: PORTS.gatewayHttp },
        { sipPort: PORTS.otherGateway, httpPort: PORTS.otherGatewayHttp },
      ])
    await wakes(bench, pair, inMemory)
  })
}

/** @param rival p99 of what this one is compared with; absent: it is the baseline */
async function wakes(bench: Bench, router: () => Promise<Router>, rival: P99 | undefined): Promise<P99> {
  const found: P99 = {}
  await onStage(router, async (stage) => {
    for (const way of WAYS) {
      const load = { job: 'wake', asleepMs: ASLEEP_MS } as const
      const warm = { rate: WARM_RATE, count: WARM_RATE * WARM_SECONDS, user: `${way}-warm` }
      await stage.generator.run({ ...load, ...warm })
      const count = RATE * bench.options.seconds
      const { result, cpuUs, note } = await measure(stage, { ...load, rate: RATE, count, user: `${way}-phone` })
      const { p99 } = result.ringing
      found[way] = p99
      const above = rival?.[way] === undefined ? [] : [`p99 ${(p99 - rival[way]).toFixed(2)} ms above memory's`]
      bench.add({
        ...{ job: 'redis-wake', load: `${RATE}/s, ${way}`, router: stage.router.name, baseline: rival === undefined },
        ...{ cpuUs, ...countsOf(result), ringing: result.ringing, memoryBytes: stage.router.memoryBytes() },
        note: [...above, ...(note === undefined ? [] : [note])].join('; '),
      })
    }
  })
  return found
}
