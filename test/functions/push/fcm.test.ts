import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jwtVerify } from 'jose'
import type { PushMessage } from '../../../functions/contract/push.ts'
import { fcmProvider } from '../../../functions/push/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Asked, NOW, pushOf, recordingFetch, refreshOf, rsaKeys } from './pushes.ts'

const { publicKey, pem } = rsaKeys()
const TOKEN_URI = 'https://oauth2.test/token'

function account(project_id: string) {
  const client_email = `rouse@${project_id}.iam.test`
  return { project_id, client_email, private_key: pem, private_key_id: 'key-1', token_uri: TOKEN_URI }
}

type Answer = (asked: Asked, nth: number) => Response | Promise<Response>

/** FCM and Google's token endpoint; each access token has a number. */
function fcm(answer: Answer = () => Response.json({ name: 'projects/p/messages/1' }), projects = ['project-1']) {
  const clock = new FakeClock(NOW)
  let tokens = 0
  let sends = 0
  const { asked, fetch } = recordingFetch((request) => {
    if (request.url !== TOKEN_URI) return answer(request, ++sends)
    return Response.json({ access_token: `access-${++tokens}`, expires_in: 3600, token_type: 'Bearer' })
  })
  const provider = fcmProvider({ accounts: projects.map(account), clock, fetch })
  const sent = () => asked.filter(({ url }) => url !== TOKEN_URI)
  const asksForTokens = () => asked.filter(({ url }) => url === TOKEN_URI)
  return { clock, provider, sent, asksForTokens, send: (message: PushMessage) => provider.send(message) }
}

function fault(status: number, rpc: string, details: object[] = [], message = 'no') {
  const headers = { 'content-type': 'application/json' }
  return new Response(JSON.stringify({ error: { code: status, message, status: rpc, details } }), { status, headers })
}
const fcmError = (errorCode: string) => ({ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode })
const violation = (field: string) => ({
  '@type': 'type.googleapis.com/google.rpc.BadRequest',
  fieldViolations: [{ field, description: 'wrong' }],
})

