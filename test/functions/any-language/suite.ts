import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Manifest } from '../../../functions/contract/envelope.ts'
import { createSigner } from '../../../functions/contract/sign.ts'
import { fault } from '../contract/judge.ts'
import { BOB_PHONE, BOB_TABLET, invocation } from '../invocations.ts'
import { assertProblem, Caller, only } from './caller.ts'

const AOR = 'sip:bob@example.com'
const ROUTE = '/invite/example.com/bob'
const WAITING = '/invite/example.com/*43bob'
const CURRENT = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const PREVIOUS = 'whsec_b2xkIGtleSwgc3RpbGwgZ29vZCBmb3IgYSB3aGlsZQ=='
const STRANGE = 'whsec_c29tZWJvZHkgZWxzZSdzIGtleSwgbm90IG91cnM='

/** A function that listens at a URL. */
export interface Served {
  url: string
  stop(): Promise<void>
}

/**
 * What a function in any language has to do. The function is a small app: INVITE to anybody subscribes `late-fork` to `contact.registered` of
 * the callee for 30 s, pushes, forks to the contacts, and halts for 30 s when one of them can be pushed, or there is none; `late-fork` forks
 * to the contact that has registered. INVITE to `*43bob` waits for a phone of bob's, pushes, and forks to it, or replies 480.
 * @param serve starts it; WEBHOOK_SECRET is in `env`. Rejects with what it has written when it ends at once
 */
