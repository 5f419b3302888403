import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jwtVerify } from 'jose'
import type { PushMessage } from '../../../functions/contract/push.ts'
import { type WebPushOptions, webPushProvider } from '../../../functions/push/index.ts'
import { isPublic, publicFetch } from '../../../functions/push/public-fetch.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { browser } from './browser.ts'
import { type Asked, ecKeys, NOW, pushOf, recordingFetch, refreshOf } from './pushes.ts'

const server = ecKeys()
const URI = 'https://updates.push.services.mozilla.com/wpush/v2/secret-of-bob'
const vapid = { ...server.raw, subject: 'mailto:operator@example.com' }

function webPush(
  answer: (asked: Asked) => Response = () => new Response(null, { status: 201 }),
  options: Partial<WebPushOptions> = {},
) {
  const clock = new FakeClock(NOW)
  const { asked, fetch } = recordingFetch(answer)
  const provider = webPushProvider({ vapid, clock, fetch, ...options })
  return { clock, asked, send: (message: PushMessage) => provider.send(message) }
}
const push = (changes: Partial<PushMessage> = {}) => pushOf({ provider: 'webpush', prid: URI, param: '', ...changes })

describe('what a push service is sent', () => {
  test('without keys: a push without payload, urgent, with a lifetime (RFC 8030 5)', async () => {
    const { send, asked } = webPush()
    assert.deepEqual(await send(push()), { outcome: 'accepted' })
    const [{ url, method, headers, octets }] = asked as [Asked]
    assert.deepEqual([url, method, octets.length], [URI, 'POST', 0])
    assert.deepEqual(
      [headers.get('ttl'), headers.get('urgency'), headers.get('content-encoding')],
      ['30', 'high', null],
    )
    assert.match(headers.get('topic')!, /^[\w-]{32}$/)
  })

  test('with the keys of the subscription: the payload, which only the browser can read (RFC 8291)', async () => {
    const { send, asked } = webPush()
    const phone = browser()
    await send(push({ param: phone.param, data: { title: 'Alice' } }))
    const [{ headers, octets }] = asked as [Asked]
    assert.equal(headers.get('content-encoding'), 'aes128gcm')
    assert.deepEqual(JSON.parse(phone.decrypt(octets)), { title: 'Alice', call: 'call-1', event: 'call' })
    assert.ok(octets.length < 200, 'it is not padded')
  })

  test('what pn-param holds besides keys does not keep a push from going out', async () => {
    const { send, asked } = webPush()
    assert.deepEqual(await send(push({ param: 'something else' })), { outcome: 'accepted' })
    assert.equal(asked[0]!.octets.length, 0)
  })

  test('keys that are none, and more than 3993 octets: not sent', async () => {
    const { send, asked } = webPush()
    const { outcome, error } = await send(push({ param: `${'A'.repeat(87)}.${'A'.repeat(22)}` }))
    assert.equal(outcome, 'failed')
    assert.match(error!, /the first is no P-256 key/)
    const large = await send(push({ param: browser().param, data: { a: 'x'.repeat(3990) } }))
    assert.match(large.error!, /^the payload has \d+ octets, Web Push takes 3993/)
    assert.equal(asked.length, 0)
  })

  test('the end of a call replaces the call, a refresh is of normal urgency', async () => {
    const { send, asked } = webPush()
    await send(push())
    await send(push({ purpose: 'cancel', reason: 'ended' }))
    await send(refreshOf({ prid: URI, param: '' }))
    const of = (name: string) => asked.map(({ headers }) => headers.get(name))
    assert.deepEqual(of('urgency'), ['high', 'high', 'normal'])
    assert.equal(of('topic')[0], of('topic')[1])
    assert.notEqual(of('topic')[0], of('topic')[2])
  })

  test('who sends it: a token for each push service, used for six hours (RFC 8292)', async () => {
    const { send, asked, clock } = webPush()
    await send(push())
    await send(push({ prid: 'https://web.push.apple.com/abc' }))
    await clock.advance(5 * 3_600_000)
    await send(push())
    await clock.advance(3_600_000)
    await send(push())
    const tokens = asked.map(({ headers }) => /^vapid t=([^,]+), k=(.+)$/.exec(headers.get('authorization')!)!)
    assert.ok(tokens.every(([, , k]) => k === vapid.publicKey))
    const [first, apple, again, later] = tokens.map(([, t]) => t)
    assert.equal(first, again)
    assert.equal(new Set([first, apple, later]).size, 3)
    const currentDate = new Date(NOW)
    const { payload } = await jwtVerify(first!, server.publicKey, { currentDate })
    const aud = 'https://updates.push.services.mozilla.com'
    assert.deepEqual(payload, { aud, sub: 'mailto:operator@example.com', exp: NOW / 1000 + 12 * 3600 })
    assert.equal((await jwtVerify(apple!, server.publicKey, { currentDate })).payload.aud, 'https://web.push.apple.com')
  })

  test('a private key that is not that of the public one: said so', async () => {
    const { send } = webPush(undefined, { vapid: { ...vapid, privateKey: ecKeys().raw.privateKey } })
    const error = 'VAPID_PRIVATE_KEY is not the one that belongs to VAPID_PUBLIC_KEY'
    assert.deepEqual(await send(push()), { outcome: 'failed', error })
  })
})

