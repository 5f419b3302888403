import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { createSigner } from '../../../functions/contract/sign.ts'
import type { Binding } from '../../../functions/store/store.ts'
import { type ApiOptions, createApi } from '../../../gateway/api/api.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'
import { invocationOf, Witness } from '../invocation/functions.ts'

const NOW = Date.parse('2024-06-01T12:00:00Z')

const BINDING: Binding = {
  aor: 'sip:bob@example.com',
  contact: 'sip:bob@192.0.2.2:5060;ob;pn-prid=TOPSECRET',
  device: 'urn:uuid:1',
  instance: 'urn:uuid:1',
  q: 1,
  expiresAt: NOW + 59_500,
  registeredAt: NOW - 500,
  callId: 'r1',
  cseq: 1,
  path: [],
  received: {
    transport: 'udp',
    address: '192.0.2.2',
    port: 5060,
    listener: 'udp:127.0.0.1:5060',
    connection: 0,
    gateway: 'gw-1',
    nat: true,
  },
  push: { provider: 'fcm', prid: 'TOPSECRET', param: 'TOPSECRET' },
  parameters: ';pn-prid=TOPSECRET',
}

const CALL = {
  id: 't1',
  callId: 'abc/1@a',
  method: 'INVITE',
  from: 'sip:alice@example.com',
  to: 'sip:bob@example.com',
  state: 'suspended',
  startedAt: '2024-06-01T12:00:00.000Z',
}

