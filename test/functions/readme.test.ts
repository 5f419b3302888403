import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LambdaContext } from 'hono/aws-lambda'
import { createSigner } from '../../functions/contract/sign.ts'
import type { LambdaHandler } from '../../functions/entry/lambda.ts'
import type { Push, PushApp } from '../../functions/push/index.ts'
import type { SipRouter } from '../../functions/sdk/index.ts'
import { redisSubject } from '../conformance/redis-subject.ts'
import { positionNow, subscribe, subscription } from '../conformance/subject.ts'
import { absent } from '../peers.ts'
import { lambdaEvent } from '../runtimes/lambda/events.ts'
import { readmeExample, withEnvironment } from '../support/readme-example.ts'
import { startRedisRest } from '../support/redis-rest.ts'
import { BOB_PHONE, BOB_TABLET, event, invocation, outcome } from './invocations.ts'
import { byDispatch, Session } from './session.ts'

const example = (room: string, name: string) => readmeExample(`functions/${room}/README.md`, name)

async function router(name: string): Promise<SipRouter> {
  return (await example('sdk', name)).default as SipRouter
}

const REDIS_PORT = 27_212
const AOR = 'sip:bob@example.com'

describe('the examples of functions/sdk/README.md', () => {
  test('first: ring, push and wait, fork late', async () => {
    const s = new Session(byDispatch(await router('first')))
    const names = (actions: { action: string }[]) => actions.map(({ action }) => action)
    assert.deepEqual(names(await s.start()), ['fork', 'wait'])
    assert.deepEqual(names(await s.resume('ring-1', outcome('ring-1', false, 486))), ['wait', 'push'])
    assert.deepEqual(await s.resume('wait-2', event('contact.registered', { contact: BOB_PHONE.uri })), [
      { action: 'fork', targets: [BOB_PHONE.uri] },
    ])
  })

  test('reactions: by a handler, and without any invocation', async () => {
    const sip = await router('reactions')
    const fax = new Session(byDispatch(sip))
    assert.deepEqual(
      (await fax.start({}, '/invite/fax.example.com/bob')).map(({ action }) => action),
      ['subscribe', 'fork'],
    )
    assert.deepEqual(await fax.fire('screen', 'dtmf', { digit: '3' }), [{ action: 'hangup', reason: 'fax' }])
    assert.deepEqual(await fax.fire('screen', 'dtmf', { digit: '2' }), [])
    const [subscribe, ...others] = await new Session(byDispatch(sip)).start()
    assert.deepEqual(subscribe, {
      action: 'subscribe',
      event: 'contact.registered',
      filter: { aor: AOR },
      actions: [{ action: 'fork', targets: [{ fromEvent: 'contact' }] }],
      for: '30s',
    })
    assert.deepEqual(
      others.map(({ action }) => action),
      ['push', 'fork', 'halt'],
    )
  })

  test('media: relayed, with and without options', async () => {
    const sip = await router('media')
    const fax = new Session(byDispatch(sip))
    const [, fork] = await fax.start({}, '/invite/fax.example.com/bob')
    assert.ok(fork?.action === 'fork')
    assert.equal(fork.media, 'rtpengine')
    assert.deepEqual(await fax.fire('screen', 'dtmf', { digit: '3' }), [{ action: 'hangup', reason: 'fax' }])
    const [other] = await new Session(byDispatch(sip)).start()
    assert.ok(other?.action === 'fork')
    assert.deepEqual(other.media, { engine: 'rtpengine', ifAway: 'pass', ice: 'remove' })
  })

  test('cached: the answer may be given again, and its route has a budget of its own', async () => {
    const sip = await router('cached')
    assert.deepEqual(sip.manifest().routes, [{ method: 'INVITE', path: '/shop.example.com/:user', budget: '4s' }])
    const { status, body } = await sip.dispatch('/invite/shop.example.com/bob', invocation())
    assert.equal(status, 200)
    const { actions, ...rest } = body as { actions: { action: string }[] }
    assert.deepEqual(rest, { cacheFor: '30s', staleIfError: '10m', cacheScope: 'public' })
    assert.deepEqual(
      actions.map(({ action }) => action),
      ['fork'],
    )
  })

  test('run: the blocklist is asked once; whoever comes first; only one’s own name may be registered', async () => {
    const sip = await router('run')
    let asked = 0
    const env = {
      blocklist: async () => {
        asked++
        return ['sip:eve@example.com']
      },
      passwords: {},
    }
    const s = new Session((path, invoked) => sip.dispatch(path, invoked, { env }))
    assert.deepEqual(
      (await s.start()).map(({ action }) => action),
      ['fork', 'wait', 'wait'],
    )
    const actions = await s.resume('wait-3', event('pickup', { contact: 'sip:carol@192.0.2.5' }))
    assert.deepEqual(actions, [
      { action: 'cancel', reason: 'Picked up' },
      { action: 'fork', targets: ['sip:carol@192.0.2.5'] },
      { action: 'unsubscribe', name: 'ring-2' },
    ])
    assert.equal(asked, 1)
    const eve = await new Session((path, invoked) => sip.dispatch(path, invoked, { env })).start({
      request: { from: '<sip:eve@example.com>;tag=1' },
      transaction: { id: 'tx-2' },
    })
    assert.deepEqual(eve, [{ action: 'reply', status: 603 }])
    const register = await sip.dispatch('/register/example.com/bob', invocation({ request: { method: 'REGISTER' } }), {
      env,
    })
    assert.deepEqual(register.body, { actions: [{ action: 'challenge', realm: 'example.com', proxy: false }] })
  })
})

