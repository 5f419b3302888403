import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Reader } from '../../../functions/contract/settings.ts'
import { pushSettings } from '../../../functions/push/settings.ts'
import { snsProvider } from '../../../functions/push/sns.ts'
import { start } from '../../push-services/sns.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { NOW, pushOf, refreshOf } from './pushes.ts'

/** The provider with the AWS SDK against what stands in for SNS, by the settings of a user. */

const APPLE = { provider: 'apns', prid: 'aa11:voip&bb22:remote', param: 'T.com.example.app.voip&remote' }

async function amazon(t: TestContext) {
  const sns = await start()
  t.after(() => sns.close())
  const { accessKeyId, secretAccessKey } = sns.credentials
  const env = {
    AWS_ENDPOINT_URL_SNS: sns.url,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  }
  Object.assign(process.env, env)
  t.after(() => {
    for (const name of Object.keys(env)) delete process.env[name]
  })
  const arn = sns.applicationArn
  const SNS_PLATFORM_APPLICATIONS = `fcm=${arn('android')},apns=${arn('ios')},apns.voip=${arn('voip')}`
  const applications = pushSettings(new Reader({ SNS_PLATFORM_APPLICATIONS })).sns
  const clock = new FakeClock(NOW)
  const of = (name: string) => snsProvider({ applications: applications.get(name)!, clock })
  return { sns, fcm: of('fcm'), apns: of('apns') }
}

test('SNS takes pushes of every purpose, and the platforms behind it deliver them', async (t) => {
  const { sns, fcm, apns } = await amazon(t)
  for (const push of [pushOf(), refreshOf(), pushOf({ purpose: 'cancel', reason: 'ended' })])
    assert.deepEqual(await fcm.send(push), { outcome: 'accepted' })
  for (const push of [
    pushOf(APPLE),
    refreshOf(APPLE),
    pushOf({ ...APPLE, purpose: 'request', data: { title: 'Alice', body: 'Hello' } }),
  ])
    assert.deepEqual(await apns.send(push), { outcome: 'accepted' })
  assert.deepEqual(
    sns.received.map(({ platform, token, undelivered }) => [platform, token, undelivered ?? 'delivered'].join(' ')),
    [
      'GCM token-of-bob delivered',
      'GCM token-of-bob delivered',
      'GCM token-of-bob delivered',
      'APNS_VOIP aa11 delivered',
      'APNS bb22 delivered',
      'APNS bb22 delivered',
    ],
  )
  assert.deepEqual(sns.refused, [])
  assert.equal(sns.endpoints.size, 3)
})

test('an endpoint that somebody else has made with other attributes is used, enabled', async (t) => {
  const { sns, fcm } = await amazon(t)
  await fcm.send(pushOf())
  const [endpoint] = sns.endpoints.values()
  Object.assign(endpoint!, { customUserData: 'bob', enabled: false })
  const fresh = snsProvider({
    applications: pushSettings(
      new Reader({ SNS_PLATFORM_APPLICATIONS: `fcm=${sns.applicationArn('android')}` }),
    ).sns.get('fcm')!,
    clock: new FakeClock(NOW),
  })
  assert.deepEqual(await fresh.send(pushOf()), { outcome: 'accepted' })
  assert.deepEqual([sns.refused, sns.endpoints.size], [['CreatePlatformEndpoint 400 InvalidParameter'], 1])
})

test('a token that the platform does not know any more is dead at the next push', async (t) => {
  const { sns, fcm } = await amazon(t)
  sns.dropToken('token-of-bob')
  assert.deepEqual(await fcm.send(pushOf()), { outcome: 'accepted' })
  assert.equal((await fcm.send(pushOf())).outcome, 'token_invalid')
})

test('an endpoint that is disabled with another token is enabled with this one; one that is gone is made anew', async (t) => {
  const { sns, fcm } = await amazon(t)
  await fcm.send(pushOf())
  const [endpoint] = sns.endpoints.values()
  Object.assign(endpoint!, { token: 'another', enabled: false })
  assert.deepEqual(await fcm.send(pushOf()), { outcome: 'accepted' })
  assert.deepEqual([endpoint!.token, endpoint!.enabled], ['token-of-bob', true])
  sns.endpoints.clear()
  assert.deepEqual(await fcm.send(pushOf()), { outcome: 'accepted' })
})

test('a token that is none of the platform is dead', async (t) => {
  const { apns } = await amazon(t)
  const push = pushOf({ ...APPLE, prid: 'zz', param: 'T.com.example.app.voip' })
  assert.deepEqual(await apns.send(push), {
    outcome: 'token_invalid',
    error: 'SNS: the token is none of this platform',
  })
})

test('trouble of SNS, and whether to try again', async (t) => {
  const { sns, fcm } = await amazon(t)
  await fcm.send(pushOf())
  sns.script('Throttled', 'Throttling', 'InternalError', 'ServiceUnavailable', 'reset', 'AuthorizationError')
  const waits = []
  for (let nth = 0; nth < 6; nth++) waits.push((await fcm.send(pushOf())).retryAfterSeconds)
  assert.deepEqual(waits, [1, 1, 0, 0, 0, undefined])
  sns.disableApplication('android')
  assert.deepEqual(await fcm.send(pushOf()), {
    outcome: 'failed',
    error: 'SNS answered 400 PlatformApplicationDisabled',
  })
})
