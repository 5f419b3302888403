import assert from 'node:assert/strict'
import { test } from 'node:test'
import { invoking, SECRET, type Send } from '../functions/contract-suite/reach.ts'
import { invocation } from '../functions/invocations.ts'
import { bundleForLambda } from './bundle.ts'
import { Lambda } from './lambda/lambda.ts'
import { absentRuntimes } from './programs.ts'
import { runtimeSuite } from './suite.ts'

/** Bundled as for AWS, in a process as AWS starts it, behind each thing that AWS can put in front of it. */

const FRONTS = ['function-url', 'http-api', 'http-api-1.0', 'rest-api', 'alb'] as const
const skip = absentRuntimes('esbuild')
const bundle = skip ? undefined : await bundleForLambda('test/runtimes/apps/contract-lambda.ts')

for (const [at, front] of FRONTS.entries()) {
  runtimeSuite({
    name: `AWS Lambda behind ${front}`,
    skip,
    start: (env) => Lambda.start(bundle!.file, front, env),
    redisPort: 27_220 + at,
    // What an HTTP API does to paths is of concern to the contract; the others are other events for the same program.
    withContract: front === 'function-url' || front === 'http-api',
  })
}

test('AWS Lambda: a handler that hangs is answered in time, and the process goes on', { skip }, async (t) => {
  const lambda = await Lambda.start(bundle!.file, 'function-url', { WEBHOOK_SECRET: SECRET, REGION: 'eu' })
  t.after(() => lambda.stop())
  const send: Send = (path, init) => fetch(`${lambda.url}/http${path}`, init)
  const invoke = invoking(send)
  assert.equal((await invoke('/invite/example.com/region', invocation())).status, 200)
  lambda.api.timeoutMs = 200
  const { status, body } = await invoke('/invite/example.com/hangs', invocation())
  assert.deepEqual([status, (body as { title: string }).title], [504, 'handler.timeout'])
  lambda.api.timeoutMs = 3000
  assert.equal((await invoke('/invite/example.com/region', invocation())).status, 200)
  assert.ok(lambda.program.isRunning)
})
