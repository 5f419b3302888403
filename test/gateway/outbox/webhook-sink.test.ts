import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { publicFetch } from '../../../functions/push/public-fetch.ts'
import { webhookSink } from '../../../gateway/outbox/webhook-sink.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { SECRET } from './scene.ts'

const OLD = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
const BODY = JSON.stringify({ specversion: '1.0', id: 'e', type: 'pickup', data: { name: 'Björn' } })

interface Receiver {
  url: string
  heard: { headers: IncomingHttpHeaders; body: string }[]
}

async function receiver(t: TestContext, status: number, headers: Record<string, string> = {}): Promise<Receiver> {
  const heard: Receiver['heard'] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    heard.push({ headers: request.headers, body })
    response.writeHead(status, headers).end('x'.repeat(100_000))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard }
}

/** On real sockets; the time of signatures is the wall clock's. */
function sink(t: TestContext, isAllowed?: (address: string) => boolean) {
  const clock = new FakeClock()
  const { fetch, close } = publicFetch(isAllowed ? { isAllowed } : {})
  t.after(close)
  const made = webhookSink({ fetch, clock: { now: () => Date.now(), after: (ms, action) => clock.after(ms, action) } })
  const deliver = (url: string, secret = SECRET) =>
    made.deliver({ id: 'message-1', type: 'pickup', target: { url }, body: BODY, secret })
  return { deliver, clock }
}

describe('a webhook', () => {
  test('gets the CloudEvent, signed with every live secret as Standard Webhooks has it', async (t) => {
    const { url, heard } = await receiver(t, 200)
    const { deliver } = sink(t, () => true)
    assert.deepEqual(await deliver(url, `${SECRET} ${OLD}`), { outcome: 'delivered' })
    const { headers, body } = heard[0]!
    assert.equal(headers['content-type'], 'application/cloudevents+json')
    assert.equal(headers['webhook-id'], 'message-1')
    assert.equal(body, BODY)
    for (const secret of [SECRET, OLD]) new Webhook(secret).verify(body, headers as Record<string, string>)
    const stranger = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
    assert.throws(() => new Webhook(stranger).verify(body, headers as Record<string, string>))
  })

  for (const [status, headers, expected] of [
    [204, {}, { outcome: 'delivered' }],
    [410, {}, { outcome: 'gone', error: 'answered 410' }],
    [500, {}, { outcome: 'failed', error: 'answered 500' }],
    [404, {}, { outcome: 'failed', error: 'answered 404' }],
    [429, { 'retry-after': '120' }, { outcome: 'failed', error: 'answered 429', retryAfterMs: 120_000 }],
    [503, { 'retry-after': 'soon' }, { outcome: 'failed', error: 'answered 503' }],
    [
      302,
      { location: 'http://127.0.0.1:1/' },
      { outcome: 'failed', error: 'answered 302, and redirects are not followed' },
    ],
  ] as const) {
    test(`that answers ${status} ${JSON.stringify(headers)}: ${expected.outcome}`, async (t) => {
      const { url, heard } = await receiver(t, status, headers)
      assert.deepEqual(await sink(t, () => true).deliver(url), expected)
      assert.equal(heard.length, 1)
    })
  }

  test('that says nothing is given up after ten seconds', async (t) => {
    const server = createServer(() => {}).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    const { deliver, clock } = sink(t, () => true)
    const connected = once(server, 'request')
    const outcome = deliver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await connected
    await clock.advance(10_000)
    assert.equal((await outcome).outcome, 'failed')
  })

  for (const url of [
    'http://127.0.0.1:1/',
    'https://[::1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://10.0.0.1/',
    'https://192.168.1.1/',
    'https://[::ffff:10.0.0.1]/',
    'https://[fd00::1]/',
    'https://localhost/',
    'https://0x7f.1/',
  ]) {
    test(`is not sent to ${url}`, async (t) => {
      const outcome = await sink(t).deliver(url)
      assert.equal(outcome.outcome, 'failed')
      assert.match((outcome as { error: string }).error, /public/)
    })
  }
})
