import { type BenchRedis, eachOf, withRedis } from '../redis-stage.ts'
import { startGateway } from '../routers/gateway.ts'
import { sleep } from '../routers/router.ts'
import { type Bench, onStage, PORTS, type Stage } from '../stage.ts'
import { WAKE_APP } from './wake.ts'

/** What one suspended INVITE costs in the gateway and in Redis: the slope over 20,000 of them, after warming up with 10,000. */

const RATE = 300
const WARM = 10_000
const COUNT = 20_000
const SETTLE_MS = 5000

export function redisMemory(bench: Bench): Promise<void> {
  return withRedis(bench, 'memory with Redis', async (redis) => {
    const { profile } = bench.options
    const place = { sipPort: PORTS.gateway, httpPort: PORTS.gatewayHttp }
    const router = () => startGateway({ functions: WAKE_APP, profile, redisUrl: redis.url, ...place })
    await onStage(router, async (stage) => {
      const first = await suspend(stage, redis, WARM, 'other-a')
      const last = await suspend(stage, redis, COUNT, 'other-b')
      const each = eachOf(first.counters, last.counters, COUNT)
      const ours = (last.bytes - first.bytes) / COUNT
      bench.add({
        ...{ job: 'redis-memory', load: `${WARM + COUNT} suspended`, router: stage.router.name, baseline: false },
        ...{ offered: WARM + COUNT, failed: first.failed + last.failed, failures: last.failures, surplus: 0 },
        memoryBytes: last.bytes,
        note: `for each ${kib(ours)} in the gateway, ${kib(each.memory)} and ${each.roundTrips.toFixed(2)} round trips in Redis`,
      })
    })
  })
}

async function suspend({ generator, router }: Stage, redis: BenchRedis, count: number, user: string) {
  const { failed, failures } = await generator.run({ job: 'wait', rate: RATE, count, user })
  await sleep(SETTLE_MS)
  return { failed, failures, bytes: router.memoryBytes(), counters: await redis.read() }
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`
}