function api(options: Partial<ApiOptions> = {}) {
  const published: RouseEvent[] = []
  const witness = new Witness()
  const asked: unknown[][] = []
  const app = createApi({
    calls: {
      list: (limit) => [CALL].slice(0, limit),
      get: (id) =>
        id === CALL.id || id === CALL.callId
          ? { ...CALL, branches: [], waiting: [{ name: 'w1' }], timeline: [] }
          : undefined,
    },
    registrations: {
      registrations: async (...args) => {
        asked.push(args)
        return { bindings: [BINDING], cursor: args[0] === '' ? 'next' : '' }
      },
      lookup: async (...args) => {
        asked.push(args)
        return { bindings: args[0] === BINDING.aor ? [BINDING] : [] }
      },
    },
    publish: async (event) => {
      published.push(event)
      return 2
    },
    health: { ready: () => ({ ready: true, checks: { sip: 'ok' } }) },
    metrics: () => '# TYPE rouse_x_total counter\nrouse_x_total 1\n',
    clock: new FakeClock(NOW),
    ids: new CountingIds(),
    log: witness.log,
    ...options,
  })
  const post = (body: unknown, type = 'application/json', headers: Record<string, string> = {}) =>
    app.request('/events', {
      method: 'POST',
      headers: { 'content-type': type, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return { app, post, published, witness, asked }
}

async function problemOf(response: Response) {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  const problem = (await response.json()) as Record<string, unknown>
  assert.equal(problem.status, response.status)
  return problem
}

describe('POST /events', () => {
  test('takes { type, attributes } and answers 202 with the id and how many it matched', async () => {
    const { post, published } = api()
    const response = await post({ type: 'pickup', attributes: { user: 'bob', urgent: true, floor: 3 } })
    assert.equal(response.status, 202)
    assert.deepEqual(await response.json(), { id: 'event1', matched: 2 })
    assert.deepEqual(published, [
      { id: 'event1', type: 'pickup', time: NOW, attributes: { user: 'bob', urgent: true, floor: 3 } },
    ])
  })

  test('takes a predefined type too: integrators raise them, tests simulate them', async () => {
    const { post, published } = api()
    assert.equal((await post({ type: 'dtmf', attributes: { callId: 'a@b', digit: '5' } })).status, 202)
    assert.equal(published[0]!.type, 'dtmf')
  })

  const EVENT = {
    specversion: '1.0',
    id: '7',
    source: '/crm',
    type: 'pickup',
    time: '2024-01-01T00:00:00+01:00',
    datacontenttype: 'application/json',
    someextension: 'x',
    data: { user: 'bob' },
  }

  test('takes a CloudEvent in structured mode; source and id make the id (CloudEvents 1.0, 3.1)', async () => {
    for (const type of ['application/cloudevents+json; charset=utf-8', 'application/json']) {
      const { post, published } = api()
      const response = await post(EVENT, type)
      assert.equal(response.status, 202)
      assert.deepEqual(await response.json(), { id: '/crm#7', matched: 2 })
      assert.deepEqual(published, [
        { id: '/crm#7', type: 'pickup', time: Date.parse('2023-12-31T23:00:00Z'), attributes: { user: 'bob' } },
      ])
    }
  })

  const wrong: [string, unknown, string | undefined, string?][] = [
    ['no type', { attributes: {} }, '/type'],
    ['a type with a space', { type: 'a b' }, '/type'],
    ['a nested attribute', { type: 'a', attributes: { b: { c: 1 } } }, '/attributes/b'],
    ['an attribute name with a slash', { type: 'a', attributes: { 'b/c': 1 } }, '/attributes/b~1c'],
    ['a predefined type with another attribute', { type: 'dtmf', attributes: { digits: '5' } }, '/attributes/digits'],
    ['the same as a CloudEvent', { ...EVENT, type: 'dtmf', data: { user: 'bob' } }, '/data/user'],
    ['a list', [], ''],
    ['a CloudEvent of another version', { ...EVENT, specversion: '0.3' }, '/specversion'],
    ['a CloudEvent without source', { ...EVENT, source: undefined }, '/source'],
    ['a CloudEvent without id', { ...EVENT, id: '' }, '/id'],
    ['a CloudEvent with a broken time', { ...EVENT, time: 'yesterday' }, '/time'],
    ['a CloudEvent with XML', { ...EVENT, datacontenttype: 'application/xml' }, '/datacontenttype'],
    ['a CloudEvent with octets', { ...EVENT, data: undefined, data_base64: 'AA==' }, '/data_base64'],
    ['a plain body as a CloudEvent', { type: 'a' }, '/specversion', 'application/cloudevents+json'],
    ['half a body', '{"type":', undefined],
    ['plain text, which a web page could post', '{"type":"a"}', undefined, 'text/plain'],
    ['a batch', [EVENT], undefined, 'application/cloudevents-batch+json'],
  ]
  for (const [title, body, pointer, type] of wrong) {
    test(`refuses ${title} with problem details and a pointer (RFC 9457)`, async () => {
      const { post, published } = api()
      const response = await post(body, type)
      assert.equal(response.status, 400)
      const problem = await problemOf(response)
      assert.equal(problem.type, 'urn:rouse:problem:request.invalid')
      assert.equal(problem.pointer, pointer)
      assert.notEqual(problem.detail, '')
      assert.deepEqual(published, [])
    })
  }

  test('refuses a body above the limit, announced or not', async () => {
    const { app, post, published } = api({ bodyLimit: 100 })
    const long = { type: 'a', attributes: { b: 'x'.repeat(100) } }
    assert.equal((await problemOf(await post(long))).status, 413)
    const endless = new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(64)) })
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: endless, duplex: 'half' }
    assert.equal((await app.request('/events', init as RequestInit)).status, 413)
    assert.deepEqual(published, [])
  })

  test('answers 503 with Retry-After when the store is away, without its words', async () => {
    const { post, witness } = api({ publish: () => Promise.reject(new Error('redis://u:pw@h is down')) })
    const response = await post({ type: 'a' })
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('retry-after'), '1')
    assert.doesNotMatch(JSON.stringify(await problemOf(response)), /redis/)
    assert.deepEqual(
      witness.lines.map(({ level }) => level),
      ['warn'],
    )
  })
})

describe('the token', () => {
  const paths = ['/calls', '/calls/t1', '/registrations', '/registrations/bob@example.com', '/metrics', '/nothing']

  test('is asked for everywhere but for health', async () => {
    const { app, post, published } = api({ token: 'abc' })
    for (const path of paths) {
      const response = await app.request(path)
      assert.equal(response.status, 401, path)
      assert.equal(response.headers.get('www-authenticate'), 'Bearer')
      await problemOf(response)
    }
    assert.equal((await post({ type: 'a' })).status, 401)
    assert.deepEqual(published, [])
    for (const path of ['/healthz', '/readyz']) assert.equal((await app.request(path)).status, 200)
  })

  test('opens with the right one only (RFC 6750 2.1)', async () => {
    const { app } = api({ token: 'abc' })
    const status = async (authorization: string) => (await app.request('/calls', { headers: { authorization } })).status
    assert.equal(await status('Bearer abc'), 200)
    assert.equal(await status('bearer abc'), 200)
    for (const wrong of ['Bearer', 'Bearer ', 'Bearer ab', 'Bearer abcd', 'Basic abc', 'abc', ''])
      assert.equal(await status(wrong), 401)
  })

  test('without one only this machine is served, whatever name resolves to it', async () => {
    const { app } = api()
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]:8080']) {
      assert.equal((await app.request(`http://${host}/calls`)).status, 200)
    }
    for (const host of ['evil.example', '127.0.0.1.evil.example', '192.0.2.1']) {
      assert.equal((await app.request(`http://${host}/calls`)).status, 401)
    }
  })
})

