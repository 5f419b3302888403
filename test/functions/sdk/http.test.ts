import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSigner } from '../../../functions/contract/sign.ts'
import { SipRouter, type SipRouterOptions } from '../../../functions/sdk/index.ts'
import { invocation } from '../invocations.ts'

const ORIGIN = 'https://functions.test'
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const NOW = Date.parse('2026-01-05T10:00:01Z')

function app(options?: SipRouterOptions): SipRouter {
  const sip = new SipRouter(options ?? { unsigned: true })
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
    const sip = app({ basePath: 'app/', unsigned: true })
    const body = JSON.stringify(invocation())
    assert.equal((await post(sip, '/app/invite/example.com/bob?token=x', body)).status, 200)
    assert.equal((await post(sip, '/invite/example.com/bob', body)).status, 404)
    assert.equal((await sip.fetch(new Request(`${ORIGIN}/app/.well-known/rouse`))).status, 200)
  })

  test('the platform’s bindings and the abort signal reach the handler', async () => {
    const sip = new SipRouter<{ env: { REGION: string } }>({ unsigned: true })
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

  test('a good signature is served, and what is answered is signed with the same id', async () => {
    const signer = createSigner(SECRET)
    const headers = await signer.sign('msg-1', body, NOW - 1000)
    const response = await post(sip(), '/invite/example.com/bob', body, { ...headers })
    assert.equal(response.status, 200)
    const verified = await signer.verify((name) => response.headers.get(name), await response.text(), NOW)
    assert.deepEqual(verified, { ok: true, value: { id: 'msg-1', timestamp: NOW / 1000 } })
  })

  test('"not mine" is signed too: it lets the gateway go by its own registrations', async () => {
    const signer = createSigner(SECRET)
    const response = await post(sip(), '/message/example.com/bob', body, { ...(await signer.sign('m', body, NOW)) })
    assert.equal(response.status, 204)
    assert.equal((await signer.verify((name) => response.headers.get(name), '', NOW)).ok, true)
  })

  test('the manifest is read by who signs for it, again and again, and is signed', async () => {
    const manifest = (headers: object) =>
      sip().fetch(new Request(`${ORIGIN}/.well-known/rouse`, { headers: { ...headers } }))
    assert.equal((await manifest({})).status, 401)
    const signer = createSigner(SECRET)
    const headers = await signer.sign('read-1', '', NOW)
    for (const response of [await manifest(headers), await manifest(headers)]) {
      assert.equal(response.status, 200)
      const verified = await signer.verify((name) => response.headers.get(name), await response.text(), NOW)
      assert.deepEqual(verified, { ok: true, value: { id: 'read-1', timestamp: NOW / 1000 } })
    }
  })

  test('the signed routing key counts, whatever somebody on the way has made of the URL', async () => {
    const key = JSON.stringify(invocation({ data: { path: '/message/example.com/bob' } }))
    const headers = await createSigner(SECRET).sign('msg-1', key, NOW)
    assert.equal((await post(sip(), '/invite/example.com/bob', key, { ...headers })).status, 204)
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

describe('replays (Standard Webhooks)', () => {
  const attempt = (n: number) => JSON.stringify(invocation({ data: { attempt: n } }))
  const invoke = async (sip: SipRouter, body: string, at: number, secret = SECRET) =>
    post(sip, '/invite/example.com/bob', body, { ...(await createSigner(secret).sign('msg-1', body, at)) })

  test('the same message is served once; the gateway’s own retry is another one under the same id', async () => {
    const sip = app({ secret: SECRET, now: () => NOW })
    assert.equal((await invoke(sip, attempt(1), NOW)).status, 200)
    const again = await invoke(sip, attempt(1), NOW)
    assert.equal(again.status, 409)
    assert.equal((await problem(again)).title, 'request.replayed')
    assert.equal((await invoke(sip, attempt(2), NOW)).status, 200)
    assert.equal((await invoke(sip, attempt(2), NOW)).status, 409)
  })

  test('one of two signatures left out, or the two turned round, make no other message of it', async () => {
    const other = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    const sip = app({ secret: `${SECRET} ${other}`, now: () => NOW })
    const statuses = []
    for (const secret of [`${SECRET} ${other}`, SECRET, other, `${other} ${SECRET}`]) {
      statuses.push((await invoke(sip, attempt(1), NOW, secret)).status)
    }
    assert.deepEqual(statuses, [200, 409, 409, 409])
  })

  test('what is beyond the tolerance is refused as too old', async () => {
    let now = NOW
    const sip = app({ secret: SECRET, now: () => now })
    assert.equal((await invoke(sip, attempt(1), NOW)).status, 200)
    now += 300_000
    assert.equal((await invoke(sip, attempt(1), NOW)).status, 409)
    now += 1000
    assert.equal((await invoke(sip, attempt(1), NOW)).status, 401)
  })

  test('`once` knows what other processes have seen, for as long as the signature is good', async () => {
    const asked: [string, number][] = []
    const seen = new Set<string>()
    const once = async (key: string, seconds: number) => {
      asked.push([key, seconds])
      return !seen.has(key) && seen.add(key).size > 0
    }
    const options = { secret: SECRET, now: () => NOW, once }
    assert.equal((await invoke(app(options), attempt(1), NOW - 100_000)).status, 200)
    assert.equal((await invoke(app(options), attempt(1), NOW - 100_000)).status, 409)
    assert.deepEqual(asked[0], [`msg-1.${NOW / 1000 - 100}.1`, 201])
  })

  test('a `once` that fails is told to the developer, and the call goes on', async () => {
    const errors: unknown[] = []
    const once = () => Promise.reject(new Error('away'))
    const sip = app({ secret: SECRET, now: () => NOW, once, onError: (error) => errors.push(error) })
    assert.equal((await invoke(sip, attempt(1), NOW)).status, 200)
    assert.equal((await invoke(sip, attempt(1), NOW)).status, 409)
    assert.deepEqual(errors.map(String), ['Error: away'])
  })
})

describe('who may invoke without a secret', () => {
  const body = JSON.stringify(invocation())
  const ask = (sip: SipRouter, url: string, env?: unknown) =>
    sip.fetch(new Request(`${url}/invite/example.com/bob`, { method: 'POST', body }), env as never)

  test('nobody, and the answer says what to set; the developer’s own routes are open', async () => {
    const sip = app({})
    for (const env of [undefined, {}, { WEBHOOK_SECRET: ' ' }, { FUNCTIONS_UNSIGNED: 'yes' }]) {
      const response = await ask(sip, 'http://127.0.0.1:3000', env)
      assert.equal(response.status, 401)
      assert.match(String((await problem(response)).detail), /set WEBHOOK_SECRET/)
    }
    assert.equal((await sip.fetch(new Request(`${ORIGIN}/.well-known/rouse`))).status, 401)
    assert.equal(await (await post(sip, '/hooks/stripe', '{}')).text(), 'hook stripe')
  })

  test('FUNCTIONS_UNSIGNED=loopback lets in what is for this machine, by its own names (DNS rebinding)', async () => {
    const env = { FUNCTIONS_UNSIGNED: 'loopback' }
    for (const url of ['http://127.0.0.1:3000', 'http://localhost', 'http://[::1]:3000']) {
      assert.equal((await ask(app({}), url, env)).status, 200, url)
    }
    for (const url of ['http://192.0.2.1', 'https://127.0.0.1.example.com', 'http://localhost.example.com:3000']) {
      assert.equal((await ask(app({}), url, env)).status, 401, url)
    }
  })

  test('WEBHOOK_SECRET of the environment is the secret, and counts for more than FUNCTIONS_UNSIGNED', async () => {
    const sip = app({ now: () => NOW })
    const env = { WEBHOOK_SECRET: SECRET, FUNCTIONS_UNSIGNED: 'loopback' }
    assert.equal((await ask(sip, 'http://localhost', env)).status, 401)
    const headers = { ...(await createSigner(SECRET).sign('msg-1', body, NOW)) }
    const request = new Request(`${ORIGIN}/invite/example.com/bob`, { method: 'POST', body, headers })
    assert.equal((await sip.fetch(request, env as never)).status, 200)
  })

  test('a secret that cannot be read is said without being shown', async () => {
    const response = await ask(app({}), ORIGIN, { WEBHOOK_SECRET: 'whsec_%hunter2%' })
    const text = await response.text()
    assert.equal(response.status, 401)
    assert.match(text, /WEBHOOK_SECRET of this function: expected whsec_/)
    assert.doesNotMatch(text, /hunter2/)
  })

  test('a secret that can be guessed opens nothing, though the request is signed with it', async () => {
    const guessable = `whsec_${btoa('secret')}`
    const headers = { ...(await createSigner(guessable).sign('msg-1', body, NOW)) }
    const request = new Request(`${ORIGIN}/invite/example.com/bob`, { method: 'POST', body, headers })
    const sip = app({ now: () => NOW })
    const response = await sip.fetch(request, { WEBHOOK_SECRET: guessable } as never)
    assert.equal(response.status, 401)
    assert.match(await response.text(), /WEBHOOK_SECRET of this function: expected whsec_ and 24 to 64 octets/)
    assert.throws(() => app({ secret: guessable }), /secret: expected whsec_ and 24 to 64 octets .*; make one/)
  })

  test('a secret and `unsigned` contradict each other', () => {
    assert.throws(() => app({ secret: SECRET, unsigned: true }), /expected one of them, got both/)
  })
})

function changed(change: (data: ReturnType<typeof invocation>['data']) => unknown): string {
  const whole = invocation()
  return JSON.stringify({ ...whole, data: change(whole.data) })
}
