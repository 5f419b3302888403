import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { type FcmOptions, type FcmTrouble, start } from './fcm.ts'
import { jwt } from './signing.ts'

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const NOON = Date.UTC(2026, 0, 15, 12)

async function scene(t: TestContext, options: FcmOptions = {}) {
  const clock = { ms: NOON }
  const tokens = { good: 'registered', old: 'unregistered', theirs: 'other sender' } as const
  const fcm = await start({ tokens, projectId: 'myproject-b5ae1', now: () => clock.ms, ...options })
  t.after(() => fcm.close())
  const { client_email, private_key, private_key_id, token_uri } = fcm.serviceAccount
  const own = createPrivateKey(private_key!)
  const grant = async (claims: object = {}, { key = own, kid = private_key_id, type = GRANT } = {}) => {
    const iat = Math.floor(clock.ms / 1_000)
    const good = { iss: client_email, scope: SCOPE, aud: 'https://oauth2.googleapis.com/token', iat, exp: iat + 3_600 }
    const assertion = jwt('RS256', key, { ...good, ...claims }, { typ: 'JWT', kid })
    const answer = await fetch(token_uri!, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: type, assertion }),
    })
    const said = (await answer.json()) as Record<string, string>
    return { ...said, status: answer.status } as Record<string, string | number>
  }
  const token = String((await grant()).access_token)
  const send = async (body: unknown, { bearer = token, project = 'myproject-b5ae1' } = {}) => {
    const answer = await fetch(`${fcm.url}/v1/projects/${project}/messages:send`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.startsWith('application/json')
    return { status: answer.status, headers: answer.headers, text, body: isJson ? JSON.parse(text) : undefined }
  }
  const refusal = async (message: object) => {
    const { status, body } = await send({ message: { token: 'good', ...message } })
    return `${status} ${body.error?.status ?? 'taken'} ${body.error?.message ?? ''}`
  }
  return { fcm, clock, grant, send, refusal }
}

test('FCM takes the message of the guide and answers with its name', async (t) => {
  const { fcm, send } = await scene(t)
  const message = {
    token: 'good',
    notification: { title: 'FCM Message', body: 'This is an FCM Message' },
    android: { priority: 'high', ttl: '4500s', collapse_key: 'call', data: { story_id: 'story_12345' } },
    apns: { headers: { 'apns-priority': '5' }, payload: { aps: { category: 'NEW_MESSAGE_CATEGORY' } } },
    webpush: { headers: { TTL: '86400' } },
  }
  const { status, body } = await send({ message })
  assert.equal(status, 200)
  assert.match(body.name, /^projects\/myproject-b5ae1\/messages\/0:/)
  assert.deepEqual(fcm.received, [{ message, name: body.name }])
  assert.match((await send({ message, validate_only: true })).body.name, /fake_message_id$/)
  assert.equal(fcm.received.length, 1)
})

test('FCM quotes the value that is no string, word for word as its error page does', async (t) => {
  const { send } = await scene(t)
  const { status, body } = await send({ message: { token: 'good', data: { seconds: 12 } } })
  const description = "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"
  assert.equal(status, 400)
  assert.deepEqual(body.error, {
    code: 400,
    message: description,
    status: 'INVALID_ARGUMENT',
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.BadRequest',
        fieldViolations: [{ field: 'message.data[0].value', description }],
      },
    ],
  })
})

test('FCM refuses messages that break the schema or its rules', async (t) => {
  const { fcm, refusal } = await scene(t)
  const cases: [object, RegExp][] = [
    [{ priority: 'high' }, /Unknown name "priority" at 'message'/],
    [{ android: { prio: 'high' } }, /Unknown name "prio" at 'message.android'/],
    [{ android: { priority: 'urgent' } }, /AndroidMessagePriority\), "urgent"/],
    [{ android: { ttl: 30 } }, /Duration\), 30/],
    [{ android: { ttl: '30' } }, /Duration\), "30"/],
    [{ android: { ttl: '2419201s' } }, /invalid argument/],
    [{ data: { from: 'x' } }, /invalid argument/],
    [{ data: { 'google.x': 'x' } }, /invalid argument/],
    [{ android: { data: { gcm_x: 'x' } } }, /invalid argument/],
    [{ data: { message_type: 'x' } }, /invalid argument/],
    [{ data: { k: 'x'.repeat(4_096) } }, /invalid argument/],
    [{ token: undefined }, /Recipient of the message is not set/],
    [{ topic: 'news' }, /Cannot set 'topic'/],
    [{ token: 'nobody' }, /not a valid FCM registration token/],
  ]
  for (const [message, words] of cases) {
    const answer = await refusal(message)
    assert.match(answer, /^400 INVALID_ARGUMENT/, JSON.stringify(message))
    assert.match(answer, words)
  }
  assert.deepEqual(fcm.received, [])
  assert.match(await refusal({ data: { k: 'x'.repeat(4_095) } }), /^200/)
  assert.match(await refusal({ android: { ttl: '2419200s' } }), /^200/)
})

