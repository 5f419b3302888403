import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jwtVerify } from 'jose'
import type { PushMessage } from '../../../functions/contract/push.ts'
import { type ApnsAnswer, type ApnsRequest, apnsProvider } from '../../../functions/push/apns.ts'
import { ApnsToken } from '../../../functions/push/apns-token.ts'
import { readAppleDevice } from '../../../functions/push/apple-device.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ecKeys, NOW, pushOf, refreshOf } from './pushes.ts'

const { publicKey, pem } = ecKeys()
const VOIP = { prid: 'aa11', param: 'DEF123GHIJ.com.example.app.voip' }
const REMOTE = { prid: 'bb22', param: 'DEF123GHIJ.com.example.app' }
const BOTH = { prid: 'aa11:voip&bb22:remote', param: 'DEF123GHIJ.com.example.app.voip&remote' }

function apns(answer: (request: ApnsRequest, nth: number) => Partial<ApnsAnswer> = () => ({})) {
  const clock = new FakeClock(NOW)
  const asked: ApnsRequest[] = []
  const provider = apnsProvider({
    token: new ApnsToken({ key: pem, keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ' }, clock),
    send: async (request) => {
      asked.push(request)
      return { status: 200, retryAfter: null, body: '', ...answer(request, asked.length) }
    },
    clock,
  })
  return { clock, asked, send: (message: PushMessage) => provider.send(message) }
}
const apple = (device: { prid: string; param: string }, changes: Partial<PushMessage> = {}) =>
  pushOf({ provider: 'apns', ...device, ...changes })
const refused = (status: number, reason: string) => () => ({ status, body: JSON.stringify({ reason }) })

describe('pn-param and pn-prid of Apple', () => {
  test('one token of the service in pn-param (RFC 8599 8), of notifications when it names none', () => {
    assert.deepEqual(readAppleDevice(VOIP), { bundle: 'com.example.app', voip: 'aa11' })
    assert.deepEqual(readAppleDevice(REMOTE), { bundle: 'com.example.app', remote: 'bb22' })
    const named = { prid: 'bb22:remote', param: 'DEF123GHIJ.com.example.app.remote' }
    assert.deepEqual(readAppleDevice(named), { bundle: 'com.example.app', remote: 'bb22' })
  })

  test('two services have two tokens, in any order', () => {
    const device = { bundle: 'com.example.app', voip: 'aa11', remote: 'bb22' }
    assert.deepEqual(readAppleDevice(BOTH), device)
    const turned = { prid: 'bb22:remote&aa11:voip', param: 'T.com.example.app.remote&voip' }
    assert.deepEqual(readAppleDevice(turned), device)
  })

  test('everything else is none: no bundle, tokens of no service, what would end a path', () => {
    for (const [prid, param] of [
      ['aa11', ''],
      ['aa11', 'TEAM'],
      ['aa11&bb22', 'T.com.example.app.voip&remote'],
      ['../aa11', 'T.com.example.app.voip'],
      ['aa11?x', 'T.com.example.app.voip'],
      ['', 'T.com.example.app.voip'],
    ] as const)
      assert.equal(readAppleDevice({ prid, param }), undefined, `${prid} ${param}`)
  })
})

describe('what Apple is sent', () => {
  test('a call, to a VoIP token: a VoIP push at once', async () => {
    const { send, asked } = apns()
    assert.deepEqual(await send(apple(BOTH)), { outcome: 'accepted' })
    const [{ path, headers, body }] = asked as [ApnsRequest]
    assert.equal(path, '/3/device/aa11')
    assert.deepEqual(JSON.parse(body), { call: 'call-1', event: 'call', aps: {} })
    const { authorization, 'apns-collapse-id': collapse = '', 'apns-id': id = '', ...rest } = headers
    assert.deepEqual(rest, {
      'content-type': 'application/json',
      'apns-topic': 'com.example.app.voip',
      'apns-push-type': 'voip',
      'apns-priority': '10',
      'apns-expiration': String(NOW / 1000 + 30),
    })
    assert.ok(Buffer.byteLength(collapse) <= 64)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.match(authorization!, /^bearer /)
  })

  const kinds: [purpose: PushMessage['purpose'], device: object, data: object | undefined, sent: string][] = [
    ['call', VOIP, undefined, 'aa11 com.example.app.voip voip 10 {}'],
    ['call', REMOTE, undefined, 'bb22 com.example.app alert 10 {"alert":{"body":"Incoming call"},"sound":"default"}'],
    ['call', REMOTE, { title: 'Alice' }, 'bb22 com.example.app alert 10 {"alert":{"title":"Alice"},"sound":"default"}'],
    ['request', BOTH, undefined, 'bb22 com.example.app background 5 {"content-available":1}'],
    [
      'request',
      BOTH,
      { body: 'New message' },
      'bb22 com.example.app alert 10 {"alert":{"body":"New message"},"sound":"default"}',
    ],
    ['request', VOIP, undefined, 'unsupported'],
    ['refresh', BOTH, { title: 'x' }, 'bb22 com.example.app background 5 {"content-available":1}'],
    ['refresh', REMOTE, undefined, 'bb22 com.example.app background 5 {"content-available":1}'],
    ['refresh', VOIP, undefined, 'unsupported'],
    ['cancel', BOTH, undefined, 'bb22 com.example.app background 5 {"content-available":1}'],
    [
      'cancel',
      REMOTE,
      { body: 'Missed call' },
      'bb22 com.example.app alert 10 {"alert":{"body":"Missed call"},"sound":"default"}',
    ],
    ['cancel', VOIP, undefined, 'unsupported'],
  ]
  for (const [purpose, device, data, expected] of kinds) {
    const what = device === BOTH ? 'both tokens' : device === VOIP ? 'a VoIP token' : 'a notification token'
    test(`${purpose}, ${what}${data ? `, ${Object.keys(data)} of the handler` : ''}: ${expected}`, async () => {
      const { send, asked } = apns()
      const changes = { purpose, ...(data ? { data: data as Record<string, string> } : {}) }
      const { outcome } = await send(apple(device as typeof VOIP, changes))
      const [request] = asked
      const { headers = {} } = request ?? {}
      const sent = request
        ? [
            request.path.split('/').at(-1),
            ...['topic', 'push-type', 'priority'].map((name) => headers[`apns-${name}`]),
            JSON.stringify(JSON.parse(request.body).aps),
          ].join(' ')
        : outcome
      assert.equal(sent, expected)
    })
  }

  test('a push that is worth nothing later is for now or never', async () => {
    const { send, asked } = apns()
    await send(apple(VOIP, { ttlSeconds: 0.5 }))
    assert.equal(asked[0]!.headers['apns-expiration'], '0')
  })

  test('the id is the same on every retry; a call and its end replace each other', async () => {
    const { send, asked } = apns()
    await send(apple(REMOTE))
    await send(apple(REMOTE))
    await send(apple(REMOTE, { id: 'push-2', purpose: 'cancel', reason: 'caller_gone' }))
    await send(refreshOf({ ...REMOTE, id: 'push-3' }))
    const of = (name: string) => asked.map(({ headers }) => headers[name])
    assert.equal(new Set(of('apns-id')).size, 3)
    assert.equal(of('apns-id')[0], of('apns-id')[1])
    assert.equal(new Set(of('apns-collapse-id')).size, 2)
    assert.equal(of('apns-collapse-id')[0], of('apns-collapse-id')[2])
    assert.deepEqual(JSON.parse(asked[2]!.body), {
      call: 'call-1',
      event: 'cancel',
      reason: 'caller_gone',
      aps: { 'content-available': 1 },
    })
  })

  test('4096 octets, 5120 for a VoIP push: more is not sent', async () => {
    const { send, asked } = apns()
    const data = { a: 'x'.repeat(4090) }
    assert.match((await send(apple(REMOTE, { data }))).error!, /^the payload has \d+ octets, Apple takes 4096/)
    assert.equal(asked.length, 0)
    assert.equal((await send(apple(VOIP, { data }))).outcome, 'accepted')
  })

  test('what are no tokens of Apple: failed, with the form that is expected', async () => {
    const { outcome, error } = await apns().send(apple({ prid: 'aa11', param: '' }))
    assert.equal(outcome, 'failed')
    assert.match(error!, /pn-param as TEAM\.bundle\.id/)
  })
})

describe('the provider token', () => {
  test('is signed by the key (ES256), used for 45 minutes and then made anew', async () => {
    const { send, asked, clock } = apns()
    await Promise.all([send(apple(VOIP)), send(apple(VOIP))])
    await clock.advance(44 * 60_000)
    await send(apple(VOIP))
    await clock.advance(60_000)
    await send(apple(VOIP))
    const tokens = asked.map(({ headers }) => headers.authorization!.replace('bearer ', ''))
    assert.equal(new Set(tokens.slice(0, 3)).size, 1)
    assert.notEqual(tokens[3], tokens[0])
    const { payload, protectedHeader } = await jwtVerify(tokens[0]!, publicKey)
    assert.deepEqual(protectedHeader, { alg: 'ES256', kid: 'ABC123DEFG' })
    assert.deepEqual(payload, { iss: 'DEF123GHIJ', iat: NOW / 1000 })
  })

  test('that has expired is renewed, for all pushes at once, and not again for 20 minutes', async () => {
    const old = new Set<string>()
    const { send, asked, clock } = apns(({ headers }) =>
      old.has(headers.authorization!) ? { status: 403, body: '{"reason":"ExpiredProviderToken"}' } : {},
    )
    await send(apple(VOIP))
    old.add(asked[0]!.headers.authorization!)
    await clock.advance(1000)
    assert.deepEqual(await Promise.all([send(apple(VOIP)), send(apple(VOIP))]), [
      { outcome: 'accepted' },
      { outcome: 'accepted' },
    ])
    old.add(asked.at(-1)!.headers.authorization!)
    await clock.advance(1000)
    const error = 'Apple says that a new token has expired: is the clock right?'
    assert.deepEqual(await send(apple(VOIP)), { outcome: 'failed', error })
    await clock.advance(20 * 60_000)
    assert.deepEqual(await send(apple(VOIP)), { outcome: 'accepted' })
  })

  test('cannot be made of something that is no key: said so', async () => {
    const clock = new FakeClock(NOW)
    const token = new ApnsToken({ key: 'nonsense', keyId: 'K', teamId: 'T' }, clock)
    const provider = apnsProvider({ token, clock, send: () => assert.fail('asked') })
    const error = 'APNS_KEY is no EC key in PEM, as the .p8 file of Apple has it'
    assert.deepEqual(await provider.send(apple(VOIP)), { outcome: 'failed', error })
  })
})

describe('what Apple answers', () => {
  const dead = (status: number, reason: string) => ({
    outcome: 'token_invalid',
    error: `Apple answered ${status} ${reason}`,
  })
  const no = (status: number, reason: string, retryAfterSeconds?: number) => ({
    outcome: 'failed',
    error: `Apple answered ${status} ${reason}`,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
  for (const [status, reason, result] of [
    [410, 'Unregistered', dead(410, 'Unregistered')],
    [410, 'ExpiredToken', dead(410, 'ExpiredToken')],
    [400, 'BadDeviceToken', dead(400, 'BadDeviceToken')],
    [400, 'DeviceTokenNotForTopic', dead(400, 'DeviceTokenNotForTopic')],
    [400, 'TopicDisallowed', no(400, 'TopicDisallowed')],
    [403, 'InvalidProviderToken', no(403, 'InvalidProviderToken')],
    [413, 'PayloadTooLarge', no(413, 'PayloadTooLarge')],
    [429, 'TooManyRequests', no(429, 'TooManyRequests', 0)],
    [429, 'TooManyProviderTokenUpdates', no(429, 'TooManyProviderTokenUpdates', 1200)],
    [500, 'InternalServerError', no(500, 'InternalServerError', 0)],
    [503, 'ServiceUnavailable', no(503, 'ServiceUnavailable', 0)],
  ] as const)
    test(`${status} ${reason}: ${result.outcome}`, async () =>
      assert.deepEqual(await apns(refused(status, reason)).send(apple(VOIP)), result))

  test('Retry-After is heard; a body that is no JSON does no harm', async () => {
    const { send } = apns(() => ({ status: 503, retryAfter: '5', body: '<html>' }))
    assert.deepEqual(await send(apple(VOIP)), { outcome: 'failed', error: 'Apple answered 503', retryAfterSeconds: 5 })
  })
})