export function anyLanguageSuite(serve: (env: Record<string, string>) => Promise<Served>): void {
  test('without a secret, or with one that can be guessed, it does not start, and says which setting is wrong', async () => {
    for (const WEBHOOK_SECRET of ['', 'whsec_c2VjcmV0', 'hunter2']) {
      await assert.rejects(serve({ WEBHOOK_SECRET, FUNCTIONS_UNSIGNED: '' }), /secret: expected /i)
    }
  })

  let served: Served
  let gateway: Caller
  before(async () => {
    served = await serve({ WEBHOOK_SECRET: `${CURRENT} ${PREVIOUS}` })
    gateway = new Caller(served.url, CURRENT)
  })
  after(() => served?.stop())

  const called = { data: { contacts: [BOB_PHONE, BOB_TABLET] } }
  const registered = {
    id: 'event-1',
    type: 'contact.registered',
    time: '2026-01-05T10:00:05.000Z',
    attributes: { aor: AOR, contact: BOB_TABLET.uri, instance: 'x', kind: 'new', expires: '300', gateway: 'gw' },
  }
  const waiting = { request: { uri: 'sip:*43bob@example.com', aor: 'sip:*43bob@example.com' } }

  test('the manifest says what it serves', async () => {
    const { status, type, body } = await gateway.manifest()
    assert.deepEqual([status, fault('Manifest', body)], [200, undefined])
    assert.match(type, /^application\/json/)
    const { routes, handlers } = body as Manifest
    assert.deepEqual([[...new Set(routes.map(({ method }) => method))], handlers], [['INVITE'], ['late-fork']])
  })

  test('a request is answered with actions, in order: what wakes the phone after what waits for it', async () => {
    const { actions } = await gateway.answer(ROUTE, invocation(called))
    assert.deepEqual(
      actions.map(({ action }) => action),
      ['subscribe', 'push', 'fork', 'halt'],
    )
    const { event, filter, handler } = only(actions, 'subscribe')
    assert.deepEqual(
      { event, filter, handler },
      { event: 'contact.registered', filter: { aor: AOR }, handler: 'late-fork' },
    )
    assert.equal(only(actions, 'push').aor, AOR)
    assert.deepEqual(only(actions, 'fork').targets, [
      { uri: BOB_PHONE.uri, q: 1 },
      { uri: BOB_TABLET.uri, q: 0.5 },
    ])
  })

  test('a named handler gets the event', async () => {
    const { actions } = await gateway.answer(
      '/on/late-fork',
      invocation({ type: 'subscription.matched', data: { event: registered } }),
    )
    assert.deepEqual(only(actions, 'fork').targets, [BOB_TABLET.uri])
  })

  test('a call waits, and goes on where it was when the event comes: the context is all that leads there', async () => {
    const { actions, context } = await gateway.answer(WAITING, invocation(waiting))
    const { name, any } = only(actions, 'wait')
    assert.deepEqual(any, [{ event: 'contact.registered', filter: { aor: AOR } }])
    assert.equal(only(actions, 'push').aor, AOR)
    const data = { context, wait: { name, timedOut: false, event: registered } }
    const resumed = await gateway.answer(WAITING, invocation({ ...waiting, id: 'inv-2', type: 'wait.resumed', data }))
    assert.deepEqual(resumed.actions, [{ action: 'fork', targets: [{ uri: BOB_TABLET.uri, aor: AOR }] }])
  })

  test('a call waits in vain', async () => {
    const { actions, context } = await gateway.answer(WAITING, invocation(waiting))
    const data = { context, wait: { name: only(actions, 'wait').name, timedOut: true } }
    const late = await gateway.answer(WAITING, invocation({ ...waiting, id: 'inv-2', type: 'wait.timed_out', data }))
    assert.deepEqual(late.actions, [{ action: 'reply', status: 480 }])
  })

  test('a context that does not lead to the wait: 409 replay.diverged', async () => {
    const data = { context: { of: 'somebody else' }, wait: { name: 'never-armed', timedOut: true } }
    const reply = await gateway.invoke(WAITING, invocation({ ...waiting, type: 'wait.timed_out', data }))
    assertProblem(reply, 409, 'replay.diverged')
  })

  test('the second try of an invocation is answered as the first was', async () => {
    const first = await gateway.invoke(ROUTE, invocation(called))
    const second = await gateway.invoke(ROUTE, invocation({ data: { ...called.data, attempt: 2 } }))
    assert.deepEqual(second.body, first.body)
  })

  test('the path is a routing key, escaped: whom it is for is in the body', async () => {
    const request = { uri: 'sip:a%2Fb@example.com', aor: 'sip:a%2Fb@example.com' }
    const { actions } = await gateway.answer('/invite/example.com/a%2Fb', invocation({ request }))
    assert.equal(only(actions, 'push').aor, request.aor)
  })

  test('the path that is signed counts, wherever the invocation was sent', async () => {
    const strayed = await gateway.answer('/on/late-fork', invocation({ data: { ...called.data, path: ROUTE } }))
    assert.equal(only(strayed.actions, 'push').aor, AOR)
  })

  test('unknown fields are ignored', async () => {
    const known = invocation(called)
    const more = { ...known, extension: 1, data: { ...known.data, weather: { is: 'fine' } } }
    assert.deepEqual((await gateway.send(ROUTE, JSON.stringify(more))).body, (await gateway.invoke(ROUTE, known)).body)
  })

  test('what it has no route for is not its own: 204, without a body', async () => {
    for (const path of ['/message/example.com/bob', '/options/example.com/-']) {
      assert.deepEqual([path, (await gateway.invoke(path, invocation())).status], [path, 204])
    }
  })

  test('a cancelled transaction, of which it does not want to hear, is 204', async () => {
    assert.equal((await gateway.invoke(ROUTE, invocation({ type: 'transaction.cancelled' }))).status, 204)
  })

  test('no such handler: 404 handler.unknown', async () => {
    const event = { type: 'subscription.matched', data: { event: registered } } as const
    assertProblem(await gateway.invoke('/on/nobody', invocation(event)), 404, 'handler.unknown')
  })

  test('what is no invocation of this contract: 400 request.invalid', async () => {
    const { data, ...envelope } = invocation()
    const bodies = [
      { ...envelope, data: { ...data, contract: 2 } },
      { ...envelope, type: 'sip.response', data },
      envelope,
      [],
    ]
    for (const body of ['INVITE', ...bodies.map((each) => JSON.stringify(each))]) {
      assertProblem(await gateway.send(ROUTE, body), 400, 'request.invalid')
    }
  })

  test('either of two live keys is good, and one of several signatures is enough', async () => {
    const body = JSON.stringify(invocation())
    assert.equal((await gateway.send(ROUTE, body, 'msg-previous', PREVIOUS)).status, 200)
    assert.equal((await gateway.send(ROUTE, body, 'msg-two-keys', `${STRANGE} ${CURRENT}`)).status, 200)
  })

  test('a strange key, an old message, one from the future, another body, no signature: 401 request.unauthorized, for routes as for calls', async () => {
    const body = JSON.stringify(invocation())
    const now = Date.now()
    const strange = [
      await gateway.send(ROUTE, body, 'inv-1', STRANGE),
      await gateway.send(ROUTE, body, 'inv-1', CURRENT, now - 400_000),
      await gateway.send(ROUTE, body, 'inv-1', CURRENT, now + 400_000),
      await gateway.raw(ROUTE, body, {}),
      await gateway.raw(ROUTE, body, { 'webhook-id': 'a', 'webhook-timestamp': 'now', 'webhook-signature': 'v1,AAAA' }),
    ]
    strange.push(await gateway.manifest({}))
    for (const reply of strange) assertProblem(reply, 401, 'request.unauthorized')
  })

  test('the same message again: 409 request.replayed; the second try under its id is another one', async () => {
    const tries = [1, 2].map((attempt) => JSON.stringify(invocation({ data: { attempt } })))
    const now = Date.now()
    const signer = createSigner(CURRENT)
    const [first, second] = await Promise.all(tries.map((body) => signer.sign('msg-again', body, now)))
    assert.equal((await gateway.raw(ROUTE, tries[0]!, { ...first })).status, 200)
    assertProblem(await gateway.raw(ROUTE, tries[0]!, { ...first }), 409, 'request.replayed')
    assert.equal((await gateway.raw(ROUTE, tries[1]!, { ...second })).status, 200)
    assertProblem(await gateway.raw(ROUTE, tries[1]!, { ...second }), 409, 'request.replayed')
  })

  test('a name that is not ASCII is signed and read as UTF-8', async () => {
    const request = { uri: 'sip:jö@example.com', aor: 'sip:jö@example.com' }
    const { actions } = await gateway.answer('/invite/example.com/j%C3%B6', invocation({ request }))
    assert.equal(only(actions, 'push').aor, request.aor)
  })
}