describe('what FCM is sent', () => {
  test('a data message of texts alone: the call by its word, no SIP URI, no name', async () => {
    const { send, sent } = fcm()
    assert.deepEqual(await send(pushOf({ data: { title: 'Alice', body: 'calls' } })), { outcome: 'accepted' })
    const [{ url, headers, text }] = sent() as [Asked]
    assert.equal(url, 'https://fcm.googleapis.com/v1/projects/project-1/messages:send')
    assert.equal(headers.get('authorization'), 'Bearer access-1')
    const { message } = JSON.parse(text)
    assert.match(message.android.collapse_key, /^[\w-]{32}$/)
    assert.deepEqual(message, {
      token: 'token-of-bob',
      data: { call: 'call-1', event: 'call', title: 'Alice', body: 'calls' },
      android: { priority: 'HIGH', ttl: '30s', collapse_key: message.android.collapse_key },
    })
    assert.doesNotMatch(text, /sip:|displayName/)
  })

  test('a call and its end replace each other; a refresh is not urgent; the handler cannot pass its data for ours', async () => {
    const { send, sent } = fcm()
    await send(pushOf())
    await send(pushOf({ purpose: 'cancel', reason: 'answered_elsewhere', data: { event: 'call', reason: 'none' } }))
    await send(refreshOf())
    await send(pushOf({ purpose: 'request', call: { id: 'call-2', from: 'sip:a@b', to: 'sip:c@d' } }))
    const messages = sent().map(({ text }) => JSON.parse(text).message)
    assert.deepEqual(
      messages.map(({ data, android }) => [data.event, data.reason, android.priority]),
      [
        ['call', undefined, 'HIGH'],
        ['cancel', 'answered_elsewhere', 'HIGH'],
        ['refresh', undefined, 'NORMAL'],
        ['request', undefined, 'HIGH'],
      ],
    )
    const keys = messages.map(({ android }) => android.collapse_key)
    assert.equal(keys[0], keys[1])
    assert.equal(new Set(keys).size, 3)
  })

  test('what FCM would refuse is not sent: a name it keeps for itself, more than 4096 octets', async () => {
    const { send, sent } = fcm()
    for (const name of ['from', 'message_type', 'gcm.n', 'google.x']) {
      const error = `data.${name}: FCM keeps this name for itself; choose another`
      assert.deepEqual(await send(pushOf({ data: { [name]: '1' } })), { outcome: 'failed', error })
    }
    const large = pushOf({ data: { a: 'é'.repeat(2048) } })
    assert.match((await send(large)).error!, /^the payload has \d+ octets, FCM takes 4096: put less into data$/)
    assert.equal(sent().length, 0)
  })

  test('the project is that of pn-param where there are several accounts (RFC 8599 8), else the only one', async () => {
    const several = fcm(undefined, ['project-1', 'project-2'])
    await several.send(pushOf({ param: 'project-2' }))
    assert.match(several.sent()[0]!.url, /\/projects\/project-2\//)
    assert.deepEqual(await several.send(pushOf({ param: 'project-3' })), {
      outcome: 'failed',
      error: 'no service account for the project in pn-param; there is one for project-1, project-2',
    })
    const single = fcm()
    await single.send(pushOf({ param: '' }))
    assert.match(single.sent()[0]!.url, /\/projects\/project-1\//)
  })
})

describe('the access token', () => {
  test('is asked for by a JWT of the service account (RFC 7523), and used until shortly before it expires', async () => {
    const { send, clock, asksForTokens, sent } = fcm()
    await Promise.all([send(pushOf()), send(pushOf()), send(pushOf())])
    assert.equal(asksForTokens().length, 1)
    const form = new URLSearchParams(asksForTokens()[0]!.text)
    assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer')
    const options = { audience: TOKEN_URI, issuer: 'rouse@project-1.iam.test', currentDate: new Date(NOW) }
    const { payload, protectedHeader } = await jwtVerify(form.get('assertion')!, publicKey, options)
    assert.deepEqual(protectedHeader, { alg: 'RS256', typ: 'JWT', kid: 'key-1' })
    assert.equal(payload.scope, 'https://www.googleapis.com/auth/firebase.messaging')
    assert.deepEqual([payload.iat, payload.exp], [NOW / 1000, NOW / 1000 + 3600])

    await clock.advance(54 * 60_000)
    await send(pushOf())
    assert.equal(asksForTokens().length, 1)
    await clock.advance(60_000)
    await send(pushOf())
    assert.equal(asksForTokens().length, 2)
    assert.equal(sent().at(-1)!.headers.get('authorization'), 'Bearer access-2')
  })

  test('that is not taken is renewed once, for all pushes at once', async () => {
    const renewed = fcm(({ headers }) =>
      headers.get('authorization') === 'Bearer access-1' ? fault(401, 'UNAUTHENTICATED') : Response.json({}),
    )
    const results = await Promise.all([renewed.send(pushOf()), renewed.send(pushOf())])
    assert.deepEqual(results, [{ outcome: 'accepted' }, { outcome: 'accepted' }])
    assert.equal(renewed.asksForTokens().length, 2)

    const never = fcm(() => fault(401, 'UNAUTHENTICATED'))
    const error = 'FCM does not take the access token of the service account'
    assert.deepEqual(await never.send(pushOf()), { outcome: 'failed', error })
    assert.equal(never.sent().length, 2)
  })

  test('that Google does not give: no retry when the account is wrong, one when Google has trouble', async () => {
    const clock = new FakeClock(NOW)
    const result = (response: Response) =>
      fcmProvider({ accounts: [account('p')], clock, fetch: recordingFetch(() => response).fetch }).send(pushOf())
    assert.deepEqual(await result(Response.json({ error: 'invalid_grant' }, { status: 400 })), {
      outcome: 'failed',
      error: 'Google gave no access token: 400 invalid_grant',
    })
    assert.deepEqual(await result(new Response('<html>', { status: 503, headers: { 'retry-after': '9' } })), {
      outcome: 'failed',
      error: 'Google gave no access token: 503',
      retryAfterSeconds: 9,
    })
    const accounts = [{ ...account('p'), private_key: pem.replaceAll(/[A-Z]{4}/g, 'AAAA') }]
    const broken = await fcmProvider({ accounts, clock, fetch: recordingFetch(() => Response.json({})).fetch }).send(
      pushOf(),
    )
    assert.deepEqual(broken, {
      outcome: 'failed',
      error: 'FCM_SERVICE_ACCOUNT: private_key is no RSA key in PEM (PKCS #8)',
    })
  })

  test('that does not come in time does not keep later pushes waiting', async () => {
    const clock = new FakeClock(NOW)
    let tries = 0
    const { fetch } = recordingFetch(({ url }) => {
      if (url !== TOKEN_URI) return Response.json({})
      return ++tries === 1 ? new Promise<Response>(() => {}) : Response.json({ access_token: 'a', expires_in: 60 })
    })
    const provider = fcmProvider({ accounts: [account('p')], clock, fetch })
    const first = provider.send(pushOf())
    while (tries === 0) await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(5000)
    assert.deepEqual(await first, { outcome: 'failed', error: 'FCM: no answer within 5000 ms', retryAfterSeconds: 0 })
    assert.deepEqual(await provider.send(pushOf()), { outcome: 'accepted' })
    assert.equal(clock.pending, 0)
  })
})

describe('what FCM answers', () => {
  const NOT_A_TOKEN = 'The registration token is not a valid FCM registration token'
  const cases: [title: string, response: () => Response, result: object][] = [
    [
      'UNREGISTERED: dead',
      () => fault(404, 'NOT_FOUND', [fcmError('UNREGISTERED')]),
      { outcome: 'token_invalid', error: 'FCM answered 404 UNREGISTERED' },
    ],
    [
      'another 404: the URL is wrong',
      () => new Response('<html>', { status: 404 }),
      { outcome: 'failed', error: 'FCM answered 404' },
    ],
    [
      'SENDER_ID_MISMATCH: of another project, so dead',
      () => fault(403, 'PERMISSION_DENIED', [fcmError('SENDER_ID_MISMATCH')]),
      { outcome: 'token_invalid', error: 'FCM answered 403 SENDER_ID_MISMATCH' },
    ],
    [
      'PERMISSION_DENIED: the account is wrong',
      () => fault(403, 'PERMISSION_DENIED'),
      { outcome: 'failed', error: 'FCM answered 403 PERMISSION_DENIED' },
    ],
    [
      'INVALID_ARGUMENT that names message.token: dead',
      () => fault(400, 'INVALID_ARGUMENT', [violation('message.token'), fcmError('INVALID_ARGUMENT')]),
      { outcome: 'token_invalid', error: 'FCM answered 400 INVALID_ARGUMENT message.token' },
    ],
    [
      'INVALID_ARGUMENT that names another field: not dead',
      () => fault(400, 'INVALID_ARGUMENT', [violation('message.data[0].value')]),
      { outcome: 'failed', error: 'FCM answered 400 INVALID_ARGUMENT message.data[0].value' },
    ],
    [
      'INVALID_ARGUMENT in Google’s words for a token that is none: dead',
      () => fault(400, 'INVALID_ARGUMENT', [fcmError('INVALID_ARGUMENT')], NOT_A_TOKEN),
      { outcome: 'token_invalid', error: 'FCM answered 400 INVALID_ARGUMENT' },
    ],
    [
      'INVALID_ARGUMENT about something else: not dead',
      () => fault(400, 'INVALID_ARGUMENT', [fcmError('INVALID_ARGUMENT')], 'Message is too big'),
      { outcome: 'failed', error: 'FCM answered 400 INVALID_ARGUMENT' },
    ],
    [
      'THIRD_PARTY_AUTH_ERROR: no renewal helps',
      () => fault(401, 'UNAUTHENTICATED', [fcmError('THIRD_PARTY_AUTH_ERROR')]),
      { outcome: 'failed', error: 'FCM answered 401 THIRD_PARTY_AUTH_ERROR' },
    ],
    [
      'QUOTA_EXCEEDED without Retry-After: a minute',
      () => fault(429, 'RESOURCE_EXHAUSTED', [fcmError('QUOTA_EXCEEDED')]),
      { outcome: 'failed', error: 'FCM answered 429 QUOTA_EXCEEDED', retryAfterSeconds: 60 },
    ],
    [
      'UNAVAILABLE with Retry-After',
      () => new Response('', { status: 503, headers: { 'retry-after': '7' } }),
      { outcome: 'failed', error: 'FCM answered 503', retryAfterSeconds: 7 },
    ],
    [
      'INTERNAL',
      () => fault(500, 'INTERNAL', [fcmError('INTERNAL')]),
      { outcome: 'failed', error: 'FCM answered 500 INTERNAL', retryAfterSeconds: 0 },
    ],
    [
      '502 in HTML',
      () => new Response('<html>Bad Gateway</html>', { status: 502 }),
      { outcome: 'failed', error: 'FCM answered 502', retryAfterSeconds: 0 },
    ],
  ]
  for (const [title, response, result] of cases)
    test(title, async () => assert.deepEqual(await fcm(response).send(pushOf()), result))

  test('no connection: may be tried again', async () => {
    const result = await fcm(() => Promise.reject(new Error('token-of-bob'))).send(pushOf())
    assert.deepEqual(result, { outcome: 'failed', error: 'FCM could not be reached', retryAfterSeconds: 0 })
  })
})
