import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { type ApnsOptions, start } from './apns.ts'
import { jwt } from './signing.ts'

const NOON = Date.UTC(2026, 0, 15, 12)
const ALERT = '00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0'
const VOIP = 'ab'.repeat(32)
const GONE = 'cd'.repeat(32)
const DEVICES = {
  [ALERT]: { topic: 'com.example.MyApp' },
  [VOIP]: { topic: 'com.example.MyApp.voip' },
  [GONE]: { topic: 'com.example.MyApp', inactiveSince: NOON - 5_000 },
}
const HELLO = '{ "aps" : { "alert" : "Hello" } }'

async function scene(t: TestContext, options: ApnsOptions = {}) {
  const clock = { ms: NOON }
  const apns = await start({ devices: DEVICES, bundles: ['com.example.MyApp'], now: () => clock.ms, ...options })
  const open = () => {
    const session = connect(apns.url, { ca: apns.ca })
    t.after(() => session.destroy())
    return session.on('error', () => {})
  }
  t.after(() => apns.close())
  const session = open()
  const own = createPrivateKey(apns.signingKey)
  const provider = (claims: object = {}, { key = own, kid = apns.keyId } = {}) =>
    `bearer ${jwt('ES256', key, { iss: apns.teamId, iat: Math.floor(clock.ms / 1_000), ...claims }, { kid })}`
  const authorization = provider()
  const ask = async (headers: object = {}, body = HELLO, over: ClientHttp2Session = session) => {
    const stream = over.request({
      ':method': 'POST',
      ':path': `/3/device/${ALERT}`,
      authorization,
      'apns-topic': 'com.example.MyApp',
      'apns-push-type': 'alert',
      ...headers,
    })
    stream.end(body)
    const [answer] = (await once(stream, 'response')) as [Record<string, string | number>]
    const said = await text(stream)
    return { status: answer[':status'], id: answer['apns-id'], body: said ? JSON.parse(said) : undefined }
  }
  /** @returns `400 BadTopic`, or `200` */
  const verdict = async (headers: object = {}, body = HELLO) => {
    const { status, id, body: said } = await ask(headers, body)
    assert.match(String(id), /^[\da-f-]{36}$/i)
    return said ? `${status} ${said.reason}` : String(status)
  }
  return { apns, clock, session, open, provider, ask, verdict }
}

test('APNs takes the request of its guide and answers with the apns-id, given or made up', async (t) => {
  const { apns, ask, session } = await scene(t)
  const id = 'eabeae54-14a8-11e5-b60b-1697f925ec7b'
  assert.deepEqual(await ask({ 'apns-id': id, 'apns-expiration': '0', 'apns-priority': '10' }), {
    status: 200,
    id,
    body: undefined,
  })
  assert.match(String((await ask()).id), /^[\da-f-]{36}$/)
  assert.equal(session.alpnProtocol, 'h2')
  assert.deepEqual(apns.received[0]!.payload, { aps: { alert: 'Hello' } })
  assert.equal(apns.received.length, 2)
})

test('APNs refuses headers that its table does not allow', async (t) => {
  const { verdict } = await scene(t)
  const cases: [object, string][] = [
    [{ ':method': 'PUT' }, '405 MethodNotAllowed'],
    [{ ':path': '/3/devices/x' }, '404 BadPath'],
    [{ ':path': '/3/device/' }, '400 MissingDeviceToken'],
    [{ ':path': '/3/device/not-hex' }, '400 BadDeviceToken'],
    [{ ':path': `/3/device/${'ef'.repeat(32)}` }, '400 BadDeviceToken'],
    [{ ':path': `/3/device/${VOIP}` }, '400 DeviceTokenNotForTopic'],
    [{ 'apns-collapse-id': ['a', 'b'] }, '400 DuplicateHeaders'],
    [{ 'apns-id': 'call-1' }, '400 BadMessageId'],
    [{ 'apns-expiration': 'tomorrow' }, '400 BadExpirationDate'],
    [{ 'apns-priority': '7' }, '400 BadPriority'],
    [{ 'apns-collapse-id': 'x'.repeat(65) }, '400 BadCollapseId'],
    [{ 'apns-collapse-id': 'x'.repeat(64) }, '200'],
    [{ 'apns-push-type': 'call' }, '400 InvalidPushType'],
    [{ 'apns-topic': undefined }, '400 MissingTopic'],
    [{ 'apns-topic': 'com.example..MyApp' }, '400 BadTopic'],
    [{ 'apns-topic': 'com.other.App' }, '400 TopicDisallowed'],
    [{ 'apns-topic': 'com.example.MyApp.voip' }, '400 BadTopic'],
  ]
  for (const [headers, expected] of cases) assert.equal(await verdict(headers), expected, JSON.stringify(headers))
})

