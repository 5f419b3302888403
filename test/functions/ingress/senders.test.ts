import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSigner } from '../../../functions/contract/sign.ts'
import type { IngressOptions } from '../../../functions/ingress/ingress.ts'
import { invocationOf } from '../../gateway/invocation/functions.ts'
import { accepted, ingress, NOW, problemOf, SECRET, TOKEN } from './harness.ts'

const OTHER = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
const BODY = JSON.stringify({ type: 'pickup', attributes: { user: 'bob' } })
const TOKENS = [
  { setting: 'API_TOKEN', token: TOKEN },
  { setting: 'EVENTS_TOKEN', token: 'another-word' },
]

describe('without any token', () => {
  test('this machine is served by its own names only, in the gateway', async () => {
    const { post } = ingress()
    assert.equal((await post({ type: 'a' })).status, 202)
    for (const host of ['evil.example', '127.0.0.1.evil.example', '192.0.2.1']) {
      const response = await post({ type: 'a' }, {}, `//${host}/events`)
      assert.equal(response.status, 401, host)
    }
  })

  test('nobody is, at the edge, and the sentence names the settings', async () => {
    const response = await ingress({ withoutToken: 'nobody' }).post({ type: 'a' })
    assert.equal(response.status, 401)
    assert.match(String((await problemOf(response)).detail), /EVENTS_SECRET.*EVENTS_TOKEN/)
  })
})

describe('a bearer token (RFC 6750 2.1)', () => {
  test('opens when it is one of those that are set, and no other does', async () => {
    const { post, published } = ingress({ tokens: TOKENS })
    for (const authorization of [`Bearer ${TOKEN}`, `bearer ${TOKEN}`, 'Bearer another-word'])
      assert.equal((await post({ type: 'a' }, { authorization })).status, 202)
    assert.equal(published.length, 3)
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${TOKEN}x`,
      `Basic ${TOKEN}`,
      TOKEN,
      'Bearer another',
    ]) {
      const response = await post({ type: 'a' }, { authorization })
      assert.equal(response.status, 401, authorization)
      assert.equal(response.headers.get('www-authenticate'), 'Bearer')
      assert.match(String((await problemOf(response)).detail), /API_TOKEN or EVENTS_TOKEN/)
    }
    assert.equal(published.length, 3)
  })
})

test('nothing is read of who could have shown who he is without a body', async () => {
  const { post } = ingress({ tokens: TOKENS, secret: SECRET })
  let reads = 0
  const body = new ReadableStream({ pull: () => void reads++ }, { highWaterMark: 0 })
  assert.equal((await post(body)).status, 401)
  assert.equal(reads, 0)
})

describe('a signature (Standard Webhooks)', () => {
  function signedIngress(options: Partial<IngressOptions> = {}) {
    const made = ingress({ secret: SECRET, tokens: TOKENS.slice(0, 1), ...options })
    const signed = async (id: string, at = made.clock.now(), secret = SECRET, body = BODY) =>
      made.post(body, { ...(await createSigner(secret).sign(id, body, at)) })
    return { ...made, signed }
  }

  test('needs no token; the id of the message is that of the event', async () => {
    const { signed, published } = signedIngress()
    assert.deepEqual(await accepted(await signed('evt_1')), { id: 'evt_1', matched: 2 })
    assert.equal(published[0]!.id, 'evt_1')
  })

  test('another key, another body, another id, another time: 401, and a good token does not help', async () => {
    const { signed, post, published } = signedIngress()
    const good = { ...(await createSigner(SECRET).sign('evt_1', BODY, NOW)) }
    const authorization = `Bearer ${TOKEN}`
    assert.equal((await signed('evt_1', NOW, OTHER)).status, 401)
    assert.equal((await post(`${BODY} `, { ...good, authorization })).status, 401)
    assert.equal((await post(BODY, { ...good, 'webhook-id': 'evt_2' })).status, 401)
    assert.equal((await signed('evt_1', NOW - 301_000)).status, 401)
    assert.equal((await signed('evt_1', NOW + 301_000)).status, 401)
    assert.equal((await post(BODY)).status, 401)
    assert.deepEqual(published, [])
  })

  test('the token still does; without a secret a signature counts for nothing', async () => {
    assert.equal((await signedIngress().post(BODY, { authorization: `Bearer ${TOKEN}` })).status, 202)
    assert.equal((await signedIngress({ secret: undefined }).signed('evt_1')).status, 401)
  })

  test('either of two keys while they rotate', async () => {
    const { signed } = signedIngress({ secret: `${SECRET} ${OTHER}` })
    assert.equal((await signed('evt_1')).status, 202)
    assert.equal((await signed('evt_2', NOW, OTHER)).status, 202)
    assert.equal((await signed('evt_3', NOW, `${OTHER} ${SECRET}`)).status, 202)
  })

  test('the same id again raises nothing and is answered as the first time, also when both come at once', async () => {
    const { signed, published, clock } = signedIngress()
    const answers = await Promise.all([signed('evt_1'), signed('evt_1')])
    clock.advanceSync(200_000)
    answers.push(await signed('evt_1', NOW), await signed('evt_1'))
    for (const answer of answers) assert.deepEqual(await accepted(answer), { id: 'evt_1', matched: 2 })
    assert.equal(published.length, 1)
  })

  test('beyond the tolerance a replay is refused', async () => {
    const { signed, published, clock } = signedIngress()
    await signed('evt_1', NOW)
    clock.advanceSync(301_000)
    assert.equal((await signed('evt_1', NOW)).status, 401)
    assert.equal(published.length, 1)
  })

  test('an event that could not be stored is tried again under its id', async () => {
    let isAway = true
    const publish = async () => {
      if (isAway) throw new Error('away')
      return 1
    }
    const { signed } = signedIngress({ publish })
    assert.equal((await signed('evt_1')).status, 503)
    isAway = false
    assert.deepEqual(await accepted(await signed('evt_1')), { id: 'evt_1', matched: 1 })
  })

  test('an id that no event may have is refused, though it is signed', async () => {
    const { signed, published } = signedIngress()
    const response = await signed('x'.repeat(257))
    assert.equal(response.status, 400)
    assert.match(String((await problemOf(response)).detail), /^webhook-id: /)
    assert.deepEqual(published, [])
  })

  test('what the gateway itself signs for functions is no event', async () => {
    const { signed, published } = signedIngress()
    assert.equal((await signed('inv1', NOW, SECRET, JSON.stringify(invocationOf()))).status, 400)
    assert.equal((await signed('read-1', NOW, SECRET, '')).status, 400)
    assert.deepEqual(published, [])
  })
})
