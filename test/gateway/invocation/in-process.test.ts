import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createInProcessHost, type FunctionApp, loadApp } from '../../../gateway/invocation/in-process.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ANSWER, invocationOf } from './functions.ts'

const OPTIONS = { signal: undefined, timeoutMs: 1000 }

function answering(fetch: FunctionApp['fetch'], dispatch?: FunctionApp['dispatch']) {
  return createInProcessHost({ fetch, ...(dispatch ? { dispatch } : {}) }, new FakeClock())
}

const unused: FunctionApp['fetch'] = () => assert.fail('fetch is not called')

describe('dispatch', () => {
  test('is preferred, and gets path and invocation as they are', async () => {
    const invocation = invocationOf()
    const host = answering(unused, async (path, given) => {
      assert.equal(path, '/on/late-fork')
      assert.equal(given, invocation)
      return { status: 200, body: ANSWER }
    })
    assert.deepEqual(await host.invoke('/on/late-fork', invocation, OPTIONS), { kind: 'answer', answer: ANSWER })
  })

  test('that throws, at once or later, is handler.threw with the place', async () => {
    const throwing: FunctionApp['dispatch'][] = [
      () => {
        throw new Error('no such desk')
      },
      () => Promise.reject(new Error('no such desk')),
    ]
    for (const dispatch of throwing) {
      const reply = await answering(unused, dispatch).invoke('/x', invocationOf(), OPTIONS)
      assert.ok(reply.kind === 'problem' && reply.retry)
      assert.equal(reply.problem.code, 'handler.threw')
      assert.match(reply.problem.detail, /Error: no such desk at .*in-process\.test\.ts/)
    }
  })

  test('that resolves to nonsense is a problem, not a crash', async () => {
    const reply = await answering(unused, () => Promise.resolve(undefined as never)).invoke(
      '/x',
      invocationOf(),
      OPTIONS,
    )
    assert.equal(reply.kind === 'problem' && reply.problem.code, 'handler.threw')
  })

  test("the function's own problem details keep their code, detail and pointer (RFC 9457)", async () => {
    const body = { title: 'replay.diverged', detail: 'expected fork,\ngot push', pointer: '/actions/1' }
    const reply = await answering(unused, () => Promise.resolve({ status: 409, body })).invoke(
      '/x',
      invocationOf(),
      OPTIONS,
    )
    const problem = { code: 'replay.diverged', detail: 'expected fork, got push', pointer: '/actions/1' }
    assert.deepEqual(reply, { kind: 'problem', problem, retry: false, status: 409 })
  })
})

describe('fetch, where there is no dispatch', () => {
  test('gets a POST with the invocation as JSON', async () => {
    const invocation = invocationOf()
    const host = answering(async (request) => {
      assert.equal(request.method, 'POST')
      assert.equal(new URL(request.url).pathname, '/invite/example.com/bob%2Fb')
      assert.equal(request.headers.get('webhook-id'), 'inv1')
      assert.deepEqual(await request.json(), invocation)
      return Response.json(ANSWER)
    })
    assert.deepEqual(await host.invoke('/invite/example.com/bob%2Fb', invocation, OPTIONS), {
      kind: 'answer',
      answer: ANSWER,
    })
  })

  const replies: [string, () => Response, string][] = [
    ['HTML', () => new Response('<p>', { headers: { 'content-type': 'text/html' } }), 'handler.invalid_answer'],
    [
      'garbage',
      () => new Response('{"actions":', { headers: { 'content-type': 'application/json' } }),
      'handler.invalid_answer',
    ],
    ['an empty body', () => new Response(null), 'handler.invalid_answer'],
    ['500 without JSON', () => new Response('oops', { status: 500 }), 'handler.status'],
    ['404', () => new Response('404 Not Found', { status: 404 }), 'handler.refused'],
    ['302', () => new Response(null, { status: 302, headers: { location: '/x' } }), 'handler.refused'],
  ]
  for (const [title, respond, code] of replies) {
    test(`${title} is ${code}`, async () => {
      const reply = await answering(respond).invoke('/x', invocationOf(), OPTIONS)
      assert.equal(reply.kind === 'problem' && reply.problem.code, code)
    })
  }

  test('204 is not mine', async () => {
    const reply = await answering(() => new Response(null, { status: 204 })).invoke('/x', invocationOf(), OPTIONS)
    assert.deepEqual(reply, { kind: 'none' })
  })

  test('the request is aborted with the signal', async () => {
    const cancel = new AbortController()
    let aborted = false
    const host = answering((request) => {
      request.signal.addEventListener('abort', () => {
        aborted = true
      })
      cancel.abort()
      return new Promise(() => undefined)
    })
    const reply = await host.invoke('/x', invocationOf(), { signal: cancel.signal, timeoutMs: 1000 })
    assert.equal(reply.kind === 'problem' && reply.problem.code, 'transaction.gone')
    assert.ok(aborted)
  })
})

test('the app gets its environment, as it does elsewhere', async () => {
  const env = { REGION: 'eu' }
  const given: unknown[] = []
  const fetch: FunctionApp['fetch'] = (_request, env) => {
    given.push(env)
    return new Response(null, { status: 204 })
  }
  const dispatch: FunctionApp['dispatch'] = async (_path, _invocation, options) => {
    given.push(options?.env)
    return { status: 204 }
  }
  for (const app of [{ fetch }, { fetch, dispatch }]) {
    await createInProcessHost(app, new FakeClock(), env).invoke('/x', invocationOf(), OPTIONS)
  }
  // Nothing has to be signed in process: whoever is asked by `fetch` is told so.
  assert.deepEqual(given, [{ ...env, FUNCTIONS_UNSIGNED: 'loopback' }, env])
})

describe('loadApp', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rouse-app-'))
  })
  after(() => rm(folder, { recursive: true }))

  async function loaded(name: string, source: string): Promise<string> {
    await writeFile(join(folder, name), source)
    const read = await loadApp(join(folder, name))
    return read.ok ? 'ok' : read.message
  }

  test('takes a default export with fetch', async () => {
    assert.equal(await loaded('good.mjs', 'export default { fetch() {} }'), 'ok')
  })

  test('says in a sentence what is wrong', async () => {
    const missing = await loadApp(join(folder, 'missing.mjs'))
    assert.match(missing.ok ? '' : missing.message, /^FUNCTIONS: .*missing\.mjs does not exist; name the module/)
    assert.match(await loaded('none.mjs', 'export const a = 1'), /has no default export; end it with/)
    assert.match(await loaded('shape.mjs', 'export default 7'), /expected to have a function `fetch`.*got number/)
    assert.match(await loaded('odd.mjs', 'export default { fetch() {}, dispatch: 1 }'), /expected to have/)
    assert.match(
      await loaded('throws.mjs', 'throw new Error("no database")'),
      /could not be loaded: Error: no database/,
    )
    assert.match(await loaded('syntax.mjs', 'export default {'), /could not be loaded: SyntaxError/)
    assert.match(await loaded('import.mjs', 'import "./nowhere.mjs"'), /could not be loaded: .*nowhere/)
  })
})
