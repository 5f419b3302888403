import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { after, afterEach, before, describe, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { createHttpHost, type HttpHostOptions } from '../../../gateway/invocation/http.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'
import { ANSWER, invocationOf, realClock } from './functions.ts'

const TLS = {
  cert: readFileSync(new URL('../../support/tls/cert.pem', import.meta.url)),
  key: readFileSync(new URL('../../support/tls/key.pem', import.meta.url)),
}
const OPTIONS = { signal: undefined, timeoutMs: 20_000 }

type Behaviour = (stream: ServerHttp2Stream, nth: number, path: string) => void

const trusted = getCACertificates('default')
before(() => setDefaultCACertificates([...trusted, TLS.cert.toString()]))
after(() => setDefaultCACertificates(trusted))
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A real HTTP/2 server over TLS that does what `behave` says with each stream. */
async function serving(behave: Behaviour, options: Partial<HttpHostOptions> = {}, settings = {}) {
  const server = createSecureServer({ ...TLS, settings })
  const sessions: ServerHttp2Session[] = []
  const sockets: Socket[] = []
  const state = { streams: 0, most: 0, open: 0, sessions, sockets, arrived: () => {} }
  server.on('secureConnection', (socket) => sockets.push(socket))
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => undefined)
  })
  server.on('stream', (stream, headers) => {
    state.streams++
    state.open++
    state.most = Math.max(state.most, state.open)
    stream.on('error', () => undefined)
    stream.on('close', () => state.open--)
    behave(stream, state.streams, String(headers[':path']))
    state.arrived()
  })
  return {
    state,
    host: hostOf(await listening(server), options),
    arrival: () =>
      new Promise<void>((resolve) => {
        state.arrived = resolve
      }),
  }
}

async function listening(server: Http2SecureServer | ReturnType<typeof createHttpsServer>): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function hostOf(url: string, options: Partial<HttpHostOptions> = {}) {
  const host = createHttpHost({ clock: realClock, ids: new CountingIds(), ...options, url })
  cleanups.push(() => host.close())
  return host
}

function answer(stream: ServerHttp2Stream): void {
  if (stream.destroyed) return
  stream.respond({ ':status': 200, 'content-type': 'application/json' })
  stream.end(JSON.stringify(ANSWER))
}

const many = (host: ReturnType<typeof hostOf>, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => host.invoke(`/n${n}`, invocationOf(), OPTIONS)))
const kinds = (replies: { kind: string }[]) => [...new Set(replies.map(({ kind }) => kind))]

