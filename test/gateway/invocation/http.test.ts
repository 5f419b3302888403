import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { createAdaptorServer } from '@hono/node-server'
import { Webhook } from 'standardwebhooks'
import { SipRouter } from '../../../functions/sdk/index.ts'
import type { FunctionHost } from '../../../gateway/invocation/host.ts'
import { createHttpHost, type HttpHostOptions } from '../../../gateway/invocation/http.ts'
import { createInvoker } from '../../../gateway/invocation/invoker.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'
import { ANSWER, FunctionServer, invocationOf, json, type Received, realClock, Witness } from './functions.ts'

type Behaviour = (response: ServerResponse, request: Received, nth: number) => void

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serving(behave: Behaviour, options: Partial<HttpHostOptions> = {}) {
  const server = await FunctionServer.start(behave)
  cleanups.push(() => server.stop())
  return { server, host: hostOf(options.url ?? server.url, options) }
}

function hostOf(url: string, options: Partial<HttpHostOptions> = {}): FunctionHost {
  const host = createHttpHost({ clock: realClock, ids: new CountingIds(), ...options, url })
  cleanups.push(() => host.close())
  return host
}

/** Far longer than any of these takes: the test fails by its assertion, not by this. */
const OPTIONS = { signal: undefined, timeoutMs: 20_000 }

async function codeOf(host: FunctionHost): Promise<string> {
  const reply = await host.invoke('/x', invocationOf(), OPTIONS)
  return reply.kind === 'problem' ? reply.problem.code : reply.kind
}

describe('the request', () => {
  test("goes to the base URL's path with the routing key behind it, and keeps its query", async () => {
    const { server } = await serving((response) => json(response, ANSWER))
    for (const [base, expected] of [
      ['', '/invite/example.com/bob%20b'],
      ['/', '/invite/example.com/bob%20b'],
      ['/api/rouse', '/api/rouse/invite/example.com/bob%20b'],
      ['/api/rouse/?code=a%20b', '/api/rouse/invite/example.com/bob%20b?code=a%20b'],
    ] as const) {
      await hostOf(server.url + base).invoke('/invite/example.com/bob%20b', invocationOf(), OPTIONS)
      assert.equal(server.received.at(-1)!.url, expected)
    }
  })

  test('carries the invocation, its id and its trace (CloudEvents 1.0, W3C Trace Context)', async () => {
    const { host, server } = await serving((response) => json(response, ANSWER))
    const reply = await host.invoke('/x', invocationOf(), OPTIONS)
    assert.deepEqual(reply, { kind: 'answer', answer: ANSWER })
    const [{ headers, body, method }] = server.received as [Received]
    assert.equal(method, 'POST')
    assert.deepEqual(JSON.parse(body), invocationOf())
    assert.equal(headers['content-type'], 'application/cloudevents+json')
    assert.equal(headers['webhook-id'], 'inv1')
    assert.equal(headers.traceparent, invocationOf().traceparent)
    assert.equal(headers['webhook-signature'], undefined)
  })

  test('is signed for each live secret (Standard Webhooks)', async () => {
    const secrets = [1, 2].map((octet) => `whsec_${Buffer.alloc(32, octet).toString('base64')}`)
    const { host, server } = await serving((response) => json(response, ANSWER), { secret: secrets.join(' ') })
    await host.invoke('/x', invocationOf(), OPTIONS)
    const [{ headers, body }] = server.received as [Received]
    for (const secret of secrets) {
      assert.deepEqual(new Webhook(secret).verify(body, headers as Record<string, string>), invocationOf())
    }
    const other = new Webhook(`whsec_${Buffer.alloc(32, 3).toString('base64')}`)
    assert.throws(() => other.verify(body, headers as Record<string, string>))
  })

  test('connections are kept: requests one after the other need two at most', async () => {
    const { host, server } = await serving((response) => json(response, ANSWER))
    for (let i = 0; i < 20; i++) assert.equal(await codeOf(host), 'answer')
    assert.ok(server.connections <= 2)
  })
})

const [OLD, NEW] = [1, 2].map((octet) => `whsec_${Buffer.alloc(32, octet).toString('base64')}`) as [string, string]

/** What a function in any language does, with the reference implementation. */
function signedWith(
  secret: string,
  change: (headers: Record<string, string>, body: string) => void = () => {},
): Behaviour {
  return (response, request) => {
    const body = JSON.stringify(ANSWER)
    const id = String(request.headers['webhook-id'])
    const now = new Date()
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, now, body),
    }
    change(headers, body)
    response.writeHead(200, headers).end(body)
  }
}

