import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PackageJson, publishedManifest } from './manifest.ts'

/**
 * `npm run build [folder]`: writes the package that is published into `dist/`. Node.js runs no TypeScript below node_modules, so what is
 * published is compiled; everything else stands where it stands in a checkout.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Goes along as it is. */
const COPIED = [
  'README.md',
  'LICENSE',
  'gateway/cli/rouse.js',
  'gateway/cli/template',
  'functions/contract/published/rouse.schema.json',
  'functions/contract/published/openapi.json',
]

const target = process.argv[2] ?? join(ROOT, 'dist')
rmSync(target, { recursive: true, force: true })
compile(target)
for (const path of COPIED) cpSync(join(ROOT, path), join(target, path), { recursive: true })
const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as PackageJson
writeFileSync(join(target, 'package.json'), `${JSON.stringify(publishedManifest(own), null, 2)}\n`)
process.stdout.write(`${target}: ready for npm publish\n`)

function compile(folder: string): void {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const args = [tsc, '--project', join(ROOT, 'infra/package/tsconfig.json'), '--outDir', folder]
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
