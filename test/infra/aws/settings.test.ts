import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSettings } from '../../../infra/aws/settings.ts'

const SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:fcm-AbCdEf'

function read(context: Record<string, unknown>) {
  return readSettings((name) => context[name])
}

test('domains are enough', () => {
  const settings = read({ domains: 'example.com' })
  assert.ok(settings.ok)
  assert.deepEqual(settings.value.gateways, { min: 2, max: 10 })
  assert.deepEqual(settings.value.platformApplications, [])
})

test('a list comes as JSON on the command line, or as it is in cdk.json', () => {
  const list = [{ provider: 'fcm', platform: 'GCM', secretArn: SECRET }]
  for (const platformApplications of [list, JSON.stringify(list)]) {
    const settings = read({ domains: 'example.com', platformApplications })
    assert.ok(settings.ok)
    assert.deepEqual(settings.value.platformApplications, list)
  }
})

test('all mistakes are said at once, each with its remedy', () => {
  const wrong = read({
    certificateArn: 'mine',
    gateways: '5-2',
    upstashSecretArn: SECRET,
    platformApplications: [{ provider: 'fcm', platform: 'FCM', secretArn: SECRET }],
  })
  assert.ok(!wrong.ok)
  const said = wrong.problem.join('\n')
  assert.match(said, /^domains: expected your domains, got nothing; add -c domains=example\.com$/m)
  assert.match(said, /^certificateArn: expected an ARN, got "mine"$/m)
  assert.match(said, /^gateways: expected the fewest and the most, got "5-2"; write for example 2-10$/m)
  assert.match(said, /^upstashSecretArn: expected redisUrlSecretArn with it/m)
  assert.match(said, /^platformApplications: \[0\]\.platform: expected GCM or APNS/m)
})
