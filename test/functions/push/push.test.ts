import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { PushMessage, PushResult } from '../../../functions/contract/push.ts'
import { createSigner } from '../../../functions/contract/sign.ts'
import { createPush, type PushOptions } from '../../../functions/push/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { NOW, pushOf } from './pushes.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const MESSAGE = pushOf({ param: 'project-of-bob', data: { why: 'call' } })

/** Keeps the lines: none of them may ever hold a token. */
class Lines {
  readonly all: string[] = []
  info = (message: string, fields?: object) => void this.all.push(JSON.stringify({ message, ...fields }))
  warn = this.info
}

function push(options: Partial<PushOptions> = {}) {
  const log = new Lines()
  return { log, ...createPush({ log, clock: new FakeClock(NOW), ...options }) }
}

function assertNoToken(value: unknown): void {
  assert.doesNotMatch(JSON.stringify(value), /token-of-bob|project-of-bob/)
}

describe('which provider', () => {
  test('the one named by pn-provider (RFC 8599 4.1.1)', async () => {
    const sent: PushMessage[] = []
    const fcm = {
      send: async (message: PushMessage) => {
        sent.push(message)
        return { outcome: 'accepted' as const }
      },
    }
    const { send, log } = push({ providers: { fcm } })
    assert.deepEqual(await send(MESSAGE), { outcome: 'accepted' })
    assert.deepEqual(sent, [MESSAGE])
    assert.match(log.all[0]!, /"push sent".*"aor":"sip:bob@example.com".*"provider":"fcm"/)
    assertNoToken(log.all)
  })

  test('none: the console, which says who was to be woken, and never the token', async () => {
    const { send, log } = push()
    assert.deepEqual(await send(MESSAGE), { outcome: 'accepted' })
    assert.equal(log.all.length, 1)
    assert.match(log.all[0]!, /console.*"aor":"sip:bob@example.com","device":"urn:uuid:1"/)
    assertNoToken(log.all)
  })

  test('one that there is none of, beside others that there are: unsupported, and they are named', async () => {
    const nothing = { send: async () => ({ outcome: 'accepted' as const }) }
    const { send, log } = push({ providers: { apns: nothing, webpush: nothing } })
    assert.deepEqual(await send(MESSAGE), {
      outcome: 'unsupported',
      error: 'there is no provider for this pn-provider; there is one for apns, webpush',
    })
    assertNoToken(log.all)
  })

  test('a provider named like a method of Object is not one', async () => {
    assert.deepEqual(await push().send({ ...MESSAGE, provider: 'constructor' }), { outcome: 'accepted' })
  })

  test('a provider that throws, or quotes the token: failed, without it', async () => {
    const rejects = { send: () => Promise.reject(new Error('no such token: token-of-bob')) }
    const quotes = {
      send: async () => ({ outcome: 'token_invalid' as const, error: 'token-of-bob of project-of-bob is gone' }),
    }
    const half = { send: async () => ({ outcome: 'failed' as const, error: 'first-token is bad' }) }
    const { send, log } = push({ providers: { rejects, quotes, half } })
    const two = { ...MESSAGE, provider: 'half', prid: 'first-token:voip&token-of-bob:remote' }
    assert.deepEqual(await send(two), { outcome: 'failed', error: '… is bad' })
    log.all.length = 0
    assert.deepEqual(await send({ ...MESSAGE, provider: 'rejects' }), { outcome: 'failed', error: 'no such token: …' })
    assert.deepEqual(await send({ ...MESSAGE, provider: 'quotes' }), {
      outcome: 'token_invalid',
      error: '… of … is gone',
    })
    assert.match(log.all[0]!, /"push not sent"/)
    assertNoToken(log.all)
  })
})

