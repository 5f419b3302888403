import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fork, fromEvent, type RouteHandler, SipRouter } from 'rouse'
import { simulate } from 'rouse/testing'

const BOB = 'sip:bob@example.com'
const DESK = 'sip:bob@192.0.2.7:5060'
const routed = (handler: RouteHandler<'/:domain/:user'>) => new SipRouter().invite('/:domain/:user', handler as never)
const waiting = routed(async (call) => void (await call.wait('paid', { order: '17' }, '10s')))

test('a handler that throws: the step rejects with its own error, at once and after a wait; the caller hears 503', async () => {
  const mine = new RangeError('mine')
  await assert.rejects(
    simulate(
      routed(() => {
        throw mine
      }),
    ).invite(BOB),
    (error) => error === mine,
  )
  const later = simulate(
    routed(async (call) => {
      await call.wait('paid', {}, '10s')
      throw mine
    }),
  )
  const call = await later.invite(BOB)
  await assert.rejects(call.event('paid'), (error) => error === mine)
  assert.equal(call.response, 503)
})

test('an answer that a gateway refuses: the pointer to the fault', async () => {
  const app = routed((call) => call.fork('sip:a@b', { headers: { set: { Via: 'x' } } }))
  await assert.rejects(simulate(app).invite(BOB), /"Via" belongs to the gateway \(at \/actions\/0\/headers\/set\/Via\)/)
})

test('a subscription to a handler that is not there says which there are', async () => {
  const app = routed((call) => call.subscribe('paid', {}, 'pay')).on('paid', () => {})
  await assert.rejects(simulate(app).invite(BOB), /no handler "pay"; it has paid/)
})

test('an event that nobody waits for tells what is waited for', async () => {
  const call = await simulate(waiting).invite(BOB)
  await assert.rejects(
    call.event('paid', { order: 18 }),
    /nobody waits for paid {"order":18}; the call waits for paid {"order":"17"} for 10s/,
  )
  await assert.rejects(call.event('contact.registered', { user: 'bob' } as never), /has no attribute "user"/)
  assert.equal(call.state, 'waiting')
  await call.event('paid', { order: 17 })
  assert.equal(call.state, 'ended')
  await assert.rejects(call.event('paid', { order: 17 }), /the call is ended and waits for nothing/)
})

test('a deadline, a phone, a caller or a talk that is not there', async () => {
  const call = await simulate(routed((call) => call.fork(DESK))).invite(BOB)
  await assert.rejects(call.timeout(), /nothing is waited for with a deadline; the call is ringing/)
  await assert.rejects(call.answers('sip:x@y'), /sip:x@y does not ring; ringing: sip:bob@192.0.2.7:5060/)
  await assert.rejects(call.fails(200), /expected a final status from 300 to 699, got 200/)
  await assert.rejects(call.hangsUp(), /nobody talks; the call is ringing/)
  await call.cancel()
  assert.equal(call.response, 487)
  await assert.rejects(call.cancel(), /his final response already, 487/)
  await assert.rejects(call.advance('soon'), /expected a duration such as "15s", got soon/)
})

test('what is called must be a URI', async () => {
  await assert.rejects(simulate(waiting).invite('bob'), /expected a URI such as sip:bob@example.com, got "bob"/)
  await assert.rejects(simulate(waiting, { contacts: { [BOB]: ['desk'] } }).invite(BOB), /got "desk"/)
})

test('what the request brings is what the handler sees', async () => {
  const app = new SipRouter<{ env: { tariff: string } }>().invite('/:domain/:user', (call) => {
    call.annotate({ from: call.from.aor, name: call.from.display, subject: call.header('subject') ?? '' })
    call.annotate({ body: call.body, tariff: call.env.tariff, time: call.time.toISOString() })
    call.reply(486)
  })
  const simulation = simulate(app, { env: { tariff: 'night' }, now: '2026-03-01T00:00:00Z' })
  const call = await simulation.invite(BOB, {
    from: '"Carol" <sip:carol@example.com>',
    headers: { Subject: 'hi' },
    body: 'sdp',
  })
  const expected = { from: 'sip:carol@example.com', name: 'Carol', subject: 'hi', body: 'sdp', tariff: 'night' }
  assert.deepEqual(call.annotations, { ...expected, time: '2026-03-01T00:00:00.000Z' })
})

test('a REGISTER of which no route is meant is served by a registrar', async () => {
  const app = routed((call) => call.fork(call.contacts)).register('/other.example/:user', (call) => call.reply(403))
  const simulation = simulate(app)
  for (const contact of [DESK, 'sip:tablet@192.0.2.9'])
    assert.equal((await simulation.register(BOB, { contact })).response, 200)
  const call = await simulation.invite(BOB)
  assert.equal(call.branches.length, 2)
})