test('the example of functions/sdk/README.md, patched: new calls are annotated, and the time a phone took is known', async () => {
  const s = new Session(byDispatch(await router('patched')))
  const [annotate, ...others] = await s.start()
  assert.match(JSON.stringify(annotate), /"ticket":"[0-9a-f-]{36}"/)
  assert.deepEqual(
    others.map(({ action }) => action),
    ['wait', 'push'],
  )
  const woken = event('contact.registered', { contact: BOB_PHONE.uri })
  assert.deepEqual(await s.resume('wait-1', woken, { time: '2026-01-05T10:00:04.000Z' }), [
    { action: 'annotate', values: { wokeAfterMs: '4000' } },
    { action: 'fork', targets: [BOB_PHONE.uri] },
  ])
})

test('the example of functions/contract/README.md', async () => {
  const { problem, reaction, verified } = (await example('contract', 'contract')) as Record<string, unknown>
  assert.deepEqual(problem, {
    code: 'handler.invalid_answer',
    detail: 'actions[0].headers.set: "Via" belongs to the gateway',
    pointer: '/actions/0/headers/set/Via',
  })
  assert.deepEqual(reaction, { ok: true, value: [{ action: 'fork', targets: ['sip:bob@192.0.2.7'] }] })
  assert.equal((verified as { value: { id: string } }).value.id, 'msg-1')
})

test('the examples of functions/entry/README.md: an app that rings the desk too; a handler that takes events', async () => {
  const environment = { WEBHOOK_SECRET: '' }
  const { default: app } = await withEnvironment(environment, () => example('entry', 'app'))
  const s = new Session(byDispatch(app as SipRouter))
  assert.deepEqual(await s.start(), [{ action: 'lookup', name: 'lookup-1', aor: 'sip:desk@example.com' }])
  const [fork] = await s.resume('lookup-1', { contacts: [BOB_TABLET] })
  assert.ok(fork?.action === 'fork' && fork.targets.length === 2)
  const { handler } = (await example('entry', 'lambda')) as { handler: LambdaHandler }
  const request = { method: 'GET', path: '/nowhere', query: '', headers: [], body: Buffer.alloc(0) }
  const context = { getRemainingTimeInMillis: () => 3000 } as LambdaContext
  const result = await handler(lambdaEvent('function-url', request) as never, context)
  assert.equal((result as { statusCode: number }).statusCode, 404)
})

test('the push functions of functions/push/README.md', async (t) => {
  t.mock.method(console, 'warn', () => {})
  const message = {
    id: 'p',
    aor: AOR,
    device: 'd',
    provider: 'fcm',
    prid: 'token-of-bob',
    param: '',
    purpose: 'call',
    ttlSeconds: 30,
  }
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const body = JSON.stringify(message)
  const send = async ({ fetch }: PushApp, env?: object) => {
    const headers = { ...(await createSigner(secret).sign(message.id, body, Date.now())) }
    return (await fetch(new Request('https://push.test/push', { method: 'POST', body, headers }), env)).json()
  }
  const vapid = {
    VAPID_PUBLIC_KEY: `B${'A'.repeat(86)}`,
    VAPID_PRIVATE_KEY: 'A'.repeat(43),
    VAPID_SUBJECT: 'mailto:operator@example.com',
  }
  const env = { WEBHOOK_SECRET: secret, ...vapid }
  const outcome = 'unsupported'
  const error = 'there is no provider for this pn-provider; there is one for webpush'
  const onNode = await withEnvironment(env, async () => (await example('push', 'function')).default as PushApp)
  assert.deepEqual(await send(onNode), { outcome, error })
  const onWorkers = (await example('push', 'worker')).default as PushApp
  assert.deepEqual(await send(onWorkers, env), { outcome, error })
})

test('the example of functions/push/README.md', async () => {
  const push = (await example('push', 'push')).push as Push
  const message = { id: 'p', aor: AOR, device: 'd', provider: 'pager', prid: 't', param: '' }
  const wakes = { ...message, purpose: 'call', ttlSeconds: 30 } as const
  assert.deepEqual(await push.send(wakes), { outcome: 'accepted' })
  assert.deepEqual(await push.send({ ...wakes, prid: '' }), { outcome: 'token_invalid' })
})

test('the example of functions/README.md: a webhook raises an event; what is no event is the caller’s fault', {
  skip: absent('redis-server'),
}, async (t) => {
  const redis = await startRedisRest(REDIS_PORT)
  t.after(() => redis.stop())
  const { default: app } = await withEnvironment(redis.env, () => readmeExample('functions/README.md', 'publish'))
  const gateway = redisSubject(redis.redisUrl, { prefix: 'rouse' })
  t.after(() => gateway.close())
  const waits = subscription(gateway, 's1', 'payment.confirmed', { order: '17' })
  await subscribe(gateway, await positionNow(gateway), waits)
  const post = (body: object) =>
    (app as SipRouter['http']).request('/payments', { method: 'POST', body: JSON.stringify(body) })
  assert.deepEqual(await (await post({ id: 'evt_1', order: '17' })).json(), { matched: 1 })
  assert.deepEqual(await (await post({ id: 'evt_2', order: '18' })).json(), { matched: 0 })
  const refused = await post({ id: 'evt_3', order: 17 })
  assert.deepEqual([refused.status, await refused.text()], [400, 'attributes.order: expected a string, got 17'])
})