describe('with a secret answers have to be signed (Standard Webhooks)', () => {
  test('one that is signed with the id of its invocation is taken', async () => {
    const { host } = await serving(signedWith(OLD), { secret: OLD })
    assert.equal(await codeOf(host), 'answer')
  })

  const wrong: [string, Behaviour][] = [
    ['no signature', (r) => json(r, ANSWER)],
    ['no signature on a 204', (r) => r.writeHead(204).end()],
    ['another key', signedWith(NEW)],
    [
      'another id',
      signedWith(OLD, (headers) => {
        const now = new Date()
        headers['webhook-id'] = 'inv0'
        headers['webhook-signature'] = new Webhook(OLD).sign('inv0', now, JSON.stringify(ANSWER))
      }),
    ],
    [
      'the signature of another time',
      signedWith(OLD, (headers) => {
        headers['webhook-timestamp'] = String(Number(headers['webhook-timestamp']) + 1)
      }),
    ],
    [
      'six minutes ago',
      signedWith(OLD, (headers, body) => {
        const then = new Date(Date.now() - 360_000)
        headers['webhook-timestamp'] = String(Math.floor(then.getTime() / 1000))
        headers['webhook-signature'] = new Webhook(OLD).sign(headers['webhook-id']!, then, body)
      }),
    ],
    [
      'nonsense',
      signedWith(OLD, (headers) => {
        headers['webhook-signature'] = 'v1, v2,x %%% v1,AAAA'
      }),
    ],
  ]
  for (const [title, behave] of wrong) {
    test(`${title}: handler.unsigned, which is tried once more`, async () => {
      const { host } = await serving(behave, { secret: OLD })
      const reply = await host.invoke('/x', invocationOf(), OPTIONS)
      assert.ok(reply.kind === 'problem' && reply.retry)
      assert.equal(reply.problem.code, 'handler.unsigned')
    })
  }

  test('what the gateway sent, thrown back at it with its own signature, is no answer', async () => {
    const { host } = await serving(
      (response, { headers, body }) => {
        const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature']
        const signature = Object.fromEntries(names.map((name) => [name, String(headers[name])]))
        response.writeHead(200, { 'content-type': 'application/json', ...signature }).end(body)
      },
      { secret: OLD },
    )
    const witness = new Witness()
    const invoker = createInvoker({ primary: host, clock: realClock, count: witness.count, log: witness.log })
    const result = await invoker.invoke('/invite/example.com/bob', invocationOf, { method: 'INVITE' })
    assert.equal(result.kind === 'failed' && result.problem.code, 'handler.invalid_answer')
  })

  test('a refusal needs no signature: whoever could forge it could as well break the connection', async () => {
    const { host } = await serving((r) => r.writeHead(403).end(), { secret: OLD })
    assert.equal(await codeOf(host), 'handler.refused')
  })

  test('where answers may be unsigned, one that is signed has to be right all the same', async () => {
    const options = { secret: OLD, unsignedAnswers: true }
    assert.equal(await codeOf((await serving((r) => json(r, ANSWER), options)).host), 'answer')
    assert.equal(await codeOf((await serving(signedWith(NEW), options)).host), 'handler.unsigned')
  })

  test('the secret is in no problem and no log line', async () => {
    const { host } = await serving(signedWith(NEW), { secret: OLD })
    const witness = new Witness()
    const invoker = createInvoker({ primary: host, clock: realClock, count: witness.count, log: witness.log })
    await invoker.invoke('/invite/example.com/bob', invocationOf, { method: 'INVITE' })
    assert.doesNotMatch(JSON.stringify(witness.lines), new RegExp(`whsec_|${OLD.slice(6, 20)}`))
    assert.match(JSON.stringify(witness.lines), /handler.unsigned/)
  })

  test('the manifest is asked for and answered with a signature', async () => {
    const manifest = { contract: 1, routes: [], handlers: [] }
    const { host } = await serving((response) => json(response, manifest), { secret: OLD })
    const unsigned = await host.manifest()
    assert.equal(unsigned.ok ? '' : unsigned.problem.code, 'handler.unsigned')
  })
})