test('REGISTER: challenged, refused with a wrong password, saved with the right one; then the phone rings', async () => {
  const app = routed((call) => call.fork(call.contacts)).register('/:domain/:user', async (call) => {
    const user = await call.authenticate({
      realm: call.domain,
      user: (name) => (name === 'bob' ? 'secret' : undefined),
    })
    if (user) call.save()
  })
  const simulation = simulate(app)
  assert.equal((await simulation.register(BOB)).response, 401)
  assert.equal((await simulation.register(BOB, { auth: { username: 'bob', password: 'wrong' } })).response, 401)
  const saved = await simulation.register(BOB, { auth: { username: 'bob', password: 'secret' }, contact: DESK })
  assert.deepEqual(saved.responses, [
    { status: 200, reason: 'OK', headers: [['Contact', `<${DESK}>;expires=3600`]], body: '' },
  ])
  const call = await simulation.invite(BOB)
  assert.deepEqual(
    call.branches.map(({ uri, state }) => [uri, state]),
    [[DESK, 'ringing']],
  )
})

test('a REGISTER that no route takes is served, and wakes who waits; an inline reaction is among the actions', async () => {
  const app = routed((call) => {
    call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))])
    call.halt('30s')
  })
  const simulation = simulate(app)
  const call = await simulation.invite(BOB)
  await simulation.register(BOB, { contact: DESK })
  assert.deepEqual(call.last, [{ action: 'fork', targets: [DESK] }])
  assert.equal(call.state, 'ringing')
})

test('a router that takes only what is signed is asked all the same', async () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const refusing = (call: { reply(status: number): unknown }) => void call.reply(486)
  const byOption = new SipRouter({ secret }).invite('/:domain/:user', refusing)
  const byEnvironment = routed(refusing)
  const env = { WEBHOOK_SECRET: secret }
  assert.equal((await simulate(byOption).invite(BOB)).response, 486)
  assert.equal((await simulate(byEnvironment, { env }).invite(BOB)).response, 486)
  const fetched = { fetch: (request: Request, given: unknown) => byEnvironment.fetch(request, given) }
  assert.equal((await simulate(fetched, { env }).invite(BOB)).response, 486)
})

test('an app in any language: only fetch, only JSON', async () => {
  const sip = routed((call) => call.reply(486))
  const call = await simulate({ fetch: (request, env) => sip.fetch(request, env) }).invite(BOB)
  assert.deepEqual(call.last, [{ action: 'reply', status: 486 }])
  const broken = simulate({ fetch: () => new Response('{"title":"oops"}', { status: 404 }) }).invite(BOB)
  await assert.rejects(broken, /\/invite\/example.com\/bob was answered with 404 oops/)
})

test('a billing system of the test: what it was asked, its refusal, and the end of the balance', async () => {
  const asked: unknown[] = []
  const app = routed(async (call) => {
    const auth = await call.authorize({ account: call.from.user, category: 'call' })
    if (!auth.authorized) return call.reply(auth.code, auth.reason)
    call.fork(DESK)
  })
  const refused = simulate(app, {
    authorize: (request) => {
      asked.push(request)
      return { authorized: false, code: 402, reason: 'Insufficient Credit' }
    },
  })
  const poor = await refused.invite(BOB, { from: 'sip:1001@example.com' })
  assert.deepEqual(asked, [{ account: '1001', category: 'call' }])
  assert.equal(poor.response, 402)

  const call = await simulate(app, { authorize: () => ({ authorized: true, maxDuration: 60 }) }).invite(BOB)
  await call.answers()
  await call.advance('59s')
  assert.equal(call.state, 'answered')
  await call.advance('1s')
  assert.equal(call.state, 'ended')
  assert.equal((await simulate(app).invite(BOB)).state, 'ringing')
})

test('a call that is over leaves its record: cdr.created, which another call may hear of', async () => {
  const records: unknown[] = []
  const app = new SipRouter()
  app.invite('/:domain/watch', (call) => {
    call.subscribe('cdr.created', { result: 'answered' }, 'record')
    call.halt('1h')
  })
  app.on('record', (_call, event) => void records.push([event.duration, event.setup, event.detail.annotations]))
  app.invite('/:domain/:user', (call) => {
    call.annotate({ customer: 'c-7' })
    call.fork(DESK)
  })
  const all = simulate(app)
  await all.invite('sip:watch@example.com')
  const call = await all.invite(BOB)
  await call.advance('2s')
  await call.answers()
  await call.advance('65s')
  await call.hangsUp()
  await (await all.invite(BOB)).cancel()
  assert.deepEqual(records, [[65, 2000, { customer: 'c-7' }]])
})
