import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createSigner } from '../../../functions/contract/sign.ts'
import { absentPackage } from '../../packages.ts'

const ROOM = fileURLToPath(new URL('../../../infra/workers', import.meta.url))
const WRANGLER = join(ROOM, 'node_modules/wrangler/bin/wrangler.js')
const OFFLINE = { CI: '1', WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' }
/** Octets of a Worker on the free plan, compressed: 3 MB; what is loaded whenever an isolate begins should be far below. */
const MOST_OCTETS = 1_000_000

test('wrangler would deploy the functions, and takes every field of their configuration', {
  skip: absentPackage('infra/workers'),
}, async (t) => {
  const directory = temporary(t)
  const args = [WRANGLER, 'deploy', '--dry-run', '--outdir', directory]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    cwd: ROOM,
    env: { ...process.env, ...OFFLINE },
  })
  assert.match(stdout, /--dry-run: exiting now/)
  assert.doesNotMatch(`${stdout}${stderr}`, /WARNING|Unexpected field/)
  assert.ok(statSync(join(directory, 'worker.js')).size < MOST_OCTETS)
  assert.doesNotMatch(readFileSync(join(directory, 'worker.js'), 'utf8'), /from "node:net"/)
})

test('the Worker says its routes, and answers, to its gateways alone', {
  skip: absentPackage('infra/workers'),
}, async (t) => {
  Object.assign(process.env, OFFLINE)
  const { createTestHarness } = await import('../../../infra/workers/testing.ts')
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  const vars = { WEBHOOK_SECRET: secret }
  const server = createTestHarness({ root: ROOM, workers: [{ configPath: './wrangler.jsonc', vars }] })
  t.after(() => server.close())
  await server.listen()
  const headers = { ...(await createSigner(secret).sign('manifest', '', Date.now())) }
  const manifest = await server.fetch('/.well-known/rouse', { headers })
  assert.equal(manifest.status, 200)
  assert.equal(((await manifest.json()) as { contract: number }).contract, 1)
  for (const [path, init] of [
    ['/.well-known/rouse', {}],
    ['/invite/example.com/bob', { method: 'POST', body: '{}' }],
  ] as const)
    assert.equal((await server.fetch(path, init)).status, 401, path)
})

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'rouse-worker-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}
