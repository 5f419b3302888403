import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createPlatformApplicationHandler,
  type ResourceEvent,
} from '../../../infra/aws/platform-application/platform-application.ts'

const ARN = 'arn:aws:sns:eu-west-1:123456789012:app/GCM/Rouse-fcm'
const PROPERTIES = { Name: 'Rouse-fcm', Platform: 'GCM', SecretArn: 'arn:aws:secretsmanager:…:fcm' }
const CREDENTIAL = JSON.stringify({ PlatformCredential: '{"type":"service_account"}' })

/** A handler over an SNS that takes down what it is asked. */
function scene(secret = CREDENTIAL) {
  const asked: [string, object][] = []
  const ask = (verb: string) => async (input: object) => {
    asked.push([verb, input])
    return { PlatformApplicationArn: ARN }
  }
  const sns = {
    createPlatformApplication: ask('create'),
    setPlatformApplicationAttributes: ask('set'),
    deletePlatformApplication: ask('delete'),
  }
  const handle = createPlatformApplicationHandler({ sns, secret: async () => secret })
  const event = (RequestType: ResourceEvent['RequestType'], rest: Partial<ResourceEvent> = {}) =>
    handle({ RequestType, ResourceProperties: PROPERTIES, ...rest })
  return { asked, event }
}

test('an application is created with the credentials of its secret, and its ARN is its id', async () => {
  const { asked, event } = scene()
  assert.deepEqual(await event('Create'), { PhysicalResourceId: ARN })
  const Attributes = { PlatformCredential: '{"type":"service_account"}' }
  assert.deepEqual(asked, [['create', { Name: 'Rouse-fcm', Platform: 'GCM', Attributes }]])
})

test('a deployment brings new credentials to the same application', async () => {
  const { asked, event } = scene()
  const answer = await event('Update', { PhysicalResourceId: ARN, OldResourceProperties: PROPERTIES })
  assert.deepEqual(answer, { PhysicalResourceId: ARN })
  assert.deepEqual(
    asked.map(([verb]) => verb),
    ['set'],
  )
})

test('another platform is another application', async () => {
  const { asked, event } = scene()
  await event('Update', {
    PhysicalResourceId: 'arn:old',
    OldResourceProperties: { Name: 'Rouse-fcm', Platform: 'ADM' },
  })
  assert.deepEqual(
    asked.map(([verb]) => verb),
    ['create'],
  )
})

test('it is deleted, unless it never was', async () => {
  const { asked, event } = scene('')
  await event('Delete', { PhysicalResourceId: ARN })
  await event('Delete', { PhysicalResourceId: 'what-cloudformation-made-up' })
  assert.deepEqual(asked, [['delete', { PlatformApplicationArn: ARN }]])
})

test('a secret that is no credential is refused by its ARN, and its text is in no message', async () => {
  for (const secret of ['TOPSECRET', '{"PlatformPrincipal":"TOPSECRET"}', '{"PlatformCredential":{"a":"TOPSECRET"}}']) {
    const { asked, event } = scene(secret)
    await assert.rejects(event('Create'), ({ message }: Error) => {
      assert.match(message, /^the secret arn:.*: expected a JSON object of strings with PlatformCredential/)
      assert.doesNotMatch(message, /TOPSECRET/)
      return true
    })
    assert.deepEqual(asked, [])
  }
})
