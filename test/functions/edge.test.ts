import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What runs at the edge has fetch and WebCrypto, and no socket. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What runs at the edge: all but the entry for Lambda, and what only Node can push by. */
const {
  './lambda': LAMBDA,
  './push/node': PUSH_ON_NODE,
  ...EXPORTS
} = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')).exports as Record<string, string>

/** Every module that is loaded with these, as Workers resolve them: file paths below the project, `node:…` for Node's own. */
async function loadedWith(...modules: string[]): Promise<string[]> {
  const files = modules.map((module) => fileURLToPath(new URL(module, new URL('../../', import.meta.url))))
  const args = ['--conditions=workerd', `${ROOT}test/functions/loaded-modules.ts`, ...files]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const loaded = JSON.parse(stdout) as [url: string, by: string][]
  return [...new Set(loaded.map(([url]) => (url.startsWith('file:') ? fileURLToPath(url).replace(ROOT, '') : url)))]
}

const isNodes = (module: string) => module.startsWith('node:')
const ofPackage = (module: string) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(module)?.[1]
const roomOf = (module: string) => /^(functions\/[^/]+|gateway)\//.exec(module)?.[1]

test('what a function imports loads nothing of Node, no Redis client that needs a socket, nothing of the gateway', async () => {
  const loaded = await loadedWith(...Object.values(EXPORTS).filter((file) => file.endsWith('.ts')))
  assert.deepEqual(loaded.filter(isNodes), [])
  assert.deepEqual([...new Set(loaded.map(roomOf).filter(Boolean))].sort(), [
    'functions/contract',
    'functions/ingress',
    'functions/push',
    'functions/sdk',
    'functions/store',
    'functions/testing',
  ])
  const packages = new Set(loaded.map(ofPackage).filter(Boolean))
  assert.ok(packages.has('@upstash/redis') && packages.has('hono'), `it loads ${[...packages]}`)
  assert.ok(!packages.has('@redis/client') && !packages.has('undici'))
  assert.deepEqual(
    loaded.filter((module) => /\/tcp/.test(module)),
    [],
  )
})

test('a router without a store loads no Redis client at all', async () => {
  const loaded = await loadedWith(EXPORTS['.']!)
  assert.deepEqual(
    loaded.map(ofPackage).filter((name) => name?.includes('redis')),
    [],
  )
  assert.ok(!loaded.some((module) => roomOf(module) === 'functions/store'))
})

test('only call.authenticate, when it is used, needs a module of Node: MD5 is not in WebCrypto', async () => {
  assert.deepEqual((await loadedWith('functions/sdk/digest.ts')).filter(isNodes), ['node:crypto'])
})

test('pushes at the edge bring no AWS SDK and no HTTP client; those on Node would be seen', async () => {
  const packages = async (module: string) => new Set((await loadedWith(module)).map(ofPackage).filter(Boolean))
  const atTheEdge = await packages(EXPORTS['./push']!)
  assert.ok(atTheEdge.has('jose') && atTheEdge.has('@block65/webcrypto-web-push'), `it loads ${[...atTheEdge]}`)
  assert.ok(!atTheEdge.has('undici') && !atTheEdge.has('@aws-sdk/client-sns'))
  const onNode = await packages(PUSH_ON_NODE!)
  assert.ok(onNode.has('undici') && !onNode.has('@aws-sdk/client-sns'), 'the AWS SDK is loaded when it is first used')
})

test('the entry for Lambda brings no server and no client of its own', async () => {
  const loaded = await loadedWith(LAMBDA!)
  assert.deepEqual(loaded.filter(isNodes), ['node:stream/promises'])
  assert.deepEqual([...new Set(loaded.map(ofPackage).filter(Boolean))].sort(), ['hono'])
})

test('the store over TCP would be seen', async () => {
  const loaded = await loadedWith('functions/store/redis/tcp.ts')
  assert.ok(loaded.includes('node:net'))
  assert.ok(loaded.some((module) => ofPackage(module) === '@redis/client'))
})