describe('keys rotate without a call lost, whichever side begins', () => {
  /** A router of the SDK with this secret behind HTTP, asked by a gateway with that one. */
  async function asked(gatewaySecret: string, functionSecret: string): Promise<string> {
    const router = new SipRouter({ secret: functionSecret }).invite('/:domain/:user', (call) => call.reply(486))
    const server = createAdaptorServer({ fetch: router.fetch })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => new Promise((resolve) => server.close(() => resolve())))
    const host = hostOf(`http://127.0.0.1:${(server.address() as { port: number }).port}`, { secret: gatewaySecret })
    const read = await host.manifest()
    const reply = await host.invoke('/invite/example.com/bob', invocationOf(), OPTIONS)
    assert.equal(read.ok, reply.kind === 'answer')
    return reply.kind
  }
  const both = `${OLD} ${NEW}`
  const steps: [string, [gateway: string, func: string][]][] = [
    [
      'gateway first',
      [
        [OLD, OLD],
        [both, OLD],
        [both, both],
        [NEW, both],
        [NEW, NEW],
      ],
    ],
    [
      'function first',
      [
        [OLD, OLD],
        [OLD, both],
        [both, both],
        [both, NEW],
        [NEW, NEW],
      ],
    ],
    [
      'the new key written first',
      [
        [OLD, OLD],
        [`${NEW} ${OLD}`, OLD],
        [`${NEW} ${OLD}`, both],
        [NEW, both],
        [NEW, NEW],
      ],
    ],
  ]
  for (const [title, pairs] of steps) {
    test(title, async () => {
      for (const [gateway, func] of pairs) assert.equal(await asked(gateway, func), 'answer')
    })
  }
  test('a key that is retired on one side opens nothing any more', async () => {
    assert.equal(await asked(OLD, NEW), 'problem')
    assert.equal(await asked(NEW, OLD), 'problem')
  })
})

describe('bounds of a response', () => {
  const JSON_TYPE = { 'content-type': 'application/json' }

  test('redirects are not followed, wherever they lead', async () => {
    const elsewhere = await serving((response) => json(response, ANSWER))
    for (const status of [301, 302, 303, 307, 308]) {
      const { host, server } = await serving((r) => r.writeHead(status, { location: elsewhere.server.url }).end())
      assert.equal(await codeOf(host), 'handler.refused')
      assert.equal(server.received.length, 1)
    }
    assert.equal(elsewhere.server.received.length, 0)
  })

  test('more header fields than a response may have, however short', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`x${n}`, '']))
    const { host } = await serving((r) => r.writeHead(200, { ...JSON_TYPE, ...many }).end('{}'))
    assert.equal(await codeOf(host), 'handler.invalid_answer')
    const repeated = await serving((r) => r.writeHead(200, { ...JSON_TYPE, x: Array(200).fill('') }).end('{}'))
    assert.equal(await codeOf(repeated.host), 'handler.invalid_answer')
  })

  const endless: [string, string, string][] = [
    ['header fields', 'HTTP/1.1 200 OK\r\n', 'x: y\r\n'],
    ['one header field', 'HTTP/1.1 200 OK\r\nx: ', 'y'.repeat(1000)],
    ['interim responses', '', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'],
  ]
  for (const [what, begin, more] of endless) {
    test(`endless ${what} are cut off, and the connection with them`, async () => {
      const server = await floodServer(begin, more)
      assert.equal(await codeOf(hostOf(server.url)), 'handler.invalid_answer')
      while (server.sockets.size > 0) await settled(1)
    })
  }

  for (const [what, begin, more] of [
    ['header', 'HTTP/1.1 200 OK\r\nx: ', 'y'],
    ['chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;', 'x'],
  ] as const) {
    test(`a ${what} that drips does not outlive the deadline`, async () => {
      const clock = new FakeClock()
      const server = await floodServer(begin, more, true)
      const pending = hostOf(server.url, { clock }).invoke('/x', invocationOf(), { signal: undefined, timeoutMs: 700 })
      while (server.dripped < 3) await settled(1)
      clock.advanceSync(700)
      const reply = await pending
      assert.equal(reply.kind === 'problem' && reply.problem.code, 'handler.timeout')
      while (server.sockets.size > 0) await settled(1)
    })
  }
})

