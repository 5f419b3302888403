import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Manifest } from '../../../functions/contract/envelope.ts'
import type { Result } from '../../../functions/contract/problem.ts'
import { createInProcessHost } from '../../../gateway/invocation/in-process.ts'
import { createManifest } from '../../../gateway/invocation/invoker-manifest.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { Witness } from './functions.ts'

const MANIFEST: Manifest = {
  contract: 1,
  routes: [{ method: 'INVITE', path: '/:domain/:user' }],
  handlers: ['late-fork'],
  wants: ['transaction.cancelled'],
}
const AWAY: Result<Manifest> = { ok: false, problem: { code: 'handler.unreachable', detail: 'ECONNREFUSED' } }

function cached(...reads: Result<Manifest>[]) {
  const clock = new FakeClock()
  const witness = new Witness()
  const askedAt: number[] = []
  const host = {
    manifest: () => {
      askedAt.push(clock.now())
      return Promise.resolve(reads[Math.min(askedAt.length, reads.length) - 1]!)
    },
  }
  return { clock, witness, askedAt, cache: createManifest({ host, clock, count: witness.count, log: witness.log }) }
}

test('until the manifest is known every method has a route and no handler is denied', async () => {
  const { cache } = cached(AWAY)
  await cache.start()
  assert.equal(cache.routes('REGISTER'), true)
  assert.equal(cache.hasHandler('late-fork'), undefined)
  assert.equal(cache.wantsCancelled, false)
  cache.stop()
})

test('once it is known only its methods and handlers count', async () => {
  const { cache } = cached({ ok: true, value: MANIFEST })
  await cache.start()
  assert.deepEqual([cache.routes('INVITE'), cache.routes('REGISTER')], [true, false])
  assert.deepEqual([cache.hasHandler('late-fork'), cache.hasHandler('other')], [true, false])
  assert.equal(cache.wantsCancelled, true)
  cache.stop()
})

test('a route for * serves every method, and methods are compared in upper case', async () => {
  const value: Manifest = { contract: 1, routes: [{ method: 'message', path: '/a' }], handlers: [] }
  const { cache } = cached({ ok: true, value })
  await cache.start()
  assert.deepEqual([cache.routes('MESSAGE'), cache.routes('INVITE')], [true, false])
  cache.stop()
  const star = cached({ ok: true, value: { ...value, routes: [{ method: '*', path: '/a' }] } })
  await star.cache.start()
  assert.equal(star.cache.routes('REGISTER'), true)
  star.cache.stop()
})

test('a function that is not up yet is asked again, less and less often, then every 30 s', async () => {
  const { cache, clock, askedAt, witness } = cached(AWAY, AWAY, AWAY, { ok: true, value: MANIFEST })
  await cache.start()
  await clock.advance(70_000)
  assert.deepEqual(askedAt, [0, 1000, 3000, 7000, 37_000, 67_000])
  assert.deepEqual(
    witness.lines.map(({ level, message }) => [level, message]),
    [
      ['warn', 'no manifest yet, every method goes to the function'],
      ['info', 'manifest read'],
    ],
  )
  cache.stop()
  assert.equal(clock.pending, 0)
})

test('a manifest that changes is taken over; a function that is away for a while keeps its last one', async () => {
  const next: Manifest = { contract: 1, routes: [{ method: 'REGISTER', path: '/*' }], handlers: [] }
  const { cache, clock, witness } = cached({ ok: true, value: MANIFEST }, { ok: true, value: next }, AWAY)
  await cache.start()
  await clock.advance(30_000)
  assert.deepEqual([cache.routes('INVITE'), cache.routes('REGISTER')], [false, true])
  await clock.advance(90_000)
  assert.deepEqual([cache.routes('INVITE'), cache.routes('REGISTER')], [false, true])
  assert.equal(witness.lines.filter(({ level }) => level === 'warn').length, 1)
  assert.equal(witness.counts.get('manifest_failed'), 3)
  cache.stop()
})

test('a manifest that comes after stop is dropped and sets no timer', async () => {
  const { cache, clock } = cached({ ok: true, value: MANIFEST })
  const started = cache.start()
  cache.stop()
  await started
  assert.equal(cache.current, undefined)
  assert.equal(clock.pending, 0)
})