test('FCM tells a token that is gone from one of another sender', async (t) => {
  const { send } = await scene(t)
  const codes = async (token: string) => {
    const { status, body } = await send({ message: { token } })
    return [status, body.error.status, body.error.details[0]['@type'], body.error.details[0].errorCode]
  }
  const type = 'type.googleapis.com/google.firebase.fcm.v1.FcmError'
  assert.deepEqual(await codes('old'), [404, 'NOT_FOUND', type, 'UNREGISTERED'])
  assert.deepEqual(await codes('theirs'), [403, 'PERMISSION_DENIED', type, 'SENDER_ID_MISMATCH'])
})

test('FCM gives trouble by script, one request each', async (t) => {
  const { fcm, send } = await scene(t)
  const script: FcmTrouble[] = ['QUOTA_EXCEEDED', { code: 'UNAVAILABLE', retryAfter: '7' }, 'INTERNAL', 'BAD_GATEWAY']
  fcm.script(...script)
  const seen: string[] = []
  for (let at = 0; at < 5; at++) {
    const { status, headers, body } = await send({ message: { token: 'good' } })
    seen.push(
      `${status} ${body?.error?.details[0].errorCode ?? headers.get('content-type')} ${headers.get('retry-after')}`,
    )
  }
  assert.deepEqual(seen, [
    '429 QUOTA_EXCEEDED 60',
    '503 UNAVAILABLE 7',
    '500 INTERNAL null',
    '502 text/html; charset=UTF-8 null',
    '200 application/json; charset=UTF-8 null',
  ])
  fcm.script('reset')
  await assert.rejects(send({ message: { token: 'good' } }))
})

test('an access token opens one project for an hour, and only with a scope of messaging', async (t) => {
  const { clock, grant, send, fcm } = await scene(t)
  const message = { message: { token: 'good' } }
  const held = await grant()
  assert.equal(held.token_type, 'Bearer')
  const bearer = String(held.access_token)
  assert.equal((await send(message, { bearer: 'made-up' })).body.error.status, 'UNAUTHENTICATED')
  assert.equal((await send(message, { bearer, project: 'other' })).status, 403)
  const { access_token } = await grant({ scope: 'https://www.googleapis.com/auth/drive' })
  assert.equal((await send(message, { bearer: String(access_token) })).status, 403)
  clock.ms += 3_599_999
  assert.equal((await send(message, { bearer })).status, 200)
  clock.ms += 1
  const { status, headers } = await send(message, { bearer })
  assert.equal(status, 401)
  assert.match(headers.get('www-authenticate')!, /^Bearer/)
  const fresh = String((await grant()).access_token)
  fcm.revokeAccessTokens()
  assert.equal((await send(message, { bearer: fresh })).status, 401)
})

test('the token endpoint takes nothing but a fresh assertion of the account, for itself, within an hour', async (t) => {
  const { grant } = await scene(t)
  const at = NOON / 1_000
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const error = async (...given: Parameters<typeof grant>) => {
    const { status, error, error_description } = await grant(...given)
    assert.equal(status, 400)
    return `${error}: ${error_description}`
  }
  assert.match(await error({}, { type: 'client_credentials' }), /^unsupported_grant_type/)
  assert.match(await error({}, { key: stranger }), /^invalid_grant: Invalid JWT Signature/)
  assert.match(await error({}, { kid: 'other' }), /^invalid_grant: Invalid JWT Signature/)
  assert.match(await error({ iss: 'else@example.com' }), /account not found/)
  assert.match(await error({ aud: 'https://fcm.googleapis.com/' }), /audience/)
  assert.match(await error({ exp: at + 3_601 }), /short-lived/)
  assert.match(await error({ iat: at - 7_200, exp: at - 3_600 }), /short-lived/)
  assert.match(await error({ iat: at + 3_600, exp: at + 7_200 }), /short-lived/)
  assert.match(await error({ scope: '' }), /^invalid_scope/)
})
