import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { createSigner } from '../../functions/contract/sign.ts'
import { redisSubject } from '../conformance/redis-subject.ts'
import { positionNow, subscribe, subscription } from '../conformance/subject.ts'
import { SECRET } from '../functions/contract-suite/reach.ts'
import { absent } from '../peers.ts'
import { startRedisRest } from '../support/redis-rest.ts'
import { bundleForWorkers } from './bundle.ts'
import { absentRuntimes } from './programs.ts'
import { Worker } from './worker.ts'

/** Webhooks in as a Worker, on Cloudflare's own runtime. */

const skip = absentRuntimes('esbuild', 'wrangler', 'workerd') || absent('redis-server')
const REDIS_PORT = 27_402
const MAX_OCTETS = 250_000
const SHOP_SECRET = 'the secret of the shop'
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:payments'

test('a Worker raises events for who waits at a gateway, with fetch and WebCrypto alone', { skip }, async (t) => {
  const bundle = await bundleForWorkers('test/runtimes/apps/ingress-worker.ts')
  t.diagnostic(`webhooks in for Workers: ${Math.round(bundle.octets / 1000)} kB of at most ${MAX_OCTETS / 1000}`)
  assert.ok(bundle.octets <= MAX_OCTETS, `${bundle.octets}`)
  assert.deepEqual(bundle.imports, [])
  assert.deepEqual(
    bundle.inputs.filter((input) => /node_modules\/(@aws-sdk|@smithy|undici|hono)\b|gateway\//.test(input)),
    [],
  )
  const redis = await startRedisRest(REDIS_PORT)
  t.after(() => redis.stop())
  const gateway = redisSubject(redis.redisUrl, { prefix: 'rouse' })
  t.after(() => gateway.close())
  await subscribe(gateway, await positionNow(gateway), subscription(gateway, 's1', 'paid', { order: '17' }))
  const auth = { scheme: 'hmac-sha256', header: 'x-signature', encoding: 'base64', secret: { env: 'SHOP_SECRET' } }
  const shop = { auth, type: 'paid', id: '/id', attributes: { order: '/order' } }
  const env = {
    ...redis.env,
    WEBHOOK_SECRET: SECRET,
    EVENTS_MAPPINGS: JSON.stringify({ shop }),
    SHOP_SECRET,
    SNS_TOPICS: TOPIC,
  }
  const worker = await Worker.start(bundle.file, { env })
  t.after(() => worker.stop())

  const post = async (path: string, body: string, headers: Record<string, string>) => {
    const response = await fetch(`${worker.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const event = JSON.stringify({ type: 'paid', attributes: { order: '17' } })
  const signed = { ...(await createSigner(SECRET).sign('evt_1', event, Date.now())) }
  // At once: a promise of one request is of no use to another one there.
  const answers = await Promise.all([1, 2, 3].map(() => post('/events', event, signed)))
  for (const answer of answers) assert.deepEqual(answer, { status: 202, body: { id: 'evt_1', matched: 1 } })
  assert.equal((await post('/events', `${event} `, signed)).status, 401)
  assert.equal((await post('/events', event, {})).status, 401)

  const paid = JSON.stringify({ id: 'p1', order: '17' })
  const signature = createHmac('sha256', SHOP_SECRET).update(paid).digest('base64')
  const mapped = await post('/events/shop', paid, { 'x-signature': signature })
  assert.deepEqual(mapped, { status: 202, body: { id: 'shop#p1', matched: 1 } })
  assert.equal((await post('/events/shop', paid, { 'x-signature': 'AAAA' })).status, 401)

  const notification = {
    Type: 'Notification',
    MessageId: 'm1',
    TopicArn: TOPIC,
    Message: event,
    Timestamp: new Date().toISOString(),
    SignatureVersion: '2',
    Signature: 'AAAA',
    SigningCertURL: 'https://sns.nowhere-1.amazonaws.com/x.pem',
  }
  const asked = await post('/events', JSON.stringify(notification), { 'x-amz-sns-message-type': 'Notification' })
  assert.equal(asked.status, 503)
  assert.equal(asked.body.title, 'upstream.unavailable')
})
