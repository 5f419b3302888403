import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { absentPackage } from '../packages.ts'

/** What functions are bundled with and run on: packages of `test/runtimes/package.json`, which `npm ci` of the project does not bring. */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGES = `${ROOT}test/runtimes/node_modules/`

const CPU = process.arch
/** The programs themselves, without the scripts that look for them: a signal has to reach the program. */
const PROGRAMS = {
  esbuild: `@esbuild/linux-${CPU}/bin/esbuild`,
  workerd: `@cloudflare/workerd-linux-${CPU === 'x64' ? '64' : CPU}/bin/workerd`,
  wrangler: 'wrangler/bin/wrangler.js',
  bun: `@oven/bun-linux-${CPU === 'arm64' ? 'aarch64' : CPU}/bin/bun`,
  deno: `@deno/linux-${CPU}-glibc/deno`,
}

export type RuntimeProgram = keyof typeof PROGRAMS

/** Where the program is. */
export function runtimeProgram(name: RuntimeProgram): string {
  return `${PACKAGES}${PROGRAMS[name]}`
}

/** Reason for a test to be skipped; `false` when all are there, as `skip` of node:test takes it. */
export function absentRuntimes(...names: RuntimeProgram[]): string | false {
  const missing = names.filter((name) => !existsSync(runtimeProgram(name)))
  return absentPackage('test/runtimes') || (missing.length > 0 && `${missing.join(', ')}: not there for ${CPU}`)
}

/** What the entry needs to be allowed. */
export const DENO_RUN = ['run', '--no-prompt', '--allow-net', '--allow-env', '--allow-read', '--allow-sys']