describe('over HTTP/2', () => {
  test('two hundred invocations at once share a connection or two, and it is kept', async () => {
    const { host, state } = await serving((stream) => setImmediate(answer, stream))
    assert.deepEqual(kinds(await many(host, 200)), ['answer'])
    const first = state.sessions.length
    assert.ok(first <= 3, `${first} connections`)
    assert.deepEqual(kinds(await many(host, 50)), ['answer'])
    assert.equal(state.sessions.length, first)
  })

  test('no more streams than the server allows at once: further invocations wait, and none is lost', async () => {
    const { host, state } = await serving(
      (stream) => setImmediate(answer, stream),
      { connections: 1 },
      { maxConcurrentStreams: 3 },
    )
    await host.invoke('/first', invocationOf(), OPTIONS)
    assert.deepEqual(kinds(await many(host, 40)), ['answer'])
    assert.equal(state.streams, 41)
    assert.ok(state.most <= 3, `${state.most} at once`)
  })

  test('GOAWAY: what the server had begun is answered, what it had not goes over another connection', async () => {
    const { host, state } = await serving((stream, nth) => {
      if (nth === 5) stream.session!.goaway(constants.NGHTTP2_NO_ERROR, stream.id!)
      setImmediate(answer, stream)
    })
    assert.deepEqual(kinds(await many(host, 20)), ['answer'])
    assert.ok(state.sessions.length >= 2)
    assert.equal(await host.invoke('/later', invocationOf(), OPTIONS).then(({ kind }) => kind), 'answer')
  })

  test('REFUSED_STREAM: the invocation is sent once more by itself; any other reset is a failure that may be retried', async () => {
    const { host, state } = await serving((stream, nth, path) => {
      if (path === '/reset') stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      else if (nth === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM)
      else answer(stream)
    })
    assert.equal((await host.invoke('/x', invocationOf(), OPTIONS)).kind, 'answer')
    assert.equal(state.streams, 2)
    const reset = await host.invoke('/reset', invocationOf(), OPTIONS)
    assert.equal(reset.kind === 'problem' && reset.retry && reset.problem.code, 'handler.unreachable')
    assert.equal((await host.invoke('/x', invocationOf(), OPTIONS)).kind, 'answer')
    assert.equal(state.sessions.length, 1)
  })

  test('CANCEL ends its stream alone: the others on the connection are answered', async () => {
    const held: ServerHttp2Stream[] = []
    const { host, state } = await serving(
      (stream, _nth, path) => void (path === '/other' ? held.push(stream) : undefined),
    )
    const cancel = new AbortController()
    const cancelled = host.invoke('/cancelled', invocationOf(), { signal: cancel.signal, timeoutMs: 20_000 })
    const other = host.invoke('/other', invocationOf(), OPTIONS)
    while (state.open < 2) await settled(1)
    cancel.abort()
    const reply = await cancelled
    assert.equal(reply.kind === 'problem' && reply.problem.code, 'transaction.gone')
    while (state.open > 1) await settled(1)
    answer(held[0]!)
    assert.equal((await other).kind, 'answer')
    assert.equal(state.sessions.length, 1)
  })

  test('an invocation given up while it waited for a stream is never sent', async () => {
    const held: ServerHttp2Stream[] = []
    const { host, state } = await serving(
      (stream, nth) => void (nth === 2 ? held.push(stream) : answer(stream)),
      { connections: 1 },
      { maxConcurrentStreams: 1 },
    )
    await host.invoke('/first', invocationOf(), OPTIONS)
    const second = host.invoke('/second', invocationOf(), OPTIONS)
    while (held.length === 0) await settled(1)
    const cancel = new AbortController()
    const third = host.invoke('/third', invocationOf(), { signal: cancel.signal, timeoutMs: 20_000 })
    const fourth = host.invoke('/fourth', invocationOf(), OPTIONS)
    cancel.abort()
    assert.equal((await third).kind, 'problem')
    answer(held[0]!)
    assert.deepEqual([(await second).kind, (await fourth).kind], ['answer', 'answer'])
    assert.equal(state.streams, 3)
  })

  test('the bounds of a response end its stream and not the connection', async () => {
    const { host, state } = await serving(
      (stream, _nth, path) => {
        if (path === '/ok') return answer(stream)
        if (path === '/interim')
          for (let n = 0; n < 20; n++) stream.additionalHeaders({ ':status': 103, 'link': '</x>' })
        const fields =
          path === '/headers' ? Object.fromEntries(Array.from({ length: 110 }, (_, n) => [`x${n}`, ''])) : {}
        const big = path === '/octets' ? { x: 'y'.repeat(20_000) } : {}
        stream.respond({ ':status': 200, 'content-type': 'application/json', ...fields, ...big })
        stream.end(path === '/body' ? 'x'.repeat(200_000) : '{}')
      },
      { maxResponseBytes: 100_000 },
    )
    for (const path of ['/interim', '/headers', '/octets', '/body']) {
      const reply = await host.invoke(path, invocationOf(), OPTIONS)
      assert.equal(reply.kind === 'problem' && reply.problem.code, 'handler.invalid_answer', path)
      assert.equal((await host.invoke('/ok', invocationOf(), OPTIONS)).kind, 'answer')
    }
    assert.equal(state.sessions.length, 1)
  })

  test('a connection that has gone silent costs one try: the next opens another', async () => {
    const clock = new FakeClock()
    const { host, state } = await serving((stream, nth) => (nth === 2 ? undefined : answer(stream)), { clock })
    assert.equal((await host.invoke('/x', invocationOf(), OPTIONS)).kind, 'answer')
    const pending = host.invoke('/x', invocationOf(), { signal: undefined, timeoutMs: 1200 })
    while (state.streams < 2) await settled(1)
    clock.advanceSync(1200)
    const reply = await pending
    assert.equal(reply.kind === 'problem' && reply.problem.code, 'handler.timeout')
    assert.equal((await host.invoke('/x', invocationOf(), OPTIONS)).kind, 'answer')
    assert.equal(state.sessions.length, 2)
  })

  test('a slow invocation beside others that are answered keeps the connection', async () => {
    const clock = new FakeClock()
    const { host, state } = await serving((stream, _nth, path) => (path === '/slow' ? undefined : answer(stream)), {
      clock,
    })
    const slow = host.invoke('/slow', invocationOf(), { signal: undefined, timeoutMs: 1200 })
    while (state.streams < 1) await settled(1)
    assert.equal((await host.invoke('/x', invocationOf(), OPTIONS)).kind, 'answer')
    clock.advanceSync(1200)
    assert.equal((await slow).kind, 'problem')
    assert.equal((await host.invoke('/x', invocationOf(), OPTIONS)).kind, 'answer')
    assert.equal(state.sessions.length, 1)
  })
})

test('a TLS server without HTTP/2 is spoken to in HTTP/1.1, one connection for each invocation under way', async () => {
  let connections = 0
  const server = createHttpsServer(TLS, (request, response) => {
    request.resume().on('end', () => {
      assert.equal(request.httpVersion, '1.1')
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(ANSWER))
    })
  })
  server.on('secureConnection', () => connections++)
  const host = hostOf(await listening(server), { connections: 4 })
  assert.deepEqual(kinds(await many(host, 30)), ['answer'])
  assert.ok(connections <= 4)
})

test('a certificate that nobody vouches for is handler.unreachable', async () => {
  setDefaultCACertificates(trusted)
  cleanups.push(() => setDefaultCACertificates([...trusted, TLS.cert.toString()]))
  const host = hostOf(await listening(createHttpsServer(TLS)))
  const reply = await host.invoke('/x', invocationOf(), OPTIONS)
  assert.match(
    reply.kind === 'problem' ? reply.problem.detail : '',
    /could not be reached: DEPTH_ZERO_SELF_SIGNED_CERT/,
  )
})
