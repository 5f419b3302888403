import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import { createAdaptorServer } from '@hono/node-server'
import { createPush } from '../../functions/push/index.ts'
import { createHttpPush } from '../../gateway/http-push.ts'
import { silentLog } from '../../gateway/observe/log.ts'
import { systemClock } from '../../gateway/system.ts'

const MESSAGE = {
  id: 'push-1',
  aor: 'sip:bob@example.com',
  device: 'urn:uuid:phone',
  provider: 'fcm',
  purpose: 'call' as const,
  prid: 'secret-token',
  param: 'app',
  ttlSeconds: 30,
}
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function sender(server: Server, secret?: string) {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const push = createHttpPush({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/push`,
    clock: systemClock,
    secret,
  })
  closing.push(
    () => server.close(),
    () => server.closeAllConnections(),
    () => push.close(),
  )
  return push
}

const AWAY = { outcome: 'failed', error: 'the push function cannot be reached', retryAfterSeconds: 0 }

function answering(listener: RequestListener): Server {
  return createServer((request, response) => {
    request.resume()
    request.on('end', () => listener(request, response))
  })
}

test('a push function behind a URL is asked, and its result comes back', async () => {
  const app = createPush({ log: silentLog })
  const push = await sender(createAdaptorServer({ fetch: app.fetch }) as Server)
  assert.deepEqual(await push.send(MESSAGE), { outcome: 'accepted' })
})

test('pushes are signed when there is a secret, and a push function that asks for it takes no other', async () => {
  const app = createPush({ log: silentLog, secret: SECRET })
  const signed = await sender(createAdaptorServer({ fetch: app.fetch }) as Server, SECRET)
  assert.deepEqual(await signed.send(MESSAGE), { outcome: 'accepted' })
  const unsigned = await sender(createAdaptorServer({ fetch: app.fetch }) as Server)
  assert.deepEqual(await unsigned.send(MESSAGE), { outcome: 'failed', error: 'the push function answered 401' })
})

test('a push function that is overloaded or has failed may be asked again, one that refuses may not', async () => {
  for (const [status, retry] of [
    [429, { retryAfterSeconds: 7 }],
    [503, { retryAfterSeconds: 7 }],
    [413, {}],
  ] as const) {
    const push = await sender(answering((_, response) => response.writeHead(status, { 'retry-after': '7' }).end()))
    const error = `the push function answered ${status}`
    assert.deepEqual(await push.send(MESSAGE), { outcome: 'failed', error, ...retry })
  }
})

test('a push function that is dead, says something else or too much: failed, and no token in the error', async () => {
  const html = await sender(answering((_request, response) => response.end('<html>')))
  assert.deepEqual(await html.send(MESSAGE), { outcome: 'failed', error: 'the push function answered no JSON' })
  const wrong = await sender(answering((_request, response) => response.end('{"outcome":"perhaps"}')))
  assert.deepEqual(await wrong.send(MESSAGE), {
    outcome: 'failed',
    error: 'the push function answered something else than a result',
  })
  const endless = await sender(answering((_request, response) => response.end('x'.repeat(1_000_000))))
  assert.deepEqual(await endless.send(MESSAGE), AWAY)
  const dead = createHttpPush({ url: 'http://127.0.0.1:1/push', clock: systemClock })
  closing.push(() => dead.close())
  assert.deepEqual(await dead.send(MESSAGE), AWAY)
})
