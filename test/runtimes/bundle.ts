import { execFile } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { temporaryDirectory } from '../interop/network.ts'
import { ROOT, runtimeProgram } from './programs.ts'

const run = promisify(execFile)

const README = readFileSync(`${ROOT}functions/entry/README.md`, 'utf8')
const [, OPTIONS = ''] = /npx esbuild lambda\.ts (.+) --outfile=dist\/index\.mjs\n/.exec(README) ?? []
export const [, COMPATIBILITY_DATE = ''] = /wrangler deploy app\.ts .*--compatibility-date (\S+)/.exec(README) ?? []

export interface Bundle {
  /** One file with everything in it. */
  file: string
  octets: number
  /** Files of which something is in it. */
  inputs: string[]
  /** Modules it still asks its platform for. */
  imports: string[]
}

/** As functions/entry/README.md says to bundle for Lambda: `index.mjs`, which exports `handler`. */
export function bundleForLambda(module: string): Promise<Bundle> {
  return esbuild(module, 'index.mjs')
}

/** The same, as an app that the entry for Node serves. */
export function bundleForNode(module: string): Promise<Bundle> {
  return esbuild(module, 'app.mjs')
}

async function esbuild(module: string, name: string): Promise<Bundle> {
  const file = join(temporaryDirectory('bundle'), name)
  const meta = `${file}.json`
  const args = [resolve(ROOT, module), ...OPTIONS.split(' '), `--outfile=${file}`, `--metafile=${meta}`]
  await run(runtimeProgram('esbuild'), [...args, '--log-level=error'], { cwd: ROOT })
  return described(file, meta)
}

export interface WorkerOptions {
  /** What `call.authenticate` needs; default none. */
  flags?: string[]
}

/** As `wrangler deploy` bundles it, without deploying it. */
export async function bundleForWorkers(module: string, { flags = [] }: WorkerOptions = {}): Promise<Bundle> {
  const directory = temporaryDirectory('worker')
  const config = join(directory, 'wrangler.json')
  const main = resolve(ROOT, module)
  const settings = { name: 'routes', main, compatibility_date: COMPATIBILITY_DATE, compatibility_flags: flags }
  writeFileSync(config, JSON.stringify(settings))
  const meta = join(directory, 'meta.json')
  const args = ['deploy', '--dry-run', '--minify', '--config', config, '--outdir', directory, '--metafile', meta]
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', XDG_CONFIG_HOME: directory, CI: '1' }
  await run(process.execPath, [runtimeProgram('wrangler'), ...args], { cwd: ROOT, env })
  const name = main.split('/').at(-1)!.replace(/\.ts$/, '.js')
  return described(join(directory, name), meta)
}

interface Meta {
  outputs: Record<string, Output>
}
interface Output {
  inputs: Record<string, { bytesInOutput: number }>
  imports: { path: string; external?: boolean }[]
}

function described(file: string, meta: string): Bundle {
  const outputs = Object.values((JSON.parse(readFileSync(meta, 'utf8')) as Meta).outputs)
  const inputs = outputs.flatMap((output) => Object.entries(output.inputs))
  const external = outputs.flatMap(({ imports }) => imports.filter((one) => one.external))
  return {
    file,
    octets: statSync(file).size,
    inputs: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([input]) => input),
    imports: [...new Set(external.map(({ path }) => path))],
  }
}