describe('where pushes may go: a phone names it', () => {
  test('to the push services of browsers over https, by default', async () => {
    const { send, asked } = webPush()
    for (const prid of [
      'https://fcm.googleapis.com/fcm/send/x',
      'https://web.push.apple.com/x',
      'https://db5p.notify.windows.com/w/?token=x',
      'https://FCM.googleapis.com:443/fcm/send/x',
    ])
      assert.equal((await send(push({ prid }))).outcome, 'accepted', prid)
    assert.equal(asked.length, 4)
  })

  test('nowhere else: no other scheme, host, port or user; and no more than the host is told of it', async () => {
    const { send, asked } = webPush()
    for (const prid of [
      'http://fcm.googleapis.com/x',
      'https://fcm.googleapis.com:8443/x',
      'https://user:secret@fcm.googleapis.com/x',
      'https://evil.test/https://fcm.googleapis.com/',
      'https://fcm.googleapis.com.evil.test/x',
      'https://evilpush.apple.com/x',
      'https://push.apple.com/x',
      'https://127.0.0.1/x',
      'https://[::1]/x',
      'file:///etc/passwd',
      'secret-of-bob',
    ]) {
      const { outcome, error, retryAfterSeconds } = await send(push({ prid }))
      assert.deepEqual([outcome, retryAfterSeconds], ['failed', undefined], prid)
      assert.doesNotMatch(error!, /secret|\/x/)
    }
    assert.equal(asked.length, 0)
  })

  test('hosts can be set, with a port, and * for any', async () => {
    const own = webPush(undefined, { hosts: ['push.example.com:8443'] })
    assert.equal((await own.send(push({ prid: 'https://push.example.com:8443/x' }))).outcome, 'accepted')
    assert.equal((await own.send(push({ prid: 'https://push.example.com/x' }))).outcome, 'failed')
    const any = webPush(undefined, { hosts: ['*'] })
    assert.equal((await any.send(push({ prid: 'https://anywhere.test/x' }))).outcome, 'accepted')
    assert.equal((await any.send(push({ prid: 'http://anywhere.test/x' }))).outcome, 'failed')
  })

  test('on Node no connection is made to an address that is not public, by name or by number', async (t) => {
    const { fetch, close } = publicFetch()
    t.after(close)
    for (const url of [
      'https://localhost:8443/',
      'https://127.0.0.1:8443/',
      'https://[::1]:8443/',
      'https://2130706433:8443/',
    ]) {
      const error = await fetch(url).catch((error) => error)
      assert.match(`${error.message} ${error.cause?.message}`, /not public|no public address/, url)
    }
  })

  test('public addresses are those of the internet', () => {
    for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2a00:1450:4001::1', '2606:4700::1111'])
      assert.ok(isPublic(address), address)
    for (const address of [
      '0.0.0.0',
      '10.1.2.3',
      '100.64.0.1',
      '127.8.8.8',
      '169.254.169.254',
      '172.16.0.1',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      '::ffff:10.0.0.1',
      '::ffff:8.8.8.8',
      '64:ff9b::a00:1',
      'fc00::1',
      'fe80::1',
      'ff02::1',
      '2001:db8::1',
      '2002:a00:1::',
      'localhost',
      '',
    ])
      assert.ok(!isPublic(address), address)
  })
})

describe('what a push service answers', () => {
  const host = 'updates.push.services.mozilla.com'
  for (const [status, result] of [
    [200, { outcome: 'accepted' }],
    [404, { outcome: 'token_invalid', error: `${host} answered 404` }],
    [410, { outcome: 'token_invalid', error: `${host} answered 410` }],
    [400, { outcome: 'failed', error: `${host} answered 400` }],
    [403, { outcome: 'failed', error: `${host} answered 403` }],
    [413, { outcome: 'failed', error: `${host} answered 413` }],
    [307, { outcome: 'failed', error: `${host} answered 307; redirects are not followed` }],
    [429, { outcome: 'failed', error: `${host} answered 429`, retryAfterSeconds: 12 }],
    [500, { outcome: 'failed', error: `${host} answered 500`, retryAfterSeconds: 12 }],
  ] as const)
    test(`${status}: ${result.outcome}`, async () => {
      const response = () => new Response('secret-of-bob', { status, headers: { 'retry-after': '12', location: '/x' } })
      const { send, asked } = webPush(response)
      assert.deepEqual(await send(push()), result)
      assert.equal(asked.length, 1)
    })
})
