import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { validate } from 'dockerfile-utils'
import { noContainers } from './container.ts'
import { readContext } from './context.ts'
import { buildImage, type Image } from './image.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')
const DOCKERFILE = join(ROOT, 'infra/docker/Dockerfile')
const TEXT = readFileSync(DOCKERFILE, 'utf8')
const PORT = 27_310
const SETTINGS = {
  SIP_LISTEN: `udp://0.0.0.0:${PORT},tcp://0.0.0.0:${PORT}`,
  SIP_ADVERTISE: `127.0.0.1:${PORT}`,
  SIP_DOMAINS: 'example.com',
  HTTP_LISTEN: `0.0.0.0:${PORT + 1}`,
  API_TOKEN: 'a-long-random-word',
}

test('the validator of Dockerfiles finds nothing wrong, and would', () => {
  assert.deepEqual(
    validate(TEXT).map(({ message }) => message),
    [],
  )
  const wrong = TEXT.replace('--interval=10s', '--intervall=10s')
  assert.deepEqual(
    validate(wrong).map(({ message }) => message),
    ['Unknown flag: intervall'],
  )
})

test('a build sees what the image needs, and neither tests, nor secrets, nor other rooms of infra', () => {
  const { lets } = readContext(ROOT)
  for (const path of ['package.json', 'gateway/main.ts', 'functions/sdk/index.ts', 'infra/docker/start.ts'])
    assert.ok(lets(path), path)
  for (const path of [
    '.git/HEAD',
    '.env',
    'functions/.env.local',
    'test/run.ts',
    'node_modules/a/b.js',
    'infra/aws/app.ts',
  ])
    assert.ok(!lets(path), path)
})

describe('the image, built and run without an engine', { skip: noContainers() }, () => {
  let image: Image
  let failure: string | undefined
  before(async () => {
    image = await buildImage(DOCKERFILE, ROOT).catch((error: Error) => {
      if (!/ENOTCACHED|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ENETUNREACH|ETIMEDOUT/.test(error.message)) throw error
      failure = 'npm reaches no registry, and its cache has not all that the image needs'
      return { remove() {} } as Image
    })
  })
  after(() => image.remove())

  test('takes calls as an unprivileged user on a read-only root, is healthy, and stops when told to', async (t) => {
    if (failure) return t.skip(failure)
    const container = image.start(SETTINGS)
    await container.says(/Rouse is ready/)
    assert.match(await register(), /^SIP\/2\.0 200 /)
    const { status, output } = container.exec(image.stage.healthCheck)
    assert.equal(status, 0, output)
    assert.equal(container.exec(['id', '-u']).output, '1000\n')
    const written = "const { writeFileSync } = require('node:fs'); writeFileSync('gateway/main.ts', '')"
    assert.match(container.exec(['node', '-e', written]).output, /EROFS/)
    assert.equal(await container.stop(image.stage.stopSignal), 0, container.output())
  })

  test('says all that is missing when it is started without settings', async (t) => {
    if (failure) return t.skip(failure)
    const container = image.start({})
    assert.equal(await container.ended(), 1)
    assert.match(container.output(), /SIP_ADVERTISE: expected/)
    assert.match(container.output(), /API_TOKEN: expected/)
  })

  test('is unhealthy when nothing answers, and says so', async (t) => {
    if (failure) return t.skip(failure)
    const container = image.start({ HTTP_LISTEN: `127.0.0.1:${PORT + 2}` }, image.stage.healthCheck)
    assert.equal(await container.ended(), 1)
    assert.match(container.output(), new RegExp(`127\\.0\\.0\\.1:${PORT + 2}/healthz does not answer`))
  })

  test('serves functions, and the REST of Upstash, as other commands', async (t) => {
    if (failure) return t.skip(failure)
    const serve = ['node', 'functions/entry/node.ts', 'functions/examples/app.ts']
    const functions = image.start({ PORT: '0', FUNCTIONS_UNSIGNED: 'loopback' }, serve)
    await functions.says(/listening on/)
    assert.equal(await functions.stop('SIGTERM'), 0)
    const upstash = image.start({ UPSTASH_LOCAL_LISTEN: '127.0.0.1:0' }, ['node', 'infra/upstash-local/main.ts'])
    await upstash.says(/upstash-local is ready/)
    assert.equal(await upstash.stop('SIGTERM'), 0)
  })

  test('has no tool of the developers in it', (t) => {
    if (failure) return t.skip(failure)
    const modules = join(image.root, 'opt/rouse/node_modules')
    assert.ok(existsSync(join(modules, 'hono')))
    for (const name of ['typescript', '@biomejs', 'node', 'kubernetes-models'])
      assert.ok(!existsSync(join(modules, name)), name)
    assert.deepEqual(globSync('opt/rouse/{test,infra/aws}', { cwd: image.root }), [])
  })
})

/** A phone's REGISTER, and the first line that comes back. */
async function register(): Promise<string> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const contact = `127.0.0.1:${socket.address().port}`
  const lines = [
    'REGISTER sip:example.com SIP/2.0',
    `Via: SIP/2.0/UDP ${contact};branch=z9hG4bK1`,
    'Max-Forwards: 70',
    'From: <sip:bob@example.com>;tag=1',
    'To: <sip:bob@example.com>',
    'Call-ID: image',
    'CSeq: 1 REGISTER',
    `Contact: <sip:bob@${contact}>;expires=60`,
    'Content-Length: 0',
  ]
  socket.send(`${lines.join('\r\n')}\r\n\r\n`, PORT, '127.0.0.1')
  const [answer] = await once(socket, 'message')
  socket.close()
  return String(answer).split('\r\n')[0]!
}
