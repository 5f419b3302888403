import { Generator } from '../generator/generator.ts'
import type { LateResult } from '../generator/protocol.ts'
import { countsOf } from '../report.ts'
import { DOMAIN, gatewayMissing } from '../routers/gateway.ts'
import { sleep } from '../routers/router.ts'
import { type Bench, onStage, PORTS, type Stage } from '../stage.ts'
import { gateway, WAKE_APP } from './wake.ts'

/** One event wakes N waiting calls, while other calls go on: how long until the last late INVITE, and what the others notice. */

const WAIT_RATE = 3000
const OTHER_RATE = 200
const OTHER_SECONDS = 6
const LEAD_MS = 1500
const WITHIN_MS = 10_000

export async function crowd(bench: Bench): Promise<void> {
  const missing = gatewayMissing()
  if (!bench.options.routers.includes('gateway')) return bench.skip('crowd', 'only the gateway has events')
  if (missing !== undefined) return bench.skip('crowd', missing)
  for (const count of bench.options.crowds) {
    await onStage(
      () => gateway(bench, WAKE_APP),
      (stage) => wakeCrowd(bench, stage, count),
    )
  }
}

async function wakeCrowd(bench: Bench, stage: Stage, count: number): Promise<void> {
  const others = await Generator.start({ router: stage.router.sip, domain: DOMAIN, calleePort: PORTS.otherCallee })
  try {
    await others.run({ job: 'register', rate: 100, count: 1, user: 'bob', users: 1 })
    await others.run({ job: 'calls', rate: 1000, count: 3000, user: 'bob' })
    await stage.generator.run({ job: 'wait', rate: WAIT_RATE, count, user: 'crowd' })
    const late = stage.generator.run({ job: 'late', count, withinMs: WITHIN_MS })
    const traffic = others.run({ job: 'calls', rate: OTHER_RATE, count: OTHER_RATE * OTHER_SECONDS, user: 'bob' })
    await sleep(LEAD_MS)
    const raised = await raise(stage)
    const seen = await late
    const woken = { job: 'crowd', router: stage.router.name, baseline: false }
    bench.add({ ...woken, load: `${count} woken by one event`, ...counted(count, seen), note: noteOf(raised, seen) })
    const { ringing, answered, ...result } = await traffic
    const calls = { load: `${OTHER_RATE}/s beside ${count} woken`, ringing, answered }
    bench.add({ ...woken, ...calls, ...countsOf({ ringing, answered, ...result }) })
  } finally {
    await others.stop()
  }
}

/** Publishes the event they all wait for. */
async function raise({ router }: Stage): Promise<{ atMs: number; repliedMs: number }> {
  const atMs = Number(process.hrtime.bigint()) / 1e6
  const event = { type: 'bench.opened', attributes: { gate: 'north', callee: `sip:late@127.0.0.1:${PORTS.callee}` } }
  const response = await fetch(`${router.http}/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(event),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST /events: ${response.status} ${text.slice(0, 500)}`)
  return { atMs, repliedMs: Number(process.hrtime.bigint()) / 1e6 - atMs }
}

function counted(count: number, { seen }: LateResult) {
  const failed = count - seen
  const failures: Record<string, number> = failed > 0 ? { 'never woken': failed } : {}
  return { offered: count, failed, failures, surplus: 0 }
}

function noteOf(raised: { atMs: number; repliedMs: number }, { lastAtMs }: LateResult): string {
  return `all after ${(lastAtMs - raised.atMs).toFixed(0)} ms; POST answered after ${raised.repliedMs.toFixed(0)} ms`
}
