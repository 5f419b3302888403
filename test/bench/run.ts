import { writeFileSync } from 'node:fs'
import { crowd } from './jobs/crowd.ts'
import { generator } from './jobs/generator.ts'
import { http } from './jobs/http.ts'
import { memory } from './jobs/memory.ts'
import { redisMemory } from './jobs/redis-memory.ts'
import { redisRegister } from './jobs/redis-register.ts'
import { redisWake } from './jobs/redis-wake.ts'
import { register } from './jobs/register.ts'
import { relay } from './jobs/relay.ts'
import { sipp } from './jobs/sipp.ts'
import { wake } from './jobs/wake.ts'
import { type JobName, type Options, readOptions } from './options.ts'
import { lineOf, type Row, tableOf } from './report.ts'
import type { Bench } from './stage.ts'

/** `npm run bench`: measures the gateway and Kamailio side by side on loopback and prints one table. See README.md. */

const jobs: Record<JobName, (bench: Bench) => Promise<void>> = {
  generator,
  relay,
  sipp,
  http,
  wake,
  crowd,
  register,
  memory,
  'redis-wake': redisWake,
  'redis-register': redisRegister,
  'redis-memory': redisMemory,
}

await main(readArguments())

async function main(options: Options): Promise<void> {
  const rows: Row[] = []
  const left: string[] = []
  const bench: Bench = {
    options,
    add: (row) => {
      rows.push(row)
      console.error(lineOf(row))
    },
    skip: (what, why) => {
      left.push(`left out: ${what}: ${why}`)
    },
  }
  for (const name of options.only) await attempt(bench, name)
  publish(options, rows, left)
}

/** A job that breaks does not take the figures of the others with it, but it is said and the exit code tells. */
async function attempt(bench: Bench, name: JobName): Promise<void> {
  try {
    await jobs[name](bench)
  } catch (error) {
    process.exitCode = 1
    bench.skip(name, error instanceof Error ? error.message : String(error))
  }
}

function publish(options: Options, rows: Row[], left: string[]): void {
  const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim()
  const text = [tableOf(rows), ...left, `\`${command}\``, ''].join('\n')
  console.log(text)
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ command, rows, left }, null, 1)}\n`)
  if (options.markdown !== undefined) writeFileSync(options.markdown, text)
}

function readArguments(): Options {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(2)
  }
}
