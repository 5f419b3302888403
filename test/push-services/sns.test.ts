import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { signatureFault } from './sigv4.ts'
import { type SnsOptions, start } from './sns.ts'

const NOON = Date.UTC(2026, 0, 15, 12)
const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const ERROR = /<Type>(\w+)<\/Type><Code>(\w+)<\/Code><Message>(.*)<\/Message>/s

async function scene(t: TestContext, options: SnsOptions = {}) {
  const clock = { ms: NOON }
  const sns = await start({ credentials: KEY, region: 'us-east-1', now: () => clock.ms, ...options })
  t.after(() => sns.close())
  const ask = async (action: string, parameters: Record<string, string> = {}, altered: Record<string, string> = {}) => {
    const body = new URLSearchParams({ Action: action, Version: '2010-03-31', ...parameters }).toString()
    const headers = { ...signed(body, new URL(sns.url).host, clock.ms), ...altered }
    const answer = await fetch(`${sns.url}/`, { method: 'POST', headers, body })
    const text = await answer.text()
    const [, type, code, message] = ERROR.exec(text) ?? []
    return { status: answer.status, text, type, code, message: message ?? '' }
  }
  const endpoint = async (application: string, token: string, more: Record<string, string> = {}) => {
    const parameters = { PlatformApplicationArn: sns.applicationArn(application), Token: token, ...more }
    return await ask('CreatePlatformEndpoint', parameters)
  }
  const arnOf = async (...given: Parameters<typeof endpoint>) =>
    /<EndpointArn>(.*)<\/EndpointArn>/.exec((await endpoint(...given)).text)![1]!
  const publish = async (TargetArn: string, message: object, attributes: Record<string, string> = {}) => {
    const entries = Object.entries(attributes).flatMap(([name, value], at) => [
      [`MessageAttributes.entry.${at + 1}.Name`, name],
      [`MessageAttributes.entry.${at + 1}.Value.DataType`, 'String'],
      [`MessageAttributes.entry.${at + 1}.Value.StringValue`, value],
    ])
    const Message = JSON.stringify(message)
    return await ask('Publish', { TargetArn, Message, MessageStructure: 'json', ...Object.fromEntries(entries) })
  }
  const verdict = async (...given: Parameters<typeof publish>) => {
    const { status, code } = await publish(...given)
    return `${status} ${code ?? 'taken'}`
  }
  return { sns, clock, ask, endpoint, arnOf, publish, verdict }
}

