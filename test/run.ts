import { globSync } from 'node:fs'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { installPackages, TEST_PACKAGES } from './packages.ts'
import { installPeers, type PeerReport, TEST_PEERS } from './peers.ts'

/** `npm test [path…]`: brings the programs that tests meet, runs every test, says what was skipped and why. */

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Test files at a time. Those that meet real programs wait most of the time, so they may share two cores. */
const FILES_AT_A_TIME = 3
const FILE_DEADLINE_MS = 180_000

/** Each file is a process of its own, and many start gateways: what they have in common is compiled once. */
process.env.NODE_COMPILE_CACHE ??= `${ROOT}node_modules/.cache/compiled`

const started = performance.now()
const files = testFiles(process.argv.slice(2))
if (files.some((file) => file.includes('interop'))) reportPeers(await installPeers(TEST_PEERS))
const packages = TEST_PACKAGES.filter((name) => files.some((file) => file.includes(name)))
for (const refusal of await installPackages(packages)) console.log(refusal)
process.exitCode = (await runAll(files)) ? 0 : 1
console.log(`took ${Math.round((performance.now() - started) / 1_000)} s`)

/** Those that wait for real programs come first: the others fill the gaps. */
function testFiles(paths: string[]): string[] {
  const all = globSync('test/**/*.test.ts', { cwd: ROOT, exclude: ['**/node_modules'] }).sort()
  const chosen = paths.length > 0 ? all.filter((file) => paths.some((path) => file.includes(path))) : all
  const isInterop = (file: string) => file.includes('interop')
  return [...chosen.filter(isInterop), ...chosen.filter((file) => !isInterop(file))].map((file) => `${ROOT}${file}`)
}

function reportPeers({ installed, missing }: PeerReport): void {
  if (installed.length > 0) console.log(`installed: ${installed.map((peer) => peer.package).join(', ')}`)
  for (const { peer, reason } of missing) console.log(`missing: ${peer.program} (package ${peer.package}): ${reason}`)
}

/** @returns whether every test passed */
async function runAll(files: string[]): Promise<boolean> {
  const skipped = new Map<string, string[]>()
  let isGood = false
  const tests = run({ files, cwd: ROOT, concurrency: FILES_AT_A_TIME, timeout: FILE_DEADLINE_MS })
  tests.on('test:pass', ({ name, skip }) => {
    if (skip) skipped.set(String(skip), [...(skipped.get(String(skip)) ?? []), name])
  })
  tests.on('test:summary', ({ success, file }) => {
    if (!file) isGood = success
  })
  const output = tests.compose(spec)
  output.pipe(process.stdout, { end: false })
  await finished(output)
  for (const [reason, names] of skipped) console.log(`skipped ${names.length}: ${reason}\n  ${names.join('\n  ')}`)
  return isGood
}
