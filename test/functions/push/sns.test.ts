import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PushMessage } from '../../../functions/contract/push.ts'
import { type EndpointCache, endpointsInMemory, storedEndpoints } from '../../../functions/push/endpoint-cache.ts'
import { snsProvider } from '../../../functions/push/sns.ts'
import { readApplicationArn, type SnsApplication } from '../../../functions/push/sns-application.ts'
import type { SnsClient } from '../../../functions/push/sns-client.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'
import { NOW, pushOf, refreshOf } from './pushes.ts'

const ACCOUNT = 'arn:aws:sns:eu-west-1:123456789012'
const GCM = application('GCM')
const APNS = application('APNS')
const VOIP = application('APNS_VOIP')
const BOTH = { provider: 'apns', prid: 'aa11:voip&bb22:remote', param: 'T.com.example.app.voip&remote' }

function application(platform: string): SnsApplication {
  return readApplicationArn(`${ACCOUNT}:app/${platform}/phones`)!
}

function fault(name: string, message = 'token-of-bob', httpStatusCode = 400): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode } })
}

interface Endpoint {
  token: string
  enabled: boolean
  /** Made with other attributes than ours. */
  isOthers?: boolean
}

/** SNS, as its documentation has it; what it is asked is kept. */
class Sns implements SnsClient {
  readonly asked: [operation: string, input: Record<string, unknown>][] = []
  readonly endpoints = new Map<string, Endpoint>()
  readonly faults: Error[] = []

  async createPlatformEndpoint(input: { PlatformApplicationArn: string; Token: string }) {
    this.#hear('create', input)
    for (const [arn, { token, isOthers }] of this.endpoints) {
      if (token !== input.Token || !arn.startsWith(input.PlatformApplicationArn.replace(':app/', ':endpoint/')))
        continue
      if (!isOthers) return { EndpointArn: arn }
      const reason = `Endpoint ${arn} already exists with the same Token, but different attributes.`
      throw fault('InvalidParameterException', `Invalid parameter: Token Reason: ${reason}`)
    }
    const EndpointArn = `${input.PlatformApplicationArn.replace(':app/', ':endpoint/')}/${this.endpoints.size + 1}`
    this.endpoints.set(EndpointArn, { token: input.Token, enabled: true })
    return { EndpointArn }
  }

  async getEndpointAttributes(input: { EndpointArn: string }) {
    this.#hear('get', input)
    const { token, enabled } = this.#endpoint(input.EndpointArn)
    return { Attributes: { Token: token, Enabled: String(enabled) } }
  }

  async setEndpointAttributes(input: { EndpointArn: string; Attributes: Record<string, string> }) {
    this.#hear('set', input)
    const endpoint = this.#endpoint(input.EndpointArn)
    endpoint.token = input.Attributes.Token ?? endpoint.token
    endpoint.enabled = input.Attributes.Enabled === 'true'
  }

  async publish(input: { TargetArn: string; Message: string; MessageStructure: string; MessageAttributes: object }) {
    this.#hear('publish', input)
    const endpoint = this.endpoints.get(input.TargetArn)
    const reason = 'Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified'
    if (!endpoint) throw fault('InvalidParameterException', reason)
    if (!endpoint.enabled) throw fault('EndpointDisabledException', 'Endpoint is disabled')
  }

  destroy(): void {}

  get steps(): string[] {
    return this.asked.map(([operation]) => operation)
  }

  get published() {
    return this.asked.filter(([operation]) => operation === 'publish').map(([, input]) => input)
  }

  #hear(operation: string, input: object): void {
    this.asked.push([operation, { ...input }])
    const next = this.faults.shift()
    if (next) throw next
  }

  #endpoint(arn: string): Endpoint {
    const endpoint = this.endpoints.get(arn)
    if (!endpoint) throw fault('NotFoundException', 'Endpoint does not exist', 404)
    return endpoint
  }
}

function sns(applications: SnsApplication[] = [GCM], endpoints: EndpointCache = endpointsInMemory()) {
  const service = new Sns()
  const regions: string[] = []
  const client = async (region: string) => {
    regions.push(region)
    return service
  }
  const provider = snsProvider({ applications, endpoints, client, clock: new FakeClock(NOW) })
  return { service, regions, endpoints, send: (message: PushMessage) => provider.send(message) }
}