test('in process: read over fetch; none, broken, of another contract, and never answered', async () => {
  const clock = new FakeClock()
  const read = (response: Response | Promise<Response>) =>
    createInProcessHost({ fetch: () => response }, clock).manifest()
  const code = async (response: Response) => {
    const result = await read(response)
    return result.ok ? 'ok' : result.problem.code
  }
  assert.deepEqual(await read(Response.json(MANIFEST)), { ok: true, value: MANIFEST })
  assert.equal(await code(new Response('404 Not Found', { status: 404 })), 'not_found')
  assert.equal(await code(Response.json({ ...MANIFEST, contract: 2 })), 'handler.invalid_answer')
  assert.equal(await code(Response.json({ ...MANIFEST, routes: 7 })), 'handler.invalid_answer')
  assert.equal(await code(new Response(null, { status: 204 })), 'handler.invalid_answer')
  const never = read(new Promise(() => undefined))
  await clock.advance(5000)
  const result = await never
  assert.equal(result.ok ? 'ok' : result.problem.code, 'handler.timeout')
  assert.equal(clock.pending, 0)
})

test('budgets: the first route that matches says it, bounded by the gateway; handlers have their own', async () => {
  const value: Manifest = {
    contract: 1,
    routes: [
      { method: 'INVITE', path: '/slow.example.com/:user', budget: '4s' },
      { method: 'INVITE', path: '/:domain/:user{fax|voice}', budget: 20_000 },
      { method: '*', path: '/:domain/carol', budget: '800ms' },
      { method: 'INVITE', path: '*' },
    ],
    handlers: ['late-fork', 'screen this'],
    handlerBudgets: { 'screen this': '6s' },
  }
  const { cache, witness } = cached({ ok: true, value })
  assert.equal(cache.budgetMs('/invite/slow.example.com/bob'), undefined)
  await cache.start()
  for (const [path, expected] of [
    ['/invite/slow.example.com/carol', 4000],
    ['/invite/other.example.com/fax', 10_000],
    ['/message/other.example.com/carol', 800],
    ['/invite/other.example.com/carol%20b', undefined],
    ['/invite/other.example.com/bob', undefined],
    ['/message/other.example.com/bob', undefined],
    ['/on/screen%20this', 6000],
    ['/on/late-fork', undefined],
  ] as const)
    assert.equal(cache.budgetMs(path), expected, path)
  const [cut] = witness.lines.filter(({ level }) => level === 'warn')
  assert.match(cut!.message, /FUNCTIONS_BUDGET_MAX/)
  assert.deepEqual(cut!.fields, { cut: ['INVITE /:domain/:user{fax|voice}'], maxBudgetMs: 10_000 })
  cache.stop()
})

test('budgets: a manifest that declares none costs no comparison, one whose path cannot be read loses its budgets only', async () => {
  const plain = cached({ ok: true, value: MANIFEST })
  await plain.cache.start()
  assert.equal(plain.cache.budgetMs('/invite/example.com/bob'), undefined)
  plain.cache.stop()
  const routes = [{ method: 'INVITE', path: '/:domain/fax-:user', budget: '4s' }]
  const odd = cached({ ok: true, value: { ...MANIFEST, routes } })
  await odd.cache.start()
  assert.deepEqual([odd.cache.routes('INVITE'), odd.cache.budgetMs('/invite/a/fax-b')], [true, undefined])
  assert.match(String(odd.witness.lines[0]!.fields.error), /would never match/)
  odd.cache.stop()
})

test('budgets: out of bounds, the manifest is refused with the place', async () => {
  for (const budget of ['99ms', '31s', 'soon', -1]) {
    const host = createInProcessHost(
      { fetch: () => Response.json({ ...MANIFEST, routes: [{ method: 'INVITE', path: '*', budget }] }) },
      new FakeClock(),
    )
    const read = await host.manifest()
    assert.ok(!read.ok)
    assert.equal(read.problem.pointer, '/routes/0/budget')
    assert.match(read.problem.detail, /routes\[0\]\.budget: expected .*from 100ms to 30s/)
  }
})
