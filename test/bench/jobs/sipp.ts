import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Generator } from '../generator/generator.ts'
import { DOMAIN } from '../routers/gateway.ts'
import { type Router, sleep } from '../routers/router.ts'
import { type Bench, PORTS } from '../stage.ts'
import { eachRelay } from './relay.ts'

/** The relayed call once more, offered by sipp: a second opinion on our own generator, at one rate. */

const CALLER = fileURLToPath(new URL('../sipp/uac.xml', import.meta.url))
const RATE = 500
const USER = 'bob'
const LONGEST_MS = 60_000

export async function sipp(bench: Bench): Promise<void> {
  if (spawnSync('sipp', ['-v']).error !== undefined) return bench.skip('sipp', 'sipp is not installed')
  await eachRelay(bench, 'sipp', async (start, baseline) => {
    const router = await start()
    try {
      await crossCheck(bench, router, baseline)
    } finally {
      await router.stop()
    }
  })
}

async function crossCheck(bench: Bench, router: Router, baseline: boolean): Promise<void> {
  await registerCallee(router)
  const callee = spawn('sipp', ['-sn', 'uas', '-i', '127.0.0.1', '-p', String(PORTS.callee), '-nostdin'], {
    stdio: 'ignore',
  })
  const directory = mkdtempSync(join(tmpdir(), 'sipp-'))
  try {
    await sleep(500)
    await call(router, RATE * 4, join(directory, 'warm-up.csv'))
    const before = router.cpuUs()
    const count = RATE * bench.options.seconds
    const statistics = await call(router, count, join(directory, 'measured.csv'))
    const failed = count - statistics.successful
    bench.add({
      ...{ job: 'sipp', load: `${RATE}/s`, router: router.name, baseline, cpuUs: (router.cpuUs() - before) / count },
      ...{ offered: count, failed, failures: failed > 0 ? { 'as sipp says': failed } : {} },
      ...{ surplus: statistics.repeated, memoryBytes: router.memoryBytes() },
    })
  } finally {
    await ended(callee)
    rmSync(directory, { recursive: true })
  }
}

/** sipp's callee does not register, so the generator does it from the same port and leaves. */
async function registerCallee(router: Router): Promise<void> {
  const generator = await Generator.start({ router: router.sip, domain: DOMAIN, calleePort: PORTS.callee })
  await generator.run({ job: 'register', rate: 100, count: 1, user: USER, users: 1 })
  await generator.stop()
}

async function call({ sip }: Router, count: number, statistics: string) {
  const args = [
    ...['-sf', CALLER, '-s', USER, '-i', '127.0.0.1', '-r', String(RATE), '-m', String(count), '-nostdin'],
    ...['-recv_timeout', '5000', '-trace_stat', '-stf', statistics, '-fd', '1', `${sip.host}:${sip.port}`],
  ]
  const caller = spawn('sipp', args, { stdio: 'ignore' })
  const timer = setTimeout(() => caller.kill('SIGKILL'), LONGEST_MS)
  await once(caller, 'exit')
  clearTimeout(timer)
  return readStatistics(readFileSync(statistics, 'latin1'))
}

/** The last line of sipp's statistics has the totals; `(C)` marks what is cumulated. */
function readStatistics(csv: string): { successful: number; repeated: number } {
  const lines = csv.trim().split('\n')
  const names = lines[0]!.split(';')
  const last = lines.at(-1)!.split(';')
  const value = (name: string) => Number(last[names.indexOf(name)] ?? Number.NaN)
  return { successful: value('SuccessfulCall(C)'), repeated: value('Retransmissions(C)') }
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
