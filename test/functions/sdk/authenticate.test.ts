import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Credentials } from '../../../functions/contract/envelope.ts'
import { type Password, SipRouter } from '../../../functions/sdk/index.ts'
import { event, type InvocationParts, invocation } from '../invocations.ts'
import { byDispatch, Session } from '../session.ts'

const REALM = 'example.com'

interface Given {
  password?: string
  algorithm?: 'SHA-256' | 'MD5'
  params?: Record<string, string | undefined>
  method?: string
  nonceState?: Credentials['nonceState']
}

/** Credentials as a phone computes them (RFC 7616 3.4.1). */
function credentials({
  password = 'secret',
  algorithm = 'SHA-256',
  params,
  method,
  nonceState,
}: Given = {}): Credentials {
  const hash = (text: string) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex')
  const p: Record<string, string> = {
    username: 'bob',
    realm: REALM,
    nonce: 'n1',
    uri: 'sip:example.com',
    algorithm,
    qop: 'auth',
    nc: '00000001',
    cnonce: 'c1',
  }
  const ha1 = hash(`${p.username}:${REALM}:${password}`)
  const ha2 = hash(`${method ?? 'REGISTER'}:${params?.uri ?? p.uri}`)
  p.response = hash(`${ha1}:n1:00000001:c1:auth:${ha2}`)
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value === undefined) delete p[name]
    else p[name] = value
  }
  return { scheme: 'Digest', proxy: false, nonceState: nonceState ?? 'valid', params: p }
}

/** What a router that authenticates answers. */
async function answered(
  auth: Credentials | undefined,
  password: Password | undefined = 'secret',
  parts?: InvocationParts,
) {
  const sip = new SipRouter()
  sip.all('/:domain/:user', async (call) => {
    const username = await call.authenticate({
      realm: REALM,
      user: async (name) => (name === 'bob' ? password : undefined),
    })
    if (username) call.annotate({ username })
  })
  const request = { method: 'REGISTER', uri: 'sip:example.com', ...parts?.request }
  const invoked = invocation({ ...parts, request, data: auth ? { auth } : {} })
  const { status, body } = await sip.dispatch(`/${request.method.toLowerCase()}/example.com/bob`, invoked)
  assert.equal(status, 200)
  return (body as { actions: unknown[] }).actions
}

const ACCEPTED = [{ action: 'annotate', values: { username: 'bob' } }]
const CHALLENGED = [{ action: 'challenge', realm: REALM, proxy: false }]