describe('the webhook', () => {
  let received: { request: IncomingMessage; body: string }[] = []
  let answer: (response: ServerResponse) => void = (response) => response.end()
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ request, body })
      answer(response)
    })
  })
  let webhookUrl = ''

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    webhookUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/push-in`
  })
  after(() => {
    server.close()
    server.closeAllConnections()
  })

  function answers(status: number, headers: Record<string, string> = {}): void {
    received = []
    answer = (response) => response.writeHead(status, headers).end('token-of-bob')
  }

  test('gets the push as JSON, with its id; 2xx is accepted', async () => {
    answers(202)
    const { send, log } = push({ webhookUrl })
    assert.deepEqual(await send(MESSAGE), { outcome: 'accepted' })
    const [{ request, body }] = received as [(typeof received)[0]]
    assert.deepEqual([request.method, request.url], ['POST', '/push-in'])
    assert.equal(request.headers['content-type'], 'application/json')
    assert.equal(request.headers['webhook-id'], 'push-1')
    assert.equal(request.headers['webhook-signature'], undefined)
    assert.deepEqual(JSON.parse(body), MESSAGE)
    assertNoToken(log.all)
  })

  test('with a secret the push is signed (Standard Webhooks)', async () => {
    answers(200)
    await push({ webhookUrl, secret: SECRET }).send(MESSAGE)
    const [{ request, body }] = received as [(typeof received)[0]]
    const header = (name: string) => request.headers[name] as string | undefined
    const verified = await createSigner(SECRET).verify(header, body, 1_700_000_000_000)
    assert.deepEqual(verified, { ok: true, value: { id: 'push-1', timestamp: 1_700_000_000 } })
  })

  test('410: the token is dead', async () => {
    answers(410)
    const { send, log } = push({ webhookUrl })
    assert.deepEqual(await send(MESSAGE), { outcome: 'token_invalid', error: 'the webhook answered 410' })
    assertNoToken(log.all)
  })

  test('5xx and 429: failed, with Retry-After in seconds or as a date (RFC 9110 10.2.3)', async () => {
    answers(500)
    const error = 'the webhook answered 500'
    assert.deepEqual(await push({ webhookUrl }).send(MESSAGE), { outcome: 'failed', error, retryAfterSeconds: 0 })
    answers(429, { 'retry-after': '7' })
    assert.equal((await push({ webhookUrl }).send(MESSAGE)).retryAfterSeconds, 7)
    answers(503, { 'retry-after': new Date(1_700_000_000_000 + 90_000).toUTCString() })
    assert.equal((await push({ webhookUrl }).send(MESSAGE)).retryAfterSeconds, 90)
    answers(503, { 'retry-after': 'soon' })
    assert.equal((await push({ webhookUrl }).send(MESSAGE)).retryAfterSeconds, 0)
  })

  test('408, 425, 429 and 5xx may be tried again; other statuses say that it is of no use', async () => {
    for (const status of [408, 425, 429, 502, 504]) {
      answers(status)
      assert.equal((await push({ webhookUrl }).send(MESSAGE)).retryAfterSeconds, 0, String(status))
    }
    for (const status of [400, 401, 404, 413]) {
      answers(status, { 'retry-after': '7' })
      const error = `the webhook answered ${status}`
      assert.deepEqual(await push({ webhookUrl }).send(MESSAGE), { outcome: 'failed', error })
    }
  })

  test('a redirect is not followed: no token goes where nobody sent it', async () => {
    answers(307, { location: '/elsewhere' })
    assert.deepEqual(await push({ webhookUrl }).send(MESSAGE), {
      outcome: 'failed',
      error: 'the webhook answered 307; redirects are not followed',
    })
    assert.equal(received.length, 1)
  })

  test('a webhook that does not answer: failed when its time is over, and no timer is left', async () => {
    received = []
    const clock = new FakeClock()
    const arrived = new Promise<void>((resolve) => {
      answer = () => resolve()
    })
    const result = push({ webhookUrl, clock, timeoutMs: 3000 }).send(MESSAGE)
    await arrived
    await clock.advance(2999)
    assert.equal(clock.pending, 1)
    await clock.advance(1)
    assert.deepEqual(await result, {
      outcome: 'failed',
      error: 'the webhook: no answer within 3000 ms',
      retryAfterSeconds: 0,
    })
    assert.equal(clock.pending, 0)
  })

  test('a webhook that cannot be reached: failed, and no timer is left', async () => {
    const clock = new FakeClock()
    const result = await push({ webhookUrl: 'http://127.0.0.1:1/', clock }).send(MESSAGE)
    assert.deepEqual(result, { outcome: 'failed', error: 'the webhook could not be reached', retryAfterSeconds: 0 })
    assert.equal(clock.pending, 0)
  })

  test('a URL that is none is refused when it is configured', () => {
    for (const url of ['', 'example.com', 'ftp://example.com', 'javascript:alert(1)']) {
      assert.throws(() => push({ webhookUrl: url }), /webhookUrl: expected an http or https URL/)
    }
  })
})

describe('POST /push', () => {
  const post = (fetch: (request: Request) => Promise<Response>, body: string, headers: Record<string, string> = {}) =>
    fetch(new Request('https://push.test/push', { method: 'POST', body, headers }))

  /** Counts what is pushed. */
  const scripted = (send: () => Promise<PushResult> = async () => ({ outcome: 'accepted' })) => ({
    count: 0,
    send(): Promise<PushResult> {
      this.count++
      return send()
    },
  })

  const signedTo = (fetch: (request: Request) => Promise<Response>) => {
    return async (message: PushMessage, now = NOW): Promise<PushResult> => {
      const body = JSON.stringify(message)
      const response = await post(fetch, body, { ...(await createSigner(SECRET).sign(message.id, body, now)) })
      assert.equal(response.status, 200)
      return (await response.json()) as PushResult
    }
  }

  test('a push goes out, the result comes back', async () => {
    const response = await post(push().fetch, JSON.stringify(MESSAGE))
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { outcome: 'accepted' })
  })

  test('bad bodies are answered with a problem and a pointer; no token in it', async () => {
    for (const [body, status, pointer] of [
      ['<html>', 400, ''],
      ['{}', 400, '/id'],
      [JSON.stringify({ ...MESSAGE, ttlSeconds: -1 }), 400, '/ttlSeconds'],
      [JSON.stringify({ ...MESSAGE, prid: 'token-of-bob'.repeat(1000) }), 400, '/prid'],
      [JSON.stringify({ ...MESSAGE, more: 'x'.repeat(70_000) }), 413, undefined],
    ] as const) {
      const response = await post(push().fetch, body)
      assert.equal(response.status, status)
      const problem = (await response.json()) as { pointer?: string }
      assert.equal(problem.pointer, pointer)
      assertNoToken(problem)
    }
  })

  test('with a secret it has to be signed', async () => {
    const { fetch } = push({ secret: SECRET })
    const body = JSON.stringify(MESSAGE)
    assert.equal((await post(fetch, body)).status, 401)
    const headers = await createSigner(SECRET).sign('push-1', body, NOW)
    assert.equal((await post(fetch, body, { ...headers })).status, 200)
  })

  test('a signed push that comes again, as it was or signed anew, is answered as before and pushes nothing', async () => {
    const provider = scripted()
    const { fetch } = push({ secret: SECRET, providers: { fcm: provider } })
    const send = signedTo(fetch)
    const first = await send(MESSAGE)
    assert.deepEqual(await send(MESSAGE), first)
    assert.deepEqual(await send(MESSAGE, NOW + 2000), first)
    assert.equal(provider.count, 1)
    await send({ ...MESSAGE, id: 'another' })
    assert.equal(provider.count, 2)
  })

  test('one that comes while its first try is under way is that try', async () => {
    const answer = Promise.withResolvers<PushResult>()
    const provider = scripted(() => answer.promise)
    const send = signedTo(push({ secret: SECRET, providers: { fcm: provider } }).fetch)
    const both = [send(MESSAGE), send(MESSAGE)]
    answer.resolve({ outcome: 'accepted' })
    assert.deepEqual(await Promise.all(both), [{ outcome: 'accepted' }, { outcome: 'accepted' }])
    assert.equal(provider.count, 1)
  })

  test('what has failed is pushed when it is tried again, even within the second of the first try', async () => {
    const results: PushResult[] = [{ outcome: 'failed', retryAfterSeconds: 0 }, { outcome: 'accepted' }]
    const provider = scripted(async () => results.shift()!)
    const send = signedTo(push({ secret: SECRET, providers: { fcm: provider } }).fetch)
    assert.equal((await send(MESSAGE)).outcome, 'failed')
    assert.equal((await send(MESSAGE)).outcome, 'accepted')
  })

  test('other paths: 404', async () => {
    assert.equal((await push().fetch(new Request('https://push.test/'))).status, 404)
  })
})