describe('looking', () => {
  test('GET /calls lists, GET /calls/:id shows one by its id or Call-ID', async () => {
    const { app } = api()
    assert.deepEqual(await (await app.request('/calls')).json(), { calls: [CALL] })
    for (const id of ['t1', encodeURIComponent(CALL.callId)]) {
      const call = (await (await app.request(`/calls/${id}`)).json()) as { waiting: unknown }
      assert.deepEqual(call.waiting, [{ name: 'w1' }])
    }
    assert.equal((await problemOf(await app.request('/calls/t2'))).title, 'not_found')
  })

  test('GET /registrations goes page by page', async () => {
    const { app, asked } = api()
    const first = (await (await app.request('/registrations?limit=1')).json()) as { cursor?: string }
    assert.equal(first.cursor, 'next')
    const last = (await (await app.request(`/registrations?limit=1&cursor=${first.cursor}`)).json()) as object
    assert.ok(!('cursor' in last))
    assert.deepEqual(asked, [
      ['', 1],
      ['next', 1],
    ])
  })

  test('a registration is shown without anything of its push token (RFC 8599)', async () => {
    const { app } = api()
    for (const path of ['/registrations', '/registrations/sip:bob@example.com', '/registrations/bob@EXAMPLE.com']) {
      const text = await (await app.request(path)).text()
      assert.doesNotMatch(text, /TOPSECRET|pn-/)
      assert.deepEqual(JSON.parse(text).registrations, [
        {
          aor: 'sip:bob@example.com',
          contact: 'sip:bob@192.0.2.2:5060;ob',
          instance: 'urn:uuid:1',
          q: 1,
          expires: 60,
          registeredAt: '2024-06-01T11:59:59.500Z',
          push: { provider: 'fcm' },
          path: [],
          received: { transport: 'udp', address: '192.0.2.2', port: 5060, nat: true, gateway: 'gw-1' },
        },
      ])
    }
    assert.equal((await app.request('/registrations/carol@example.com')).status, 404)
    assert.equal((await app.request('/registrations/%3C%3E')).status, 404)
  })

  test('a limit that is none is refused', async () => {
    const { app } = api()
    for (const limit of ['0', '1001', '-1', 'x', '']) {
      for (const path of ['/calls', '/registrations'])
        assert.equal((await app.request(`${path}?limit=${limit}`)).status, 400)
    }
  })

  test('GET /metrics is Prometheus text', async () => {
    const response = await api().app.request('/metrics')
    assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
    assert.match(await response.text(), /^rouse_x_total 1$/m)
  })

  test('liveness stays green while readiness says what is missing', async () => {
    const { app } = api({ health: { ready: () => ({ ready: false, checks: { store: 'away' } }) } })
    assert.equal((await app.request('/healthz')).status, 200)
    const response = await app.request('/readyz')
    assert.equal(response.status, 503)
    assert.deepEqual(await response.json(), { ready: false, checks: { store: 'away' } })
  })

  test('a load balancer may ask whether it would be ready but for the store', async () => {
    const { app } = api({
      health: { ready: ({ withoutStore }) => ({ ready: withoutStore, checks: { store: 'away' } }) },
    })
    assert.equal((await app.request('/readyz')).status, 503)
    assert.equal((await app.request('/readyz?exclude=store')).status, 200)
    const response = await app.request('/readyz?exclude=stor')
    assert.equal(response.status, 400)
    assert.match(JSON.stringify(await response.json()), /exclude: expected store, got \\"stor\\"/)
  })

  test('a bug is a 500 that says nothing of it, and is logged once', async () => {
    const { app, witness } = api({
      metrics: () => {
        throw new Error('secret detail')
      },
    })
    const response = await app.request('/metrics')
    assert.equal(response.status, 500)
    assert.doesNotMatch(JSON.stringify(await problemOf(response)), /secret detail/)
    assert.deepEqual(
      witness.lines.map(({ level }) => level),
      ['error'],
    )
  })

  test('elsewhere is a 404 problem', async () => {
    assert.equal((await problemOf(await api().app.request('/elsewhere'))).title, 'not_found')
  })
})

