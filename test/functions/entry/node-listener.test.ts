import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import { listenerOf } from '../../../functions/entry/node-listener.ts'
import { MAX_INVOCATION_BYTES } from '../../../functions/sdk/read-text.ts'
import { invocation } from '../invocations.ts'

/** What `functions/entry/node.ts` serves by: invocations without the objects of `fetch`, everything else with them. */

const ENV = { FUNCTIONS_UNSIGNED: 'loopback' }
const PATH = '/invite/example.com/bob'
const BODY = JSON.stringify(invocation())
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serving(app: SipRouter, counted = { fetch: 0, answer: 0 }): Promise<string> {
  const seen = {
    fetch: (asked: Request, env?: unknown) => {
      counted.fetch++
      return app.fetch(asked, env as never)
    },
    answer: (...args: Parameters<typeof app.answer>) => {
      const reply = app.answer(...args)
      if (reply) counted.answer++
      return reply
    },
  }
  const server = createServer(listenerOf(seen, ENV))
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const rings = () => new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))

const post = (url: string, body: string | ReadableStream, more: { duplex?: 'half' } = {}) =>
  fetch(url, { method: 'POST', body, ...more })

test('an invocation is answered without Request and Response; the manifest and the developer’s own routes are not', async () => {
  const app = rings()
  app.http.post('/hook/of/mine', (c) => c.text('mine'))
  const counted = { fetch: 0, answer: 0 }
  const url = await serving(app, counted)
  const response = await post(url + PATH, BODY)
  assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'application/json'])
  assert.deepEqual(await response.json(), {
    actions: [{ action: 'fork', targets: [{ uri: 'sip:bob@192.0.2.7:5060', q: 1 }] }],
  })
  assert.deepEqual(counted, { fetch: 0, answer: 1 })
  assert.equal((await fetch(`${url}/.well-known/rouse`)).status, 200)
  assert.equal(await (await post(`${url}/hook/of/mine`, '{}')).text(), 'mine')
  assert.equal((await post(`${url}/nothing`, '{}')).status, 404)
  assert.deepEqual(counted, { fetch: 3, answer: 1 })
})

test('a body that says no length, one in pieces and one that is too large are read, or refused, all the same', async () => {
  const url = await serving(rings())
  const pieces = ReadableStream.from([BODY.slice(0, 10), BODY.slice(10)].map((text) => new TextEncoder().encode(text)))
  assert.equal((await post(url + PATH, pieces, { duplex: 'half' })).status, 200)
  const sent = request(url + PATH, { method: 'POST', headers: { 'content-length': Buffer.byteLength(BODY) } })
  sent.write(BODY.slice(0, 20))
  setImmediate(() => sent.end(BODY.slice(20)))
  const [response] = await once(sent, 'response')
  assert.equal(response.statusCode, 200)
  assert.equal((await post(url + PATH, 'x'.repeat(MAX_INVOCATION_BYTES + 1))).status, 413)
  assert.equal((await post(url + PATH, BODY)).status, 200)
})

test('what fetch would read of a text is read: a byte order mark is none of it', async () => {
  const url = await serving(rings())
  assert.equal((await post(url + PATH, `\uFEFF${BODY}`)).status, 200)
  assert.equal((await post(url + PATH, '{')).status, 400)
})

test('a handler that throws is a problem, and a path without a route is not its own', async (t) => {
  t.mock.method(console, 'error', () => {})
  const app = new SipRouter().invite('/example.com/:user', () => {
    throw new Error('no')
  })
  const url = await serving(app)
  const threw = await post(url + PATH, BODY)
  assert.deepEqual([threw.status, threw.headers.get('content-type')], [500, 'application/problem+json'])
  const other = await post(`${url}/message/example.com/bob`, BODY)
  assert.deepEqual([other.status, await other.text()], [204, ''])
})

test('unsigned is for this machine alone, by the name that was asked for; a host that is none is refused', async () => {
  const url = await serving(rings())
  for (const [host, status] of [
    ['evil.example', 401],
    ['localhost', 200],
    ['local host', 400],
  ] as const) {
    const sent = request(url + PATH, { method: 'POST', headers: { host, 'content-length': Buffer.byteLength(BODY) } })
    sent.end(BODY)
    const [response] = await once(sent, 'response')
    assert.equal(response.statusCode, status, host)
  }
})

test('who goes away in the middle of his body costs nothing, and in the middle of the answer aborts the handler', async (t) => {
  const errors = t.mock.method(console, 'error', () => {})
  const aborted = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const app = new SipRouter().invite('/:domain/:user', async (call: Call) => {
    begun.resolve()
    await new Promise<void>((resolve) => call.signal!.addEventListener('abort', () => resolve()))
    aborted.resolve()
  })
  const url = new URL(await serving(app))
  const head = `POST ${PATH} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: ${Buffer.byteLength(BODY)}\r\n\r\n`
  for (const body of [BODY.slice(0, 30), BODY]) {
    const socket = connect(Number(url.port), url.hostname)
    socket.on('error', () => {})
    socket.write(head + body)
    if (body === BODY) await begun.promise
    else await new Promise(setImmediate)
    socket.destroy()
  }
  await aborted.promise
  assert.deepEqual(
    errors.mock.calls.map(({ arguments: args }) => String(args)),
    [],
  )
})