/** Signature Version 4 as its guide spells it out, for one POST to `/`. */
function signed(body: string, host: string, ms: number): Record<string, string> {
  const date = new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '')
  const type = 'application/x-www-form-urlencoded; charset=utf-8'
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const canonical = `POST\n/\n\ncontent-type:${type}\nhost:${host}\nx-amz-date:${date}\n\ncontent-type;host;x-amz-date\n${hash(body)}`
  const scope = `${date.slice(0, 8)}/us-east-1/sns/aws4_request`
  const key = hmac(hmac(hmac(hmac(`AWS4${KEY.secretAccessKey}`, date.slice(0, 8)), 'us-east-1'), 'sns'), 'aws4_request')
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash(canonical)}`).toString('hex')
  return {
    'content-type': type,
    'x-amz-date': date,
    authorization: `AWS4-HMAC-SHA256 Credential=${KEY.accessKeyId}/${scope}, SignedHeaders=content-type;host;x-amz-date, Signature=${signature}`,
  }
}

test('the signed request of the Signature Version 4 guide verifies, and not with a letter changed', () => {
  const authorization =
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7'
  const headers = {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    host: 'iam.amazonaws.com',
    'x-amz-date': '20150830T123600Z',
    authorization,
  }
  const asked = { method: 'GET', path: '/?Action=ListUsers&Version=2010-05-08', headers, body: Buffer.alloc(0) }
  const check = (more: object, at = Date.UTC(2015, 7, 30, 12, 36)) =>
    signatureFault({ ...asked, ...more }, KEY, { region: 'us-east-1', service: 'iam' }, at)?.code
  assert.equal(check({}), undefined)
  assert.equal(check({ path: '/?Action=ListUserz&Version=2010-05-08' }), 'SignatureDoesNotMatch')
  assert.equal(check({ body: Buffer.from('x') }), 'SignatureDoesNotMatch')
  assert.equal(check({}, Date.UTC(2015, 7, 30, 12, 52)), 'SignatureDoesNotMatch')
  assert.equal(check({ headers: { ...headers, 'x-amz-target': 'unsigned' } }), 'SignatureDoesNotMatch')
  assert.equal(check({ headers: { ...headers, 'x-amz-date': 'now' } }), 'IncompleteSignature')
})

test('a request without a good signature is refused', async (t) => {
  const { sns, ask } = await scene(t)
  const code = async (altered: Record<string, string>) => {
    const { status, code } = await ask('Publish', {}, altered)
    return `${status} ${code}`
  }
  const { authorization = '' } = signed('', '', NOON)
  assert.equal(await code({ authorization: '' }), '403 MissingAuthenticationToken')
  assert.equal(await code({ authorization: 'Bearer x' }), '400 IncompleteSignature')
  assert.equal(await code({ authorization: authorization.replace('AKID', 'OTHER') }), '403 InvalidClientTokenId')
  assert.equal(
    await code({ authorization: authorization.replace('us-east-1', 'eu-west-1') }),
    '403 SignatureDoesNotMatch',
  )
  assert.equal(await code({ authorization }), '403 SignatureDoesNotMatch')
  assert.equal(await code({ 'x-amz-security-token': 'stray' }), '403 InvalidClientTokenId')
  assert.equal(sns.refused.length, 6)
})

test('CreatePlatformEndpoint is idempotent, and names the endpoint that has other attributes', async (t) => {
  const { endpoint, arnOf, ask, sns } = await scene(t)
  const arn = await arnOf('android', 'token-1', { CustomUserData: 'alice & co' })
  assert.match(arn, /^arn:aws:sns:us-east-1:123456789012:endpoint\/GCM\/android\/[\da-f-]{36}$/)
  assert.equal(await arnOf('android', 'token-1', { CustomUserData: 'alice & co' }), arn)
  const { status, type, code, message } = await endpoint('android', 'token-1', { CustomUserData: 'bob' })
  assert.deepEqual([status, type, code], [400, 'Sender', 'InvalidParameter'])
  assert.equal(
    message,
    `Invalid parameter: Token Reason: Endpoint ${arn} already exists with the same Token, but different attributes.`,
  )
  sns.endpoints.get(arn)!.enabled = false
  const enabled = { 'Attributes.entry.1.key': 'Enabled', 'Attributes.entry.1.value': 'true' }
  assert.equal(
    (await endpoint('android', 'token-1', { CustomUserData: 'alice & co', ...enabled })).code,
    'InvalidParameter',
  )
  const { text } = await ask('GetEndpointAttributes', { EndpointArn: arn })
  assert.match(text, /<entry><key>Enabled<\/key><value>false<\/value><\/entry>/)
  assert.match(text, /<key>CustomUserData<\/key><value>alice &#38; co<\/value>/)
})

test('endpoints that do not exist, and attributes and tokens that are none', async (t) => {
  const { endpoint, arnOf, ask } = await scene(t)
  const arn = await arnOf('ios', 'ab'.repeat(32))
  const set = async (key: string, value: string, EndpointArn = arn) => {
    const parameters = { EndpointArn, 'Attributes.entry.1.key': key, 'Attributes.entry.1.value': value }
    const { status, code } = await ask('SetEndpointAttributes', parameters)
    return `${status} ${code ?? 'taken'}`
  }
  assert.equal(await set('Enabled', 'false'), '200 taken')
  assert.equal(await set('Enabled', 'yes'), '400 InvalidParameter')
  assert.equal(await set('enabled', 'true'), '400 InvalidParameter')
  assert.equal(await set('Token', 'not hexadecimal'), '400 InvalidParameter')
  await arnOf('ios', 'cd'.repeat(32))
  assert.equal(await set('Token', 'cd'.repeat(32)), '400 InvalidParameter')
  assert.equal(await set('Enabled', 'true', `${arn}x`), '404 NotFound')
  assert.equal((await ask('GetEndpointAttributes', { EndpointArn: `${arn}x` })).status, 404)
  assert.equal((await endpoint('windows', 'x')).message, 'PlatformApplication does not exist')
  assert.equal((await endpoint('ios', 'x')).code, 'InvalidParameter')
  assert.equal((await ask('DeleteEverything')).code, 'InvalidAction')
})

test('Publish wants a default, and the text of a platform is JSON in a string', async (t) => {
  const { sns, arnOf, verdict } = await scene(t)
  const arn = await arnOf('android', 'token-1')
  const text = '{"fcmV1Message": {"message": {"notification": {"title": "Hello"}, "data": {"dataKey": "example"}}}}'
  assert.equal(await verdict(arn, { default: 'x', GCM: text }), '200 taken')
  assert.equal(await verdict(arn, { GCM: text }), '400 InvalidParameter')
  assert.equal(await verdict(arn, { default: 'x', GCM: 'no JSON' }), '400 InvalidParameter')
  assert.equal(await verdict(arn, { default: 'x', GCM: '{"fcmV1Message":{"data":{}}}' }), '400 InvalidParameter')
  // "Non-string values will cause the key to be ignored."
  assert.equal(await verdict(arn, { default: 'x', GCM: JSON.parse(text) }), '200 taken')
  const bad = { fcmV1Message: { message: { data: { seconds: 12 } } } }
  assert.equal(await verdict(arn, { default: 'x', GCM: JSON.stringify(bad) }), '200 taken')
  assert.equal(await verdict(`${arn}x`, { default: 'x' }), '400 InvalidParameter')
  assert.deepEqual(
    sns.received.map(({ entry, text, undelivered }) => [entry, text.length, undelivered]),
    [
      ['GCM', text.length, undefined],
      ['default', 1, undefined],
      ['GCM', JSON.stringify(bad).length, "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"],
    ],
  )
})

test('the attributes for mobile push have their names and values', async (t) => {
  const { sns, arnOf, verdict } = await scene(t)
  const arn = await arnOf('voip', 'ab'.repeat(32))
  const message = { default: 'x', APNS_VOIP: '{"call":"1"}' }
  const good = {
    'AWS.SNS.MOBILE.APNS.PUSH_TYPE': 'voip',
    'AWS.SNS.MOBILE.APNS.PRIORITY': '10',
    'AWS.SNS.MOBILE.APNS.TOPIC': 'com.example.app.voip',
    'AWS.SNS.MOBILE.APNS.COLLAPSE_ID': 'call-1',
    'AWS.SNS.MOBILE.APNS_VOIP.TTL': '30',
  }
  assert.equal(await verdict(arn, message, good), '200 taken')
  assert.deepEqual(sns.received[0]!.attributes, good)
  const bad: [string, string][] = [
    ['AWS.SNS.MOBILE.APNS_VOIP.PUSH_TYPE', 'voip'],
    ['AWS.SNS.MOBILE.APNS.PUSH_TYPE', 'call'],
    ['AWS.SNS.MOBILE.APNS.PRIORITY', 'high'],
    ['AWS.SNS.MOBILE.APNS_VOIP.TTL', '30s'],
    ['AWS.SNS.MOBILE.APNS_VOIP.TTL', '2419201'],
    ['AWS.SNS.MOBILE.APNS.COLLAPSE_ID', 'x'.repeat(65)],
    ['AWS.SNS.MOBILE.APNS.TOPIC', ''],
    ['call id', 'x'],
  ]
  for (const [name, value] of bad)
    assert.equal(await verdict(arn, message, { [name]: value }), '400 ParameterValueInvalid', name)
  await verdict(arn, message, { 'AWS.SNS.MOBILE.APNS.PUSH_TYPE': 'alert' })
  assert.equal(sns.received[1]!.undelivered, 'InvalidPushType')
})

test('a push to a token that is gone is taken; it is the next that finds the endpoint disabled', async (t) => {
  const { sns, ask, arnOf, verdict } = await scene(t)
  const arn = await arnOf('android', 'token-1')
  sns.dropToken('token-1')
  assert.equal(await verdict(arn, { default: 'x' }), '200 taken')
  assert.equal(await verdict(arn, { default: 'x' }), '400 EndpointDisabled')
  const revived = {
    'Attributes.entry.1.key': 'Token',
    'Attributes.entry.1.value': 'token-2',
    'Attributes.entry.2.key': 'Enabled',
    'Attributes.entry.2.value': 'true',
  }
  await ask('SetEndpointAttributes', { EndpointArn: arn, ...revived })
  assert.equal(await verdict(arn, { default: 'x' }), '200 taken')
  assert.deepEqual(
    sns.received.map(({ undelivered }) => undelivered !== undefined),
    [true, false],
  )
  sns.disableApplication('android')
  assert.equal(await verdict(arn, { default: 'x' }), '400 PlatformApplicationDisabled')
})

test('SNS gives trouble by script, one request each', async (t) => {
  const { sns, arnOf, verdict } = await scene(t)
  const arn = await arnOf('android', 'token-1')
  sns.script('Throttled', 'InternalError', 'ServiceUnavailable', 'AuthorizationError', 'NotFound')
  const seen: string[] = []
  for (let at = 0; at < 6; at++) seen.push(await verdict(arn, { default: 'x' }))
  assert.deepEqual(seen, [
    '429 Throttled',
    '500 InternalError',
    '503 ServiceUnavailable',
    '403 AuthorizationError',
    '404 NotFound',
    '200 taken',
  ])
})

test('a topic gives its subscribers what it takes; one in order wants a group, and an id by which it knows a repetition', async (t) => {
  const { sns, clock, ask } = await scene(t, { topics: ['calls', 'calls.fifo'] })
  const publish = async (name: string, Message: string, more: Record<string, string> = {}) => {
    const { status, message } = await ask('Publish', { TopicArn: sns.topicArn(name), Message, ...more })
    return `${status} ${message}`.trim()
  }
  const type = {
    'MessageAttributes.entry.1.Name': 'type',
    'MessageAttributes.entry.1.Value.DataType': 'String',
    'MessageAttributes.entry.1.Value.StringValue': 'call.ended',
  }
  assert.equal(await publish('calls', 'one', type), '200')
  assert.equal(await publish('none', 'x'), '404 Topic does not exist')
  assert.match(await publish('calls', ''), /^400 .*Empty message/)
  assert.match(await publish('calls', 'x', { MessageDeduplicationId: 'a' }), /^400 .*not valid for this topic type/)
  assert.match(await publish('calls.fifo', 'x'), /^400 .*MessageGroupId parameter is required/)
  assert.match(await publish('calls.fifo', 'x', { MessageGroupId: 'g' }), /^400 .*MessageDeduplicationId provided/)
  assert.match(
    await publish('calls.fifo', 'x', { MessageGroupId: 'two words', MessageDeduplicationId: 'a' }),
    /^400 .*MessageGroupId Reason/,
  )
  const first = { MessageGroupId: 'g', MessageDeduplicationId: 'a' }
  for (const text of ['two', 'again']) assert.equal(await publish('calls.fifo', text, first), '200')
  clock.ms += 300_000
  assert.equal(await publish('calls.fifo', 'later', first), '200')
  assert.deepEqual(
    sns.published.map(({ text, group, attributes }) => [text, group, attributes.type]),
    [
      ['one', undefined, 'call.ended'],
      ['two', 'g', undefined],
      ['later', 'g', undefined],
    ],
  )
})
