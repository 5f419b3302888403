import assert from 'node:assert/strict'
import { createECDH, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { jwt } from './signing.ts'
import { start, type WebPushOptions } from './web-push.ts'

/** RFC 8291 5 and appendix A. */
const EXAMPLE = {
  id: 'JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV',
  privateKey: 'q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94',
  publicKey: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
  body: 'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
  text: 'When I grow up, I want to be a watermelon',
}
/** RFC 8292 2.4. */
const VAPID = {
  header:
    'vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs',
  key: 'BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs',
  exp: 1_453_523_768,
}
const ORIGIN = 'https://push.example.net'
const NOON = Date.UTC(2026, 0, 15, 12)

async function scene(t: TestContext, options: WebPushOptions = {}) {
  const service = await start({ origin: ORIGIN, now: () => NOON, ...options })
  t.after(() => service.close())
  const { endpoint } = service.subscribe(EXAMPLE)
  const ask = async (
    headers: Record<string, string> = {},
    body = Buffer.from(EXAMPLE.body, 'base64url'),
    to = endpoint,
  ) => {
    const good = { ttl: '10', 'content-encoding': 'aes128gcm', ...headers }
    const sent = Object.fromEntries(Object.entries(good).filter(([, value]) => value !== ''))
    return await fetch(to, { method: 'POST', headers: sent, body })
  }
  return { service, endpoint, ask }
}

function applicationServer() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x, y } = publicKey.export({ format: 'jwk' })
  const point = [Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')]
  const k = Buffer.concat(point).toString('base64url')
  const claims = { aud: ORIGIN, exp: NOON / 1_000 + 43_200, sub: 'mailto:push@example.com' }
  const vapid = (more: object = {}, key: KeyObject = privateKey) =>
    `vapid t=${jwt('ES256', key, { ...claims, ...more }, { typ: 'JWT' })}, k=${k}`
  return { k, vapid }
}

test('the message of RFC 8291 5 reaches its user agent and is read there', async (t) => {
  const { service, endpoint, ask } = await scene(t)
  const answer = await ask({ urgency: 'high', topic: 'upd' })
  assert.equal(answer.status, 201)
  assert.match(answer.headers.get('location')!, /^http:\/\/127\.0\.0\.1:\d+\/message\//)
  assert.deepEqual(service.received, [
    { endpoint, text: EXAMPLE.text, ttlSeconds: 10, urgency: 'high', topic: 'upd', contact: undefined },
  ])
  const { keys } = service.subscribe(EXAMPLE)
  assert.equal(keys.p256dh, EXAMPLE.publicKey)
})

test('a message that the user agent cannot read is taken all the same, and lost', async (t) => {
  const { service, ask } = await scene(t)
  const body = Buffer.from(EXAMPLE.body, 'base64url')
  body[body.length - 1]! ^= 1
  assert.equal((await ask({}, body)).status, 201)
  assert.equal((await ask({}, Buffer.from('plain text'))).status, 201)
  const other = service.subscribe()
  assert.equal((await ask({}, undefined, other.endpoint)).status, 201)
  assert.deepEqual(service.received, [])
  assert.equal(service.unreadable.length, 3)
})

test('TTL, Urgency, Topic, Content-Encoding and size are checked (RFC 8030 5, 7.2; RFC 8291 4)', async (t) => {
  const { service, ask } = await scene(t)
  const cases: [Record<string, string>, number][] = [
    [{ ttl: '' }, 400],
    [{ ttl: '1.5' }, 400],
    [{ ttl: '0' }, 201],
    [{ urgency: 'urgent' }, 400],
    [{ urgency: 'very-low' }, 201],
    [{ topic: 'x'.repeat(33) }, 400],
    [{ topic: 'a b' }, 400],
    [{ topic: 'x'.repeat(32) }, 201],
    [{ 'content-encoding': 'aesgcm' }, 400],
    [{ 'content-encoding': '' }, 400],
  ]
  for (const [headers, expected] of cases) assert.equal((await ask(headers)).status, expected, JSON.stringify(headers))
  assert.equal((await ask({}, Buffer.alloc(4_097))).status, 413)
  assert.equal((await ask({}, Buffer.alloc(4_096))).status, 201)
  assert.equal((await ask({ ttl: '9999999' })).headers.get('ttl'), '2419200')
  assert.equal((await ask({ 'content-encoding': '' }, Buffer.alloc(0))).status, 201)
  assert.equal(service.received.at(-1)!.text, '')
})

test('the VAPID token of RFC 8292 2.4 opens the subscription that is restricted to its key', async (t) => {
  const { service, ask } = await scene(t, { now: () => (VAPID.exp - 3_600) * 1_000 })
  const { endpoint } = service.subscribe({ ...EXAMPLE, id: 'restricted', applicationServerKey: VAPID.key })
  assert.equal((await ask({ authorization: VAPID.header }, undefined, endpoint)).status, 201)
  assert.equal(service.received[0]!.contact, 'mailto:push@example.com')
})

test('a restricted subscription takes no push without a token of its key (RFC 8292 2, 3, 4.2)', async (t) => {
  const { service, ask } = await scene(t)
  const mine = applicationServer()
  const theirs = applicationServer()
  const { endpoint } = service.subscribe({ ...EXAMPLE, id: 'mine', applicationServerKey: mine.k })
  const status = async (authorization: string) => (await ask({ authorization }, undefined, endpoint)).status
  const now = NOON / 1_000
  assert.equal(await status(mine.vapid()), 201)
  assert.equal(await status(mine.vapid({ exp: now + 86_400 })), 201)
  assert.equal(await status(''), 401)
  const refused = [
    theirs.vapid(),
    mine.vapid({ aud: `${ORIGIN}/` }),
    mine.vapid({ exp: now + 86_401 }),
    mine.vapid({ exp: now }),
    mine.vapid({ exp: undefined }),
    mine.vapid({ sub: 'push@example.com' }),
    mine.vapid({}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    mine.vapid().replace('vapid', 'WebPush'),
    mine.vapid().replace(/, k=.*/, ''),
  ]
  for (const authorization of refused) assert.equal(await status(authorization), 403, authorization)
})

test('subscriptions end and the service has its moods', async (t) => {
  const { service, endpoint, ask } = await scene(t)
  service.script('too many requests', 'unavailable', 'internal error')
  const seen: string[] = []
  for (let at = 0; at < 3; at++) {
    const answer = await ask()
    seen.push(`${answer.status} ${answer.headers.get('retry-after')}`)
  }
  assert.deepEqual(seen, ['429 60', '503 120', '500 null'])
  service.drop(endpoint, 'expired')
  assert.equal((await ask()).status, 404)
  service.drop(endpoint, 'gone')
  assert.equal((await ask()).status, 410)
  assert.equal((await ask({}, undefined, `${service.url}/push/nobody`)).status, 404)
})

test('each subscription has keys of its own', async (t) => {
  const { service } = await scene(t)
  const [one, other] = [service.subscribe(), service.subscribe()]
  assert.notEqual(one.keys.p256dh, other.keys.p256dh)
  assert.equal(Buffer.from(one.keys.auth, 'base64url').length, 16)
  const point = Buffer.from(one.keys.p256dh, 'base64url')
  assert.doesNotThrow(() => {
    const sender = createECDH('prime256v1')
    sender.generateKeys()
    sender.computeSecret(point)
  })
})
