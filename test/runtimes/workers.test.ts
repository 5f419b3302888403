import assert from 'node:assert/strict'
import { test } from 'node:test'
import { invoking, SECRET, type Send } from '../functions/contract-suite/reach.ts'
import { invocation } from '../functions/invocations.ts'
import { bundleForWorkers } from './bundle.ts'
import { absentRuntimes } from './programs.ts'
import { runtimeSuite } from './suite.ts'
import { Worker } from './worker.ts'

/** Bundled by wrangler, on Cloudflare's own runtime. */

const skip = absentRuntimes('esbuild', 'wrangler', 'workerd')
const flags = ['nodejs_compat']

async function start(app: string, env: Record<string, string>, flags: string[]): Promise<Worker> {
  const { file } = await bundleForWorkers(app, { flags })
  return Worker.start(file, { env, flags })
}

runtimeSuite({
  name: 'Cloudflare Workers',
  skip,
  start: (env) => start('test/runtimes/apps/contract.ts', env, flags),
  redisPort: 27_230,
  endsWithAnswer: 'a Worker’s timers end with its answer',
  dropsUnread: true,
})

test('with nodejs_compat process.env has the bindings when the module is loaded', { skip }, async (t) => {
  const worker = await start('test/runtimes/apps/settings.ts', { WEBHOOK_SECRET: SECRET }, flags)
  t.after(() => worker.stop())
  const send: Send = (path, init) => fetch(worker.url + path, init)
  const path = '/invite/example.com/bob'
  assert.equal((await invoking(send)(path, invocation())).status, 200)
  assert.equal((await send(path, { method: 'POST', body: JSON.stringify(invocation()) })).status, 401)
})