test('each push type has its topic, its priority and its payload', async (t) => {
  const { verdict } = await scene(t)
  const voip = { ':path': `/3/device/${VOIP}`, 'apns-push-type': 'voip', 'apns-topic': 'com.example.MyApp.voip' }
  const background = { 'apns-push-type': 'background', 'apns-priority': '5' }
  const silent = '{"aps":{"content-available":1}}'
  assert.equal(await verdict(voip, '{"call":"1"}'), '200')
  assert.equal(await verdict({ ...voip, 'apns-topic': 'com.example.MyApp' }), '400 BadTopic')
  assert.equal(await verdict(background, silent), '200')
  assert.equal(await verdict({ ...background, 'apns-priority': '10' }, silent), '400 BadPriority')
  assert.equal(await verdict(background, '{"aps":{}}'), '400 InvalidPushType')
  assert.equal(await verdict(background, '{"aps":{"content-available":1,"alert":"x"}}'), '400 InvalidPushType')
  assert.equal(await verdict({}, silent), '400 InvalidPushType')
  const sized = (bytes: number) => `{"aps":{"alert":"x"},"x":"${'x'.repeat(bytes - 28)}"}`
  assert.equal(sized(4_096).length, 4_096)
  assert.equal(await verdict({}, sized(4_096)), '200')
  assert.equal(await verdict({}, sized(4_097)), '413 PayloadTooLarge')
  assert.equal(await verdict(voip, sized(5_120)), '200')
  assert.equal(await verdict(voip, sized(5_121)), '413 PayloadTooLarge')
  assert.equal(await verdict({}, ''), '400 PayloadEmpty')
})

test('a token that is no longer active hears 410 and since when', async (t) => {
  const { ask } = await scene(t)
  const { status, body } = await ask({ ':path': `/3/device/${GONE}` })
  assert.deepEqual([status, body], [410, { reason: 'Unregistered', timestamp: NOON - 5_000 }])
})

test('a provider token is of the team and its key, at most an hour old', async (t) => {
  const { clock, provider, verdict } = await scene(t)
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const held = provider()
  assert.equal(await verdict({ authorization: undefined }), '403 MissingProviderToken')
  assert.equal(await verdict({ authorization: 'bearer x' }), '403 InvalidProviderToken')
  assert.equal(await verdict({ authorization: provider({}, { key: stranger }) }), '403 InvalidProviderToken')
  assert.equal(await verdict({ authorization: provider({}, { kid: 'XYZ9876543' }) }), '403 InvalidProviderToken')
  assert.equal(await verdict({ authorization: provider({ iss: 'OTHERTEAM1' }) }), '403 InvalidProviderToken')
  assert.equal(await verdict({ authorization: provider({ iat: undefined }) }), '403 InvalidProviderToken')
  assert.equal(await verdict({ authorization: held }), '200')
  clock.ms += 3_600_000
  assert.equal(await verdict({ authorization: held }), '200')
  clock.ms += 1_000
  assert.equal(await verdict({ authorization: held }), '403 ExpiredProviderToken')
})

test('a provider token may be renewed every 20 minutes, no sooner', async (t) => {
  const { clock, provider, verdict } = await scene(t)
  assert.equal(await verdict({ authorization: provider() }), '200')
  clock.ms += 1_199_000
  assert.equal(await verdict({ authorization: provider() }), '429 TooManyProviderTokenUpdates')
  clock.ms += 1_000
  assert.equal(await verdict({ authorization: provider() }), '200')
})

test('APNs gives trouble by script, one request each', async (t) => {
  const { apns, verdict } = await scene(t)
  apns.script('TooManyRequests', 'InternalServerError', 'ServiceUnavailable', 'Shutdown')
  const seen = [await verdict(), await verdict(), await verdict(), await verdict()]
  assert.deepEqual(seen, ['429 TooManyRequests', '500 InternalServerError', '503 ServiceUnavailable', '503 Shutdown'])
})

test('GOAWAY says why and which requests were not looked at', async (t) => {
  const { apns, ask, session, open } = await scene(t)
  await ask()
  apns.script('goaway')
  const goaway = once(session, 'goaway')
  await assert.rejects(ask(), { code: 'ERR_HTTP2_STREAM_ERROR' })
  const [code, , words] = (await goaway) as [number, number, Buffer]
  assert.deepEqual([code, JSON.parse(words.toString())], [0, { reason: 'Shutdown' }])
  assert.equal((await ask({}, HELLO, open())).status, 200)
  assert.equal(apns.received.length, 2)
  assert.equal(apns.connections, 2)
})

test('one stream is open until a provider token was found good', async (t) => {
  const { ask, session } = await scene(t, { cleartext: true })
  if (session.remoteSettings.maxConcurrentStreams !== 1) await once(session, 'remoteSettings')
  assert.equal(session.remoteSettings.maxConcurrentStreams, 1)
  const more = once(session, 'remoteSettings')
  assert.equal((await ask()).status, 200)
  await more
  assert.equal(session.remoteSettings.maxConcurrentStreams, 1_000)
})
