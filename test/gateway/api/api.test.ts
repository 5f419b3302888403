import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Binding } from '../../../functions/store/store.ts'
import { type ApiOptions, createApi } from '../../../gateway/api/api.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { Witness } from '../invocation/functions.ts'

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
  const received: string[] = []
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
    events: {
      receive: async (request, address) => {
        received.push(`${new URL(request.url).pathname} ${await request.text()} from ${address}`)
        return new Response(null, { status: 202 })
      },
    },
    health: { ready: () => ({ ready: true, checks: { sip: 'ok' } }) },
    metrics: () => '# TYPE rouse_x_total counter\nrouse_x_total 1\n',
    clock: new FakeClock(NOW),
    log: witness.log,
    ...options,
  })
  return { app, received, witness, asked }
}

async function problemOf(response: Response) {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  const problem = (await response.json()) as Record<string, unknown>
  assert.equal(problem.status, response.status)
  return problem
}

test('POST /events, and what comes below it, goes to whoever takes events, without a token', async () => {
  const { app, received } = api({ token: 'abc' })
  for (const path of ['/events', '/events/shop']) {
    const env = { incoming: { socket: { remoteAddress: '192.0.2.9' } } }
    const response = await app.request(path, { method: 'POST', body: 'x' }, env)
    assert.equal(response.status, 202)
  }
  assert.deepEqual(received, ['/events x from 192.0.2.9', '/events/shop x from 192.0.2.9'])
  assert.equal((await app.request('/events')).status, 401)
  assert.equal(received.length, 2)
})

describe('the token', () => {
  const paths = ['/calls', '/calls/t1', '/registrations', '/registrations/bob@example.com', '/metrics', '/nothing']

  test('is asked for everywhere but for health', async () => {
    const { app } = api({ token: 'abc' })
    for (const path of paths) {
      const response = await app.request(path)
      assert.equal(response.status, 401, path)
      assert.equal(response.headers.get('www-authenticate'), 'Bearer')
      await problemOf(response)
    }
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
