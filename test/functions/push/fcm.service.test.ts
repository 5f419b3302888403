import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Reader } from '../../../functions/contract/settings.ts'
import { fcmProvider } from '../../../functions/push/index.ts'
import { pushSettings } from '../../../functions/push/settings.ts'
import { type FcmOptions, start } from '../../push-services/fcm.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { NOW, pushOf, refreshOf } from './pushes.ts'

/** The provider against what stands in for Firebase, by the settings of a user. */

async function firebase(t: TestContext, options: FcmOptions = {}) {
  const clock = new FakeClock(NOW)
  const tokens = { alive: 'registered', gone: 'unregistered', foreign: 'other sender' } as const
  const fcm = await start({ tokens, now: () => clock.now(), ...options })
  t.after(() => fcm.close())
  const read = new Reader({ FCM_SERVICE_ACCOUNT: JSON.stringify(fcm.serviceAccount), FCM_ENDPOINT: fcm.url })
  const settings = pushSettings(read).fcm
  assert.deepEqual(read.faults, [])
  const provider = fcmProvider({ ...settings!, clock })
  const send = (prid: string, changes = {}) => provider.send(pushOf({ prid, param: 'standin-project', ...changes }))
  return { fcm, clock, provider, send }
}

test('Firebase takes pushes of every purpose', async (t) => {
  const { fcm, provider, send } = await firebase(t)
  for (const changes of [{}, { purpose: 'cancel', reason: 'ended' }, { purpose: 'request', data: { title: 'x' } }])
    assert.deepEqual(await send('alive', changes), { outcome: 'accepted' })
  assert.deepEqual(await provider.send(refreshOf({ prid: 'alive' })), { outcome: 'accepted' })
  assert.deepEqual(
    fcm.received.map(({ message }) => (message.data as Record<string, string>).event),
    ['call', 'cancel', 'request', 'refresh'],
  )
  assert.deepEqual([fcm.refused, fcm.grants], [[], 1])
})

test('tokens that are dead, of another sender or none at all', async (t) => {
  const { send } = await firebase(t)
  for (const prid of ['gone', 'foreign', 'nonsense']) assert.equal((await send(prid)).outcome, 'token_invalid', prid)
})

test('an access token is used for its hour, and renewed when Firebase does not take it any more', async (t) => {
  const { fcm, clock, send } = await firebase(t)
  await send('alive')
  await clock.advance(56 * 60_000)
  assert.deepEqual(await send('alive'), { outcome: 'accepted' })
  assert.deepEqual([fcm.grants, fcm.refused], [2, []])
  fcm.revokeAccessTokens()
  const results = await Promise.all([send('alive'), send('alive')])
  assert.deepEqual(results, [{ outcome: 'accepted' }, { outcome: 'accepted' }])
  assert.equal(fcm.grants, 3)
})

test('trouble of Firebase, and how long to leave it alone', async (t) => {
  const { fcm, send } = await firebase(t)
  fcm.script('QUOTA_EXCEEDED', { code: 'UNAVAILABLE', retryAfter: '7' }, 'INTERNAL', 'BAD_GATEWAY', 'reset')
  const waits = []
  for (let nth = 0; nth < 5; nth++) waits.push((await send('alive')).retryAfterSeconds)
  assert.deepEqual(waits, [60, 7, 0, 0, 0])
  fcm.script('THIRD_PARTY_AUTH_ERROR')
  assert.equal((await send('alive')).retryAfterSeconds, undefined)
  assert.deepEqual(await send('alive'), { outcome: 'accepted' })
})
