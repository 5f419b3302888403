import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { apnsProvider } from '../../../functions/push/apns.ts'
import { apnsHttp2 } from '../../../functions/push/apns-http2.ts'
import { ApnsToken } from '../../../functions/push/apns-token.ts'
import { start } from '../../push-services/apns.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { NOW, pushOf, refreshOf } from './pushes.ts'

/** The provider against what stands in for Apple, over HTTP/2 and TLS. */

const VOIP = { prid: 'aa11', param: 'DEF123GHIJ.com.example.app.voip' }
const BOTH = { prid: 'aa11:voip&bb22:remote', param: 'DEF123GHIJ.com.example.app.voip&remote' }

async function apple(t: TestContext) {
  const clock = new FakeClock(NOW)
  const apns = await start({
    devices: {
      aa11: { topic: 'com.example.app.voip' },
      bb22: { topic: 'com.example.app' },
      cc33: { topic: 'com.example.app.voip', inactiveSince: NOW - 1000 },
      dd44: { topic: 'com.example.app.voip', inactiveSince: NOW - 1000, reason: 'ExpiredToken' },
    },
    now: () => clock.now(),
  })
  const { send, close } = apnsHttp2(apns.url, apns.ca)
  t.after(async () => {
    await close()
    await apns.close()
  })
  const { keyId, teamId, signingKey: key } = apns
  const provider = apnsProvider({ token: new ApnsToken({ key, keyId, teamId }, clock), send, clock })
  return { apns, clock, send: provider.send }
}

test('Apple takes pushes of every purpose', async (t) => {
  const { apns, send } = await apple(t)
  for (const push of [
    pushOf(BOTH),
    pushOf({ ...BOTH, purpose: 'cancel', reason: 'answered_elsewhere' }),
    pushOf({ ...BOTH, purpose: 'request', data: { title: 'Alice', body: 'Hello' } }),
    refreshOf(BOTH),
  ])
    assert.deepEqual(await send(push), { outcome: 'accepted' })
  assert.deepEqual(
    apns.received.map(({ token, headers }) => [token, headers['apns-push-type'], headers['apns-priority']].join(' ')),
    ['aa11 voip 10', 'bb22 background 5', 'bb22 alert 10', 'bb22 background 5'],
  )
  assert.deepEqual(apns.refused, [])
})

test('the id that Apple answers with is ours', async (t) => {
  const { apns, send } = await apple(t)
  await send(pushOf(VOIP))
  assert.equal(apns.received[0]!.id, apns.received[0]!.headers['apns-id'])
})

test('tokens that are no longer active, of another topic, or none at all are dead', async (t) => {
  const { send } = await apple(t)
  for (const device of [
    { ...VOIP, prid: 'cc33' },
    { ...VOIP, prid: 'dd44' },
    { ...VOIP, prid: 'bb22' },
    { ...VOIP, prid: 'ee55' },
  ])
    assert.equal((await send(pushOf(device))).outcome, 'token_invalid', device.prid)
})

test('one provider token serves for 45 minutes, and the next comes neither too early nor too late', async (t) => {
  const { apns, clock, send } = await apple(t)
  for (let minutes = 0; minutes <= 120; minutes += 15) {
    assert.deepEqual(await send(pushOf(VOIP)), { outcome: 'accepted' }, `after ${minutes} minutes`)
    await clock.advance(15 * 60_000)
  }
  const tokens = new Set(apns.received.map(({ headers }) => headers.authorization))
  assert.deepEqual([apns.refused, tokens.size], [[], 3])
})

test('a hundred pushes at once go over two connections at most, though Apple allows one stream at first', async (t) => {
  const { apns, send } = await apple(t)
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, nth) => send(pushOf({ ...VOIP, id: `push-${nth}` }))),
  )
  assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(['accepted']))
  assert.ok(apns.connections <= 2, `${apns.connections} connections`)
  assert.deepEqual(apns.refused, [])
})

test('trouble of Apple may be tried again, and a connection that it shuts down is followed by another', async (t) => {
  const { apns, send } = await apple(t)
  apns.script('TooManyRequests', 'InternalServerError', 'ServiceUnavailable', 'Shutdown', 'reset')
  for (let nth = 0; nth < 5; nth++) {
    const { outcome, retryAfterSeconds } = await send(pushOf(VOIP))
    assert.deepEqual([outcome, retryAfterSeconds], ['failed', 0])
  }
  assert.deepEqual(await send(pushOf(VOIP)), { outcome: 'accepted' })
  apns.goaway()
  assert.deepEqual(await send(pushOf(VOIP)), { outcome: 'accepted' })
})
