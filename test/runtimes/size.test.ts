import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Bundle, bundleForLambda, bundleForWorkers } from './bundle.ts'
import { absentRuntimes } from './programs.ts'

/** What is deployed stays small, since it is loaded whenever a process begins: a caller waits for that. */

const WITH_STORE = 'test/interop/apps/shop.ts'
const EXAMPLE = 'functions/examples/app.ts'

function isSmall(t: TestContext, name: string, { octets, inputs }: Bundle, most: number): void {
  t.diagnostic(`${name}: ${Math.round(octets / 1000)} kB of at most ${most / 1000}`)
  assert.ok(octets <= most, `${name} has ${octets} octets, at most ${most} were expected`)
  assert.deepEqual(
    inputs.filter((input) => /locales|node_modules\/(@redis|undici|@hono\/node-server|pino)\b|gateway\//.test(input)),
    [],
  )
}

test('a Worker carries the SDK, no locales, no client that needs a socket', {
  skip: absentRuntimes('esbuild', 'wrangler'),
}, async (t) => {
  const [example, shop] = await Promise.all([bundleForWorkers(EXAMPLE), bundleForWorkers(WITH_STORE)])
  isSmall(t, 'the default app for Workers', example, 150_000)
  isSmall(t, 'an app with the store for Workers', shop, 300_000)
  // MD5 is not in WebCrypto: asked for when call.authenticate is used, not before.
  assert.deepEqual(example.imports, ['node:crypto'])
  assert.deepEqual(shop.imports, ['node:crypto'])
})

test('a Lambda carries the same, and what reads its events', { skip: absentRuntimes('esbuild') }, async (t) => {
  isSmall(t, 'the default app for Lambda', await bundleForLambda('test/runtimes/apps/example-lambda.ts'), 150_000)
})
