import { Generator } from '../generator/generator.ts'
import { countsOf } from '../report.ts'
import { type Bench, PORTS } from '../stage.ts'

/** The generator's own limit: calls from its caller straight to its callee. What it cannot do here, no router can be blamed for. */

const RATES = [2000, 8000]

export async function generator(bench: Bench): Promise<void> {
  const router = { host: '127.0.0.1', port: PORTS.callee }
  const load = await Generator.start({ router, domain: 'bench.example', calleePort: PORTS.callee, direct: true })
  try {
    for (const rate of RATES) await direct(bench, load, rate)
  } finally {
    await load.stop()
  }
}

async function direct(bench: Bench, load: Generator, rate: number): Promise<void> {
  await load.run({ job: 'calls', rate, count: rate, user: 'bob' })
  const before = load.cpuUs
  const count = rate * bench.options.seconds
  const result = await load.run({ job: 'calls', rate, count, user: 'bob' })
  const cpuUs = (load.cpuUs - before) / count
  const note = `its own CPU; released up to ${result.lagMs.toFixed(1)} ms late`
  const { ringing, answered } = result
  bench.add({
    ...{ job: 'generator', load: `${rate}/s`, router: 'none', baseline: false, cpuUs, ringing, answered, note },
    ...countsOf(result),
  })
}