describe('what comes back', () => {
  const replies: [string, Behaviour, string][] = [
    ['204', (r) => r.writeHead(204).end(), 'none'],
    [
      'application/problem+json of 200',
      (r) => r.writeHead(200, { 'content-type': 'Application/X+JSON; charset=utf-8' }).end('{}'),
      'answer',
    ],
    ['500', (r) => r.writeHead(500).end('oops'), 'handler.status'],
    ['404', (r) => r.writeHead(404).end('404 Not Found'), 'handler.refused'],
    ['302', (r) => r.writeHead(302, { location: '/elsewhere' }).end(), 'handler.refused'],
    ['HTML', (r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<html>'), 'handler.invalid_answer'],
    ['no content type', (r) => r.writeHead(200).end('{"actions":[]}'), 'handler.invalid_answer'],
    [
      'garbage',
      (r) => r.writeHead(200, { 'content-type': 'application/json' }).end('{"actions":'),
      'handler.invalid_answer',
    ],
    ['an empty body', (r) => r.writeHead(200, { 'content-type': 'application/json' }).end(), 'handler.invalid_answer'],
    [
      '100 kB of headers',
      (r) => r.writeHead(200, { 'content-type': 'application/json', x: 'y'.repeat(100_000) }).end('{}'),
      'handler.invalid_answer',
    ],
    [
      'half a body and a close',
      (r) =>
        void r
          .writeHead(200, { 'content-type': 'application/json', 'content-length': '99' })
          .write('{', () => r.socket!.destroy()),
      'handler.unreachable',
    ],
    ['a close without a word', (r) => r.socket!.destroy(), 'handler.unreachable'],
  ]
  for (const [title, behave, expected] of replies) {
    test(`${title} is ${expected}`, async () => {
      const { host, server } = await serving(behave)
      assert.equal(await codeOf(host), expected)
      assert.equal(server.received.length, 1)
    })
  }

  test('30 MB with and without a length are cut off at the limit, and the connection with them', async () => {
    const chunk = Buffer.alloc(65_536, 0x20)
    const endless: Behaviour = (response) => {
      let sent = 0
      const more = () => {
        while (sent < 30e6 && !response.destroyed) {
          sent += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
        response.end()
      }
      response.writeHead(200, { 'content-type': 'application/json' })
      more()
    }
    const announced: Behaviour = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(30e6) }).write(chunk)
    }
    for (const behave of [endless, announced]) {
      const { host, server } = await serving(behave, { maxResponseBytes: 100_000 })
      const reply = await host.invoke('/x', invocationOf(), OPTIONS)
      assert.ok(reply.kind === 'problem')
      assert.deepEqual(reply.problem, {
        code: 'handler.invalid_answer',
        detail: 'expected at most 100000 octets, got more',
      })
      while (server.sockets.size > 0) await settled(1)
    }
  })

  test('something that is no web server is handler.invalid_answer', async () => {
    const server = await rawServer('SSH-2.0-OpenSSH_9.2\r\n')
    assert.equal(await codeOf(hostOf(server)), 'handler.invalid_answer')
  })

  test('a refused connection is handler.unreachable', async () => {
    const server = await FunctionServer.start(() => undefined)
    await server.stop()
    assert.equal(await codeOf(hostOf('http://127.0.0.1:1')), 'handler.unreachable')
  })
})

