import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** What a new project asks for besides Rouse: linked, since none of it is Rouse's. */
const LINKED = ['typescript', '@typescript', '@types', 'undici-types']

// What a test of Node.js tells those below it: the project's tests are not among them.
const { NODE_TEST_CONTEXT: _, ...OWN_ENV } = process.env

/** The Node.js that runs the tests goes first, as it would be the one of the project. */
export const ENV: NodeJS.ProcessEnv = {
  ...OWN_ENV,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  npm_config_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
}

export interface Installed {
  /** A folder whose node_modules holds the package as npm has installed it. */
  folder: string
  /** Names of the files in the tarball. */
  files: string[]
  remove(): void
}

/**
 * Builds the package, packs it, and lets npm install the tarball into an empty project, without a network: what the package depends on is
 * there already.
 */
export function installPackage(): Installed {
  const work = mkdtempSync(join(tmpdir(), 'rouse-package-'))
  run(process.execPath, [join(ROOT, 'infra/package/build.ts'), join(work, 'dist')], ROOT)
  const [packed] = JSON.parse(run('npm', ['pack', join(work, 'dist'), '--pack-destination', work, '--json'], work))
  const folder = join(work, 'project')
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "name": "project", "private": true, "type": "module" }\n')
  for (const name of dependencies()) cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  run('npm', ['install', '--no-package-lock', join(work, packed.filename)], folder)
  for (const name of LINKED) link(join(folder, 'node_modules'), name)
  return {
    folder,
    files: packed.files.map(({ path }: { path: string }) => path),
    remove: () => rmSync(work, { recursive: true, force: true }),
  }
}

/** Runs a program to its end. @returns what it wrote */
export function run(command: string, args: string[], cwd: string, settings: Record<string, string> = {}): string {
  const env = { ...ENV, ...settings }
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env, timeout: 120_000 })
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${status}\n${stdout}${stderr}`)
  return stdout
}

/** Folders of what is installed for production, those of dependencies' own included. */
function dependencies(): string[] {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  return Object.entries(lock.packages as Record<string, { dev?: true; devOptional?: true }>)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path]) => path)
    .filter((path) => existsSync(join(ROOT, path)))
}

function link(modules: string, name: string): void {
  const own = join(ROOT, 'node_modules', name)
  if (existsSync(own) && !existsSync(join(modules, name))) symlinkSync(own, join(modules, name))
}
