import { eachOf, withRedis } from '../redis-stage.ts'
import { countsOf } from '../report.ts'
import { startGateway } from '../routers/gateway.ts'
import { type Bench, measure, onStage, PORTS } from '../stage.ts'
import { WAKE_APP } from './wake.ts'

/** 10,000 registrations a minute, of phones that are new and of the same again: what each costs Redis. */

const PER_MINUTE = 10_000
const WARM_RATE = 1000
const WARM = 5000

export function redisRegister(bench: Bench): Promise<void> {
  return withRedis(bench, 'REGISTER with Redis', async (redis) => {
    const { profile, seconds } = bench.options
    const place = { sipPort: PORTS.gateway, httpPort: PORTS.gatewayHttp }
    const router = () => startGateway({ functions: WAKE_APP, profile, redisUrl: redis.url, ...place })
    await onStage(router, async (stage) => {
      const count = Math.round((PER_MINUTE / 60) * seconds)
      await stage.generator.run({ job: 'register', rate: WARM_RATE, count: WARM, user: 'warm', users: WARM / 2 })
      for (const kind of ['new', 'refreshed']) {
        const before = await redis.read()
        const load = { job: 'register', rate: PER_MINUTE / 60, count, user: 'phone', users: count } as const
        const { result, cpuUs, note } = await measure(stage, load)
        const each = eachOf(before, await redis.read(), count)
        const cost = `${each.roundTrips.toFixed(2)} round trips, ${each.commands.toFixed(1)} commands, ${each.cpuUs.toFixed(0)} µs in Redis`
        bench.add({
          ...{ job: 'redis-register', load: `${PER_MINUTE}/min, ${kind}`, router: stage.router.name, baseline: false },
          ...{ cpuUs, ...countsOf(result), answered: result.answered, memoryBytes: stage.router.memoryBytes() },
          note: note === undefined ? cost : `${cost}; ${note}`,
        })
      }
    })
  })
}
