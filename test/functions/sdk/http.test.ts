import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSigner } from '../../../functions/contract/sign.ts'
import { SipRouter, type SipRouterOptions } from '../../../functions/sdk/index.ts'
import { invocation } from '../invocations.ts'

const ORIGIN = 'https://functions.test'
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const NOW = Date.parse('2026-01-05T10:00:01Z')

function app(options?: SipRouterOptions): SipRouter {
  const sip = new SipRouter(options)
  sip.invite('/:domain/:user', (call) => call.fork(call.contacts))
  sip.on('late-fork', (call, event) => call.fork(event.contact))
  sip.http.post('/hooks/:name', (c) => c.text(`hook ${c.req.param('name')}`))
  sip.http.post('/hooks/:name/deep', (c) => c.text('deep'))
  return sip
}

function post(sip: SipRouter, path: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return sip.fetch(new Request(ORIGIN + path, { method: 'POST', body, headers }))
}

async function problem(response: Response): Promise<Record<string, unknown>> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  return response.json() as Promise<Record<string, unknown>>
}

describe('GET /.well-known/rouse', () => {
  test('the manifest: routes in their order, handlers, contract', async () => {
    const sip = app()
    sip.all('/:domain/:user', () => {})
    const response = await sip.fetch(new Request(`${ORIGIN}/.well-known/rouse`))
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), {
      contract: 1,
      routes: [
        { method: 'INVITE', path: '/:domain/:user' },
        { method: '*', path: '/:domain/:user' },
      ],
      handlers: ['late-fork'],
    })
  })
})

describe('bad bodies are answered with a problem and a pointer (RFC 9457)', () => {
  const bad: [string, string, string][] = [
    ['no JSON', '<html>', ''],
    ['nothing', '', ''],
    ['half of it', JSON.stringify(invocation()).slice(0, 200), ''],
    ['a list', '[]', ''],
    ['an empty object', '{}', '/specversion'],
    ['another contract', changed((data) => ({ ...data, contract: 2 })), '/data/contract'],
    [
      'a header that is no pair',
      changed((d) => ({ ...d, request: { ...d.request, headers: [['a']] } })),
      '/data/request/headers/0',
    ],
    ['contacts that are none', changed((data) => ({ ...data, contacts: 'all' })), '/data/contacts'],
  ]
  for (const [what, body, pointer] of bad) {
    test(what, async () => {
      const response = await post(app(), '/invite/example.com/bob', body)
      assert.equal(response.status, 400)
      const { title, pointer: found } = await problem(response)
      assert.equal(title, 'request.invalid')
      assert.ok(String(found).startsWith(pointer), String(found))
      assert.equal(pointer === '', found === '')
    })
  }

  test('a body of five megabytes, with its length said or not: 413', async () => {
    const body = JSON.stringify({ big: 'x'.repeat(5_000_000) })
    assert.equal((await post(app(), '/invite/example.com/bob', body)).status, 413)
    const stream = new Blob([body]).stream()
    const request = new Request(`${ORIGIN}/invite/example.com/bob`, { method: 'POST', body: stream, duplex: 'half' })
    assert.equal((await app().fetch(request)).status, 413)
    assert.equal((await post(app(), '/invite/a/b', '{}', { 'content-length': '99999999' })).status, 413)
  })

  test('a body nested a hundred thousand levels deep is refused like any other', async () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const response = await post(app(), '/invite/example.com/bob', `{"specversion":${deep}}`)
    assert.equal(response.status, 400)
  })
})

describe('paths', () => {
  test('the developer’s own routes are served, what nobody has is a 404 problem', async () => {
    assert.equal(await (await post(app(), '/hooks/stripe', '{}')).text(), 'hook stripe')
    const response = await post(app(), '/nothing', '{}')
    assert.equal(response.status, 404)
    assert.equal((await problem(response)).title, 'not_found')
    assert.equal((await app().fetch(new Request(`${ORIGIN}/invite/example.com/bob`))).status, 404)
  })

  test('a method that nobody has heard of is an invocation when it comes as a CloudEvent: 204, not mine', async () => {
    const headers = { 'content-type': 'application/cloudevents+json' }
    const body = JSON.stringify(invocation())
    assert.equal((await post(app(), '/foo/example.com/bob', body, headers)).status, 204)
    assert.equal((await post(app(), '/foo/example.com/bob', body)).status, 404)
    assert.equal(await (await post(app(), '/hooks/x/deep', body, headers)).text(), 'deep')
  })

  test('below a base path; what is elsewhere is not taken for an invocation', async () => {
    const sip = app({ basePath: 'app/' })
    const body = JSON.stringify(invocation())
    assert.equal((await post(sip, '/app/invite/example.com/bob?token=x', body)).status, 200)
    assert.equal((await post(sip, '/invite/example.com/bob', body)).status, 404)
    assert.equal((await sip.fetch(new Request(`${ORIGIN}/app/.well-known/rouse`))).status, 200)
  })

  test('the platform’s bindings and the abort signal reach the handler', async () => {
    const sip = new SipRouter<{ env: { REGION: string } }>()
    let aborted: boolean | undefined
    sip.invite('/:domain/:user', (call) => {
      call.annotate({ region: call.env.REGION })
      aborted = call.signal?.aborted
    })
    const request = new Request(`${ORIGIN}/invite/a/b`, { method: 'POST', body: JSON.stringify(invocation()) })
    const answer = await (await sip.fetch(request, { REGION: 'eu' })).json()
    assert.deepEqual(answer, { actions: [{ action: 'annotate', values: { region: 'eu' } }] })
    assert.equal(aborted, false)
  })
})

describe('with a secret every invocation has to be signed (Standard Webhooks)', () => {
  const body = JSON.stringify(invocation())
  const sip = () => app({ secret: SECRET, now: () => NOW })

  test('a good signature is served, the manifest needs none', async () => {
    const headers = await createSigner(SECRET).sign('msg-1', body, NOW - 1000)
    assert.equal((await post(sip(), '/invite/example.com/bob', body, { ...headers })).status, 200)
    assert.equal((await sip().fetch(new Request(`${ORIGIN}/.well-known/rouse`))).status, 200)
  })

  test('while keys rotate either is taken', async () => {
    const other = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    const headers = await createSigner(other).sign('msg-1', body, NOW)
    const rotating = app({ secret: `${SECRET} ${other}`, now: () => NOW })
    assert.equal((await post(rotating, '/invite/example.com/bob', body, { ...headers })).status, 200)
  })

  test('none, a wrong one, one for another body, an old one: 401', async () => {
    const good = await createSigner(SECRET).sign('msg-1', body, NOW)
    const wrong = await createSigner('whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA').sign('msg-1', body, NOW)
    const old = await createSigner(SECRET).sign('msg-1', body, NOW - 301_000)
    assert.equal((await post(sip(), '/invite/example.com/bob', body)).status, 401)
    assert.equal((await post(sip(), '/invite/example.com/bob', body, { ...wrong })).status, 401)
    assert.equal((await post(sip(), '/invite/example.com/bob', `${body} `, { ...good })).status, 401)
    const response = await post(sip(), '/invite/example.com/bob', body, { ...old })
    assert.equal((await problem(response)).title, 'request.unauthorized')
  })
})

function changed(change: (data: ReturnType<typeof invocation>['data']) => unknown): string {
  const whole = invocation()
  return JSON.stringify({ ...whole, data: change(whole.data) })
}
