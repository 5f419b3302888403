import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { webPushProvider } from '../../../functions/push/index.ts'
import { publicFetch } from '../../../functions/push/public-fetch.ts'
import { CA } from '../../push-services/listener.ts'
import { start } from '../../push-services/web-push.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ecKeys, NOW, pushOf, refreshOf } from './pushes.ts'

/** The provider against what stands in for a push service and the browsers behind it, over TLS. */

async function service(t: TestContext) {
  const clock = new FakeClock(NOW)
  const push = await start({ tls: true, now: () => clock.now() })
  const { fetch, close } = publicFetch({ ca: CA, isAllowed: (address) => address === '127.0.0.1' })
  t.after(async () => {
    await close()
    await push.close()
  })
  const keys = ecKeys().raw
  const vapid = { ...keys, subject: 'mailto:operator@example.com' }
  const provider = webPushProvider({ vapid, hosts: [new URL(push.url).host], clock, fetch })
  const subscribe = () => {
    const { endpoint, keys } = push.subscribe({ applicationServerKey: vapid.publicKey })
    return { provider: 'webpush', prid: endpoint, param: `${keys.p256dh}.${keys.auth}` }
  }
  return { push, clock, provider, subscribe }
}

test('a browser reads what it is sent, and without its keys is woken all the same', async (t) => {
  const { push, provider, subscribe } = await service(t)
  const phone = subscribe()
  const calls = pushOf({ ...phone, data: { title: 'Alice' } })
  assert.deepEqual(await provider.send(calls), { outcome: 'accepted' })
  assert.deepEqual(await provider.send({ ...calls, purpose: 'cancel', reason: 'caller_gone' }), { outcome: 'accepted' })
  assert.deepEqual(await provider.send(refreshOf({ ...phone, param: '' })), { outcome: 'accepted' })
  assert.deepEqual(
    push.received.map(({ text, urgency, ttlSeconds, contact }) => [text, urgency, ttlSeconds, contact]),
    [
      ['{"title":"Alice","call":"call-1","event":"call"}', 'high', 30, 'mailto:operator@example.com'],
      [
        '{"title":"Alice","call":"call-1","event":"cancel","reason":"caller_gone"}',
        'high',
        30,
        'mailto:operator@example.com',
      ],
      ['', 'normal', 30, 'mailto:operator@example.com'],
    ],
  )
  assert.equal(push.received[0]!.topic, push.received[1]!.topic)
  assert.deepEqual([push.unreadable, push.refused], [[], []])
})

test('the largest payload fits, and the token that says who sends serves for days', async (t) => {
  const { push, clock, provider, subscribe } = await service(t)
  const phone = subscribe()
  const rest = JSON.stringify({ a: '', call: 'call-1', event: 'call' }).length
  const largest = pushOf({ ...phone, data: { a: 'x'.repeat(3993 - rest) } })
  assert.deepEqual(await provider.send(largest), { outcome: 'accepted' })
  for (let day = 0; day < 3; day++) {
    await clock.advance(24 * 3_600_000)
    assert.deepEqual(await provider.send(pushOf(phone)), { outcome: 'accepted' })
  }
  assert.deepEqual([push.unreadable, push.refused], [[], []])
})

test('a subscription that has expired, or was cancelled, is dead', async (t) => {
  const { push, provider, subscribe } = await service(t)
  for (const how of ['expired', 'gone'] as const) {
    const phone = subscribe()
    push.drop(phone.prid, how)
    assert.equal((await provider.send(pushOf(phone))).outcome, 'token_invalid', how)
  }
})

test('trouble of the push service, and how long to leave it alone', async (t) => {
  const { push, provider, subscribe } = await service(t)
  const phone = subscribe()
  push.script('too many requests', 'unavailable', 'internal error', 'reset')
  const waits = []
  for (let nth = 0; nth < 4; nth++) waits.push((await provider.send(pushOf(phone))).retryAfterSeconds)
  assert.deepEqual(waits, [60, 120, 0, 0])
  assert.deepEqual(await provider.send(pushOf(phone)), { outcome: 'accepted' })
})

test('a subscription of another key is refused: that is no dead token', async (t) => {
  const { push, provider } = await service(t)
  const { endpoint } = push.subscribe({ applicationServerKey: ecKeys().raw.publicKey })
  const result = await provider.send(pushOf({ prid: endpoint, param: '' }))
  assert.deepEqual(result, { outcome: 'failed', error: `${new URL(endpoint).host} answered 403` })
})