describe('POST /events, signed (Standard Webhooks)', () => {
  const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  const OTHER = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
  const BODY = JSON.stringify({ type: 'pickup', attributes: { user: 'bob' } })

  function signedApi(options: Partial<ApiOptions> = {}) {
    const clock = new FakeClock(NOW)
    const made = api({ secret: SECRET, token: 'long-random-word', clock, ...options })
    const signed = async (id: string, at = NOW, secret = SECRET, body = BODY) =>
      made.post(body, 'application/json', { ...(await createSigner(secret).sign(id, body, at)) })
    return { ...made, clock, signed }
  }

  test('needs no token; the id of the message is that of the event', async () => {
    const { signed, published } = signedApi()
    const response = await signed('evt_1')
    assert.equal(response.status, 202)
    assert.deepEqual(await response.json(), { id: 'evt_1', matched: 2 })
    assert.equal(published[0]!.id, 'evt_1')
  })

  test('another key, another body, another id, another time: 401, and a good token does not help', async () => {
    const { signed, post, published } = signedApi()
    const good = await createSigner(SECRET).sign('evt_1', BODY, NOW)
    const authorization = 'Bearer long-random-word'
    assert.equal((await signed('evt_1', NOW, OTHER)).status, 401)
    assert.equal((await post(`${BODY} `, 'application/json', { ...good, authorization })).status, 401)
    assert.equal((await post(BODY, 'application/json', { ...good, 'webhook-id': 'evt_2' })).status, 401)
    assert.equal((await signed('evt_1', NOW - 301_000)).status, 401)
    assert.equal((await signed('evt_1', NOW + 301_000)).status, 401)
    assert.equal((await post(BODY)).status, 401)
    assert.deepEqual(published, [])
  })

  test('the token still does; without a secret a signature counts for nothing', async () => {
    assert.equal(
      (await signedApi().post(BODY, 'application/json', { authorization: 'Bearer long-random-word' })).status,
      202,
    )
    assert.equal((await signedApi({ secret: undefined }).signed('evt_1')).status, 401)
  })

  test('either of two keys while they rotate', async () => {
    const { signed } = signedApi({ secret: `${SECRET} ${OTHER}` })
    assert.equal((await signed('evt_1')).status, 202)
    assert.equal((await signed('evt_2', NOW, OTHER)).status, 202)
    assert.equal((await signed('evt_3', NOW, `${OTHER} ${SECRET}`)).status, 202)
  })

  test('the same id again raises nothing and is answered as the first time, also when both come at once', async () => {
    const { signed, published, clock } = signedApi()
    const answers = await Promise.all([signed('evt_1'), signed('evt_1')])
    clock.advanceSync(200_000)
    answers.push(await signed('evt_1'), await signed('evt_1', clock.now()))
    for (const answer of answers) assert.deepEqual(await answer.json(), { id: 'evt_1', matched: 2 })
    assert.equal(published.length, 1)
  })

  test('beyond the tolerance a replay is refused', async () => {
    const { signed, published, clock } = signedApi()
    await signed('evt_1')
    clock.advanceSync(301_000)
    assert.equal((await signed('evt_1')).status, 401)
    assert.equal(published.length, 1)
  })

  test('an event that could not be stored is tried again under its id', async () => {
    let isAway = true
    const publish = async () => {
      if (isAway) throw new Error('away')
      return 1
    }
    const { signed } = signedApi({ publish })
    assert.equal((await signed('evt_1')).status, 503)
    isAway = false
    assert.deepEqual(await (await signed('evt_1')).json(), { id: 'evt_1', matched: 1 })
  })

  test('what the gateway itself signs for functions is no event', async () => {
    const { signed, published } = signedApi()
    assert.equal((await signed('inv1', NOW, SECRET, JSON.stringify(invocationOf()))).status, 400)
    assert.equal((await signed('read-1', NOW, SECRET, '')).status, 400)
    assert.deepEqual(published, [])
  })
})