describe('what SNS is asked to publish', () => {
  test('to Google: FCM v1 as JSON in a string, with its lifetime', async () => {
    const { send, service, regions } = sns()
    assert.deepEqual(await send(pushOf()), { outcome: 'accepted' })
    assert.deepEqual(regions, ['eu-west-1'])
    assert.deepEqual(service.asked[0], ['create', { PlatformApplicationArn: GCM.arn, Token: 'token-of-bob' }])
    const [{ TargetArn, Message, MessageStructure, MessageAttributes }] = service.published as [Record<string, unknown>]
    assert.equal(TargetArn, `${ACCOUNT}:endpoint/GCM/phones/1`)
    assert.equal(MessageStructure, 'json')
    assert.deepEqual(MessageAttributes, { 'AWS.SNS.MOBILE.FCM.TTL': { DataType: 'String', StringValue: '30' } })
    const { fcmV1Message } = JSON.parse(JSON.parse(Message as string).GCM)
    const { collapse_key, ...android } = fcmV1Message.message.android
    assert.match(collapse_key, /^[\w-]{32}$/)
    assert.deepEqual(android, { priority: 'HIGH', ttl: '30s' })
    assert.deepEqual(fcmV1Message.message.data, { call: 'call-1', event: 'call' })
    assert.equal('token' in fcmV1Message.message, false)
  })

  test('a call to an iPhone: by the VoIP application, everything else by that of notifications', async () => {
    const { send, service } = sns([APNS, VOIP])
    await send(pushOf(BOTH))
    await send(refreshOf(BOTH))
    const created = service.asked.filter(([operation]) => operation === 'create').map(([, input]) => input)
    assert.deepEqual(created, [
      { PlatformApplicationArn: VOIP.arn, Token: 'aa11' },
      { PlatformApplicationArn: APNS.arn, Token: 'bb22' },
    ])
    const sent = service.published.map(({ Message, MessageAttributes }) => {
      const { default: _, ...platforms } = JSON.parse(Message as string)
      const [[platform, payload]] = Object.entries(platforms) as [[string, string]]
      const attributes = Object.entries(MessageAttributes as Record<string, { StringValue: string }>)
      const values = Object.fromEntries(attributes.map(([name, { StringValue }]) => [name, StringValue]))
      assert.match(values['AWS.SNS.MOBILE.APNS.COLLAPSE_ID']!, /^[\w-]{32}$/)
      delete values['AWS.SNS.MOBILE.APNS.COLLAPSE_ID']
      return { platform, payload: JSON.parse(payload), ...values }
    })
    assert.deepEqual(sent, [
      {
        platform: 'APNS_VOIP',
        payload: { call: 'call-1', event: 'call', aps: {} },
        'AWS.SNS.MOBILE.APNS_VOIP.TTL': '30',
        'AWS.SNS.MOBILE.APNS.PUSH_TYPE': 'voip',
        'AWS.SNS.MOBILE.APNS.PRIORITY': '10',
        'AWS.SNS.MOBILE.APNS.TOPIC': 'com.example.app.voip',
      },
      {
        platform: 'APNS',
        payload: { event: 'refresh', aps: { 'content-available': 1 } },
        'AWS.SNS.MOBILE.APNS.TTL': '30',
        'AWS.SNS.MOBILE.APNS.PUSH_TYPE': 'background',
        'AWS.SNS.MOBILE.APNS.PRIORITY': '5',
        'AWS.SNS.MOBILE.APNS.TOPIC': 'com.example.app',
      },
    ])
  })

  test('a token of which there is no application: the other one, or unsupported', async () => {
    const notifications = sns([APNS])
    await notifications.send(pushOf(BOTH))
    assert.match(notifications.service.published[0]!.TargetArn as string, /endpoint\/APNS\//)
    const { outcome } = await sns([VOIP]).send(refreshOf(BOTH))
    assert.equal(outcome, 'unsupported')
  })

  test('without pn-param the token is that of the only application', async () => {
    const { send, service } = sns([application('APNS_VOIP_SANDBOX')])
    assert.deepEqual(await send(pushOf({ prid: 'aa11', param: '' })), { outcome: 'accepted' })
    const { Message, MessageAttributes } = service.published[0]!
    assert.deepEqual(Object.keys(JSON.parse(Message as string)), ['default', 'APNS_VOIP_SANDBOX'])
    assert.ok('AWS.SNS.MOBILE.APNS_VOIP_SANDBOX.TTL' in (MessageAttributes as object))
    assert.ok(!('AWS.SNS.MOBILE.APNS.TOPIC' in (MessageAttributes as object)))
  })
})

describe('endpoints', () => {
  test('are made once and remembered under a key that is no token', async () => {
    const keys: string[] = []
    const memory = endpointsInMemory()
    const endpoints: EndpointCache = {
      get: (key) => memory.get(key),
      set: (key, value) => {
        keys.push(key)
        return memory.set(key, value)
      },
    }
    const { send, service } = sns([GCM], endpoints)
    await send(pushOf())
    await send(pushOf({ id: 'push-2' }))
    assert.deepEqual(service.steps, ['create', 'publish', 'publish'])
    assert.match(keys.join(), /^[\w-]{43}$/)
  })

  test('are shared by way of the store', async () => {
    const store = createMemoryStore({ clock: new FakeClock(NOW), ids: new CountingIds() })
    const first = sns([GCM], storedEndpoints(store))
    await first.send(pushOf())
    const second = sns([GCM], storedEndpoints(store))
    for (const [arn, endpoint] of first.service.endpoints) second.service.endpoints.set(arn, endpoint)
    await second.send(pushOf())
    assert.deepEqual(second.service.steps, ['publish'])
  })

  test('a store that is away costs a request, no push', async () => {
    const away = { get: () => Promise.reject(new Error('away')), set: () => Promise.reject(new Error('away')) }
    const { send, service } = sns([GCM], away)
    assert.deepEqual(await send(pushOf()), { outcome: 'accepted' })
    assert.deepEqual(service.steps, ['create', 'publish'])
  })

  test('in memory they are bounded: those that were not used for longest go', async () => {
    const endpoints = endpointsInMemory(2)
    await endpoints.set('a', '1')
    await endpoints.set('b', '2')
    await endpoints.get('a')
    await endpoints.set('c', '3')
    const kept = await Promise.all(['a', 'b', 'c'].map((key) => endpoints.get(key)))
    assert.deepEqual(kept, ['1', undefined, '3'])
  })

  test('one that was made with other attributes is taken as it is, enabled and with this token', async () => {
    const { send, service } = sns()
    const arn = `${ACCOUNT}:endpoint/GCM/phones/of-others`
    service.endpoints.set(arn, { token: 'token-of-bob', enabled: false, isOthers: true })
    assert.deepEqual(await send(pushOf()), { outcome: 'accepted' })
    assert.deepEqual(service.steps, ['create', 'set', 'publish'])
    const set = service.asked[1]![1]
    assert.deepEqual(set, { EndpointArn: arn, Attributes: { Token: 'token-of-bob', Enabled: 'true' } })
  })

  test('one that is disabled and has this token: the token is dead', async () => {
    const { send, service } = sns()
    await send(pushOf())
    for (const endpoint of service.endpoints.values()) endpoint.enabled = false
    const error = 'SNS has disabled the endpoint: the platform does not know the token any more'
    assert.deepEqual(await send(pushOf()), { outcome: 'token_invalid', error })
    assert.deepEqual(service.steps.slice(2), ['publish', 'get'])
  })

  test('one that is disabled and has another token is enabled with this one, once', async () => {
    const { send, service } = sns()
    await send(pushOf())
    for (const endpoint of service.endpoints.values()) Object.assign(endpoint, { enabled: false, token: 'another' })
    assert.deepEqual(await send(pushOf()), { outcome: 'accepted' })
    assert.deepEqual(service.steps.slice(2), ['publish', 'get', 'set', 'publish'])

    for (const endpoint of service.endpoints.values()) Object.assign(endpoint, { enabled: false, token: 'another' })
    const disabled = () => fault('EndpointDisabledException')
    service.setEndpointAttributes = async () => {}
    service.faults.push(disabled())
    assert.equal((await send(pushOf())).outcome, 'token_invalid')
  })

  test('one that somebody has deleted is made anew', async () => {
    const { send, service } = sns()
    await send(pushOf())
    service.endpoints.clear()
    assert.deepEqual(await send(pushOf()), { outcome: 'accepted' })
    assert.deepEqual(service.steps.slice(2), ['publish', 'create', 'publish'])
  })
})

describe('what SNS refuses', () => {
  for (const [title, error, result] of [
    [
      'a token that is none of the platform: dead',
      fault('InvalidParameterException', 'Invalid parameter: Token Reason: token-of-bob'),
      { outcome: 'token_invalid', error: 'SNS: the token is none of this platform' },
    ],
    [
      'another parameter',
      fault('InvalidParameterException', 'Invalid parameter: Message'),
      { outcome: 'failed', error: 'SNS answered 400 InvalidParameter' },
    ],
    [
      'the right to do it',
      fault('AuthorizationErrorException', '', 403),
      { outcome: 'failed', error: 'SNS answered 403 AuthorizationError' },
    ],
    [
      'an application that is disabled',
      fault('PlatformApplicationDisabledException'),
      { outcome: 'failed', error: 'SNS answered 400 PlatformApplicationDisabled' },
    ],
    [
      'too many requests',
      fault('ThrottledException', '', 429),
      { outcome: 'failed', error: 'SNS answered 429 Throttled', retryAfterSeconds: 1 },
    ],
    [
      'too many requests, in the words of the API',
      fault('Throttling'),
      { outcome: 'failed', error: 'SNS answered 400 Throttling', retryAfterSeconds: 1 },
    ],
    [
      'because of trouble of its own',
      fault('InternalErrorException', '', 500),
      { outcome: 'failed', error: 'SNS answered 500 InternalError', retryAfterSeconds: 0 },
    ],
    [
      'because there are no credentials',
      Object.assign(new Error(''), { name: 'CredentialsProviderError' }),
      { outcome: 'failed', error: 'SNS: there are no AWS credentials' },
    ],
    [
      'nothing: it cannot be reached',
      new Error('ECONNREFUSED'),
      { outcome: 'failed', error: 'SNS could not be reached', retryAfterSeconds: 0 },
    ],
  ] as const)
    test(title, async () => {
      const { send, service } = sns()
      service.faults.push(error)
      assert.deepEqual(await send(pushOf()), result)
    })

  test('an ARN that is none of a platform application of phones is not one', () => {
    assert.deepEqual(GCM, { arn: `${ACCOUNT}:app/GCM/phones`, region: 'eu-west-1', platform: 'GCM' })
    for (const arn of ['', `${ACCOUNT}:app/ADM/x`, `${ACCOUNT}:topic`, `${ACCOUNT}:endpoint/GCM/x/1`])
      assert.equal(readApplicationArn(arn), undefined, arn)
  })
})
