import { execFile } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Packages with a lock file of their own, whose tools are too big for everybody's `npm ci`; installed before the tests that need them. */
export const TEST_PACKAGES = ['infra/aws', 'infra/workers', 'test/runtimes'] as const

export type TestPackage = (typeof TEST_PACKAGES)[number]

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const INSTALL_DEADLINE_MS = 240_000

/** Reason for a test to be skipped: the package is not installed, or not as its lock file has it; `false` when it is. */
export function absentPackage(name: TestPackage): string | false {
  const installed = join(ROOT, name, 'node_modules/.package-lock.json')
  const isThere =
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(ROOT, name, 'package-lock.json')).mtimeMs
  return isThere ? false : `the tools of ${name} are not installed (npm ci --prefix ${name})`
}

/**
 * Installs those that are missing, where the registry can be reached; bounded in time, never throws.
 * @returns a sentence for each that could not be installed
 */
export async function installPackages(names: readonly TestPackage[]): Promise<string[]> {
  const refusals: string[] = []
  for (const name of names.filter(absentPackage)) {
    const refusal = process.env.INSTALL_PEERS === 'no' ? 'INSTALL_PEERS=no' : await install(name)
    if (refusal) refusals.push(`missing: the tools of ${name}: ${refusal}`)
  }
  return refusals
}

async function install(name: TestPackage): Promise<string | undefined> {
  // Scripts of packages are for this Node, not for the machine's.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` }
  const options = { cwd: join(ROOT, name), timeout: INSTALL_DEADLINE_MS, env }
  try {
    await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], options)
    return undefined
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    const lines = (stderr || message).trim().split('\n')
    return lines.find((line) => /npm error (code|network|404)/.test(line)) ?? lines.at(-1)
  }
}