describe('authenticate', () => {
  test('SHA-256 and MD5 are taken, with a password or with its hash (RFC 8760 2.4)', async () => {
    assert.deepEqual(await answered(credentials()), ACCEPTED)
    assert.deepEqual(await answered(credentials({ algorithm: 'MD5' })), ACCEPTED)
    const ha1 = createHash('sha256').update(`bob:${REALM}:secret`).digest('hex')
    assert.deepEqual(await answered(credentials(), { ha1 }), ACCEPTED)
    assert.deepEqual(await answered(credentials(), { ha1: ha1.toUpperCase() }), ACCEPTED)
  })

  test('a response without algorithm is MD5 (RFC 7616 3.4)', async () => {
    assert.deepEqual(await answered(credentials({ algorithm: 'MD5', params: { algorithm: undefined } })), ACCEPTED)
    assert.deepEqual(await answered(credentials({ params: { algorithm: undefined } })), CHALLENGED)
  })

  test('the example of RFC 7616 3.9.1 verifies', async () => {
    const { isRightResponse } = await import('../../../functions/sdk/digest.ts')
    const params = {
      username: 'Mufasa',
      realm: 'http-auth@example.org',
      nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
      uri: '/dir/index.html',
      nc: '00000001',
      cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
      qop: 'auth',
      algorithm: 'SHA-256',
      response: '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    }
    const check = { params, method: 'GET', uri: '/dir/index.html', password: 'Circle of Life', algorithms: ['SHA-256'] }
    assert.equal(isRightResponse(check), true)
    assert.equal(isRightResponse({ ...check, password: 'Circle of life' }), false)
  })

  const wrong: [string, Given][] = [
    ['a wrong password', { password: 'guess' }],
    ['another user', { params: { username: 'carol' } }],
    ['another realm', { params: { realm: 'example.net' } }],
    ['another method', { method: 'INVITE' }],
    ['a nonce that is not ours', { nonceState: 'foreign' }],
    ['no username', { params: { username: undefined } }],
    ['no response', { params: { response: undefined } }],
    ['a response that is too long', { params: { response: `${'0'.repeat(64)}0` } }],
    ['no qop: we have offered it (RFC 3261 22.4)', { params: { qop: undefined } }],
    ['qop auth-int, which we have not offered', { params: { qop: 'auth-int' } }],
    ['a broken nonce count', { params: { nc: '1' } }],
    ['no cnonce', { params: { cnonce: undefined } }],
    ['an algorithm we have not offered', { params: { algorithm: 'SHA-256-sess' } }],
    ['an algorithm named like a method of Object', { params: { algorithm: 'constructor' } }],
    ['a digest URI that is not the request’s', { params: { uri: 'sip:example.net' } }],
  ]
  for (const [what, given] of wrong) {
    test(`${what}: challenged again`, async () => assert.deepEqual(await answered(credentials(given)), CHALLENGED))
  }

  test('no credentials, another scheme, an unknown user: challenged', async () => {
    assert.deepEqual(await answered(undefined), CHALLENGED)
    assert.deepEqual(await answered({ ...credentials(), scheme: 'Basic' }), CHALLENGED)
    const sip = new SipRouter()
    sip.register('/:domain/:user', async (call) => {
      if (await call.authenticate({ realm: REALM, user: () => undefined })) call.save()
    })
    const invoked = invocation({
      request: { method: 'REGISTER', uri: 'sip:example.com' },
      data: { auth: credentials({ password: '' }) },
    })
    const { body } = await sip.dispatch('/register/example.com/bob', invoked)
    assert.deepEqual(body, { actions: CHALLENGED })
  })

  test('a nonce that has outlived, with the right password: stale, so that the phone does not ask its user (RFC 7616 3.3)', async () => {
    assert.deepEqual(await answered(credentials({ nonceState: 'stale' })), [{ ...CHALLENGED[0], stale: true }])
    assert.deepEqual(await answered(credentials({ nonceState: 'stale', password: 'guess' })), CHALLENGED)
  })

  test('other requests than REGISTER are challenged as by a proxy: 407 (RFC 3261 22.3)', async () => {
    const parts = { request: { method: 'INVITE', uri: 'sip:bob@example.com' } }
    assert.deepEqual(await answered(undefined, 'secret', parts), [{ action: 'challenge', realm: REALM, proxy: true }])
    const auth = credentials({ method: 'INVITE', params: { uri: 'sip:bob@example.com:5060;transport=tcp' } })
    assert.deepEqual(await answered(auth, 'secret', parts), ACCEPTED)
  })

  test('it is checked once: a nonce that outlives while the call waits changes nothing', async () => {
    const sip = new SipRouter()
    sip.invite('/:domain/:user', async (call) => {
      if (!(await call.authenticate({ realm: REALM, user: () => 'secret' }))) return
      await call.wait('pickup', {}, '600s')
      call.fork(call.contacts)
    })
    const s = new Session(byDispatch(sip))
    const given = { method: 'INVITE', params: { uri: 'sip:bob@example.com' } }
    await s.start({ data: { auth: credentials(given) } })
    const auth = credentials({ ...given, nonceState: 'stale' })
    const actions = await s.resume('wait-2', event('pickup', {}), { data: { auth } })
    assert.deepEqual(
      actions.map(({ action }) => action),
      ['fork'],
    )
  })
})