describe('time', () => {
  test('a function that never answers costs its try, its connection and no timer', async () => {
    const clock = new FakeClock()
    const { host, server } = await serving(() => undefined, { clock })
    const arrival = server.arrival()
    const pending = host.invoke('/x', invocationOf(), { signal: undefined, timeoutMs: 1200 })
    await arrival
    clock.advanceSync(1200)
    const reply = await pending
    assert.equal(reply.kind === 'problem' && reply.problem.code, 'handler.timeout')
    while (server.sockets.size > 0) await settled(1)
    assert.equal(clock.pending, 0)
  })

  test('a body that trickles does not outlive the deadline', async () => {
    const clock = new FakeClock()
    const { host, server } = await serving(
      (response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{'),
      { clock },
    )
    const arrival = server.arrival()
    const pending = host.invoke('/x', invocationOf(), { signal: undefined, timeoutMs: 700 })
    await arrival
    await settled(10)
    clock.advanceSync(700)
    const reply = await pending
    assert.equal(reply.kind === 'problem' && reply.problem.code, 'handler.timeout')
  })

  test('CANCEL aborts the HTTP request', async () => {
    const { host, server } = await serving(() => undefined)
    const cancel = new AbortController()
    const arrival = server.arrival()
    const pending = host.invoke('/x', invocationOf(), { signal: cancel.signal, timeoutMs: 20_000 })
    await arrival
    cancel.abort()
    const reply = await pending
    assert.equal(reply.kind === 'problem' && reply.problem.code, 'transaction.gone')
    while (server.sockets.size > 0) await settled(1)
  })

  test('an invocation given up while it waited for a connection is never sent, and the connection lives on', async () => {
    const held: ServerResponse[] = []
    const { host, server } = await serving(
      (response, _request, nth) => {
        if (nth === 1) held.push(response)
        else json(response, ANSWER)
      },
      { connections: 1 },
    )
    const arrival = server.arrival()
    const first = host.invoke('/first', invocationOf(), OPTIONS)
    await arrival
    const cancel = new AbortController()
    const second = host.invoke('/second', invocationOf(), { signal: cancel.signal, timeoutMs: 20_000 })
    const third = host.invoke('/third', invocationOf(), OPTIONS)
    cancel.abort()
    assert.equal((await second).kind, 'problem')
    json(held[0]!, ANSWER)
    assert.deepEqual([(await first).kind, (await third).kind], ['answer', 'answer'])
    assert.deepEqual(
      server.received.map(({ url }) => url),
      ['/first', '/third'],
    )
    assert.equal(server.connections, 1)
  })

  test('more waiting invocations than the bound fail at once', async () => {
    const { host, server } = await serving(() => undefined, { connections: 1, maxWaiting: 1 })
    const arrival = server.arrival()
    const cancel = new AbortController()
    const held = { signal: cancel.signal, timeoutMs: 20_000 }
    const first = host.invoke('/first', invocationOf(), held)
    await arrival
    const second = host.invoke('/second', invocationOf(), held)
    const reply = await host.invoke('/third', invocationOf(), OPTIONS)
    assert.match(reply.kind === 'problem' ? reply.problem.detail : '', /too many invocations wait/)
    cancel.abort()
    await Promise.all([first, second])
  })
})

describe('through the invoker', () => {
  async function invoking(primary: FunctionHost, fallback?: FunctionHost) {
    const witness = new Witness()
    const invoker = createInvoker({ primary, fallback, clock: realClock, count: witness.count, log: witness.log })
    return invoker.invoke('/invite/example.com/bob', invocationOf, { method: 'INVITE' })
  }

  test('a flapping function: the retry has the same webhook-id and another attempt', async () => {
    const { host, server } = await serving((response, _request, nth) =>
      nth === 1 ? response.writeHead(503).end() : json(response, ANSWER),
    )
    assert.deepEqual(await invoking(host), { kind: 'answer', answer: ANSWER, from: 'function' })
    const [first, second] = server.received as [Received, Received]
    assert.equal(first.headers['webhook-id'], second.headers['webhook-id'])
    assert.deepEqual(
      [first, second].map(({ body }) => JSON.parse(body).data.attempt),
      [1, 2],
    )
  })

  test('wrong actions twice, then the fallback URL', async () => {
    const wrong = await serving((response) =>
      json(response, { actions: [{ action: 'reply', status: 200, headers: { set: { Via: 'x' } } }] }),
    )
    const right = await serving((response) => json(response, ANSWER))
    assert.deepEqual(await invoking(wrong.host, right.host), { kind: 'answer', answer: ANSWER, from: 'fallback' })
    assert.deepEqual([wrong.server.received.length, right.server.received.length], [2, 1])
  })

  test('a function that comes back between the tries on a dead connection answers the retry', async () => {
    const { host, server } = await serving((response, _request, nth) =>
      nth === 2 ? response.socket!.destroy() : json(response, ANSWER),
    )
    assert.equal((await invoking(host)).kind, 'answer')
    assert.equal((await invoking(host)).kind, 'answer')
    assert.equal(server.received.length, 3)
  })
})

test('the manifest is read at its well-known address below the base URL (RFC 8615)', async () => {
  const manifest = { contract: 1, routes: [], handlers: ['a'] }
  const { server } = await serving((response) => json(response, manifest))
  assert.deepEqual(await hostOf(`${server.url}/base/`).manifest(), { ok: true, value: manifest })
  assert.deepEqual([server.received[0]!.method, server.received[0]!.url], ['GET', '/base/.well-known/rouse'])
  const none = await serving((response) => response.writeHead(404).end('Not Found'))
  const read = await none.host.manifest()
  assert.equal(read.ok ? 'ok' : read.problem.code, 'not_found')
})

/** A TCP server that says one thing, whatever it is asked, and closes. */
async function rawServer(greeting: string): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => socket.end(greeting))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => new Promise((resolve) => server.close(() => resolve())))
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

/** A TCP server that begins an answer and never ends it: as fast as it is read, or piece by piece. */
async function floodServer(begin: string, more: string, drips = false) {
  const sockets = new Set<Socket>()
  const state = { url: '', sockets, dripped: 0 }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    const piece = drips ? more : more.repeat(50)
    const write = () => {
      state.dripped++
      if (!socket.destroyed) socket.write(piece, () => setImmediate(write))
    }
    socket.once('data', () => socket.write(begin, write))
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => new Promise((resolve) => server.close(() => resolve())))
  state.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return state
}
