import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Hono } from 'hono'
import { serveSubscriptions } from '../../../gateway/api/subscriptions.ts'
import { settled } from '../../support/fake-clock.ts'
import { Scene, SECRET } from '../outbox/scene.ts'

async function scene({ allowsHttp = false } = {}) {
  const s = new Scene()
  const outbox = await s.outbox()
  const app = new Hono()
  serveSubscriptions(app, { book: outbox.book, kinds: outbox.kinds, allowsHttp }, s.clock)
  const ask = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const init = {
      method,
      headers: { 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }
    const response = await app.request(path, init)
    await settled(20)
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  const create = async (body: object) => (await ask('POST', '/subscriptions', { url: 'https://x.test/', ...body })).body
  return { s, outbox, ask, create }
}

describe('/subscriptions', () => {
  test('one is made, with a secret that is shown once, listed, read and deleted', async () => {
    const { s, ask, create } = await scene()
    const { id, secret, ...made } = await create({ type: 'call.*', filter: { to: 'sip:bob@x' } })
    assert.equal(secret, SECRET)
    const createdAt = new Date(s.clock.now()).toISOString()
    assert.deepEqual(made, {
      type: 'call.*',
      filter: { to: 'sip:bob@x' },
      url: 'https://x.test/',
      state: 'active',
      createdAt,
    })
    assert.deepEqual((await ask('GET', `/subscriptions/${id}`)).body, { id, ...made })
    assert.deepEqual((await ask('GET', '/subscriptions')).body, { subscriptions: [{ id, ...made }] })
    assert.equal((await ask('DELETE', `/subscriptions/${id}`)).status, 204)
    assert.equal((await ask('DELETE', `/subscriptions/${id}`)).status, 404)
    assert.equal((await ask('GET', `/subscriptions/${id}`)).status, 404)
  })

  for (const [what, body, pointer, detail] of [
    ['no type', {}, '/type', /type: is missing/],
    ['a type that is none', { type: 'a b' }, '/type', /type: /],
    [
      'an attribute that the event does not have',
      { type: 'dtmf', filter: { aor: 'x' } },
      '/filter/aor',
      /dtmf has no attribute "aor"/,
    ],
    ['an empty value', { type: 'x', filter: { a: '' } }, '/filter/a', /filter\.a/],
    [
      'two targets',
      { type: 'x', sns: { topicArn: 'arn:aws:sns:eu-west-1:123456789012:t' } },
      '',
      /one of url, amqp and sns, got several/,
    ],
    ['no target', { type: 'x', url: undefined }, '', /one of url, amqp and sns, got none/],
    ['a target without its setting', { type: 'x', url: undefined, amqp: {} }, '/amqp', /no setting/],
    ['no TLS', { type: 'x', url: 'http://x.test' }, '/url', /https:\/\/, or SUBSCRIPTION_NETWORKS/],
    ['another protocol', { type: 'x', url: 'file:///etc/passwd' }, '/url', /expected https:\/\/$/],
    ['credentials', { type: 'x', url: 'https://a:b@x.test' }, '/url', /no credentials/],
    ['a short secret', { type: 'x', secret: 'whsec_abc' }, '/secret', /whsec_/],
    ['a time that is over', { type: 'x', expires: '1969-01-01T00:00:00Z' }, '/expires', /a time to come/],
    ['an unknown field', { type: 'x', retries: 3 }, '/retries', /retries: is no field/],
    ['events of the outbox', { type: 'outbox.*' }, '/type', /own/],
  ] as const) {
    test(`${what}: a problem with a pointer`, async () => {
      const { ask } = await scene()
      const answer = await ask('POST', '/subscriptions', { url: 'https://x.test', ...body })
      assert.equal(answer.status, 400)
      assert.equal(answer.body.pointer, pointer)
      assert.match(answer.body.detail, detail)
    })
  }

  test('a web page cannot make one: its body has to be JSON, and say so', async () => {
    const { ask } = await scene()
    const body = { type: 'x', url: 'https://x.test' }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', ''])
      assert.equal((await ask('POST', '/subscriptions', body, type)).status, 400)
    assert.equal((await ask('POST', '/subscriptions', undefined)).status, 400)
  })

  test('without TLS it may go where the operator has allowed it', async () => {
    const { create } = await scene({ allowsHttp: true })
    assert.equal((await create({ type: 'x', url: 'http://hooks.internal' })).state, 'active')
  })

  test('it is paused and resumed, its secret replaced, and a test sent', async () => {
    const { s, ask, create } = await scene()
    const { id } = await create({ type: ['a', 'b'], secret: `whsec_${Buffer.alloc(24, 1).toString('base64')}` })
    assert.equal((await ask('POST', `/subscriptions/${id}/pause`)).body.state, 'paused')
    assert.equal((await ask('POST', `/subscriptions/${id}/resume`)).body.state, 'active')
    assert.equal((await ask('POST', `/subscriptions/${id}/rotate`)).body.secret, SECRET)
    assert.equal((await ask('POST', `/subscriptions/${id}/test`)).status, 202)
    assert.equal(s.receivers.heard.at(-1)!.body.type, 'rouse.test')
    for (const path of ['pause', 'resume', 'rotate', 'test', 'replay'])
      assert.equal((await ask('POST', `/subscriptions/nobody/${path}`)).status, 404)
  })

  test('what waits and what was given up is shown, and given up ones are sent once more', async () => {
    const { s, ask, create } = await scene()
    const { id } = await create({ type: 'pickup' })
    s.receivers.answer = () => ({ outcome: 'failed', error: 'answered 500' })
    await s.raise(1)
    const { deliveries } = (await ask('GET', `/subscriptions/${id}/deliveries`)).body
    assert.deepEqual([deliveries.length, deliveries[0].attempts, deliveries[0].error], [1, 1, 'answered 500'])
    for (let hours = 0; hours < 27; hours++) await s.pass(3_600_000)
    const dead = (await ask('GET', `/subscriptions/${id}/deliveries?state=dead`)).body.deliveries
    assert.equal(dead.length, 1)
    assert.deepEqual((await ask('POST', `/subscriptions/${id}/deliveries/other/replay`)).body, { replayed: 0 })
    s.receivers.answer = () => ({ outcome: 'delivered' })
    const before = s.receivers.heard.length
    assert.deepEqual((await ask('POST', `/subscriptions/${id}/deliveries/${dead[0].id}/replay`)).body, { replayed: 1 })
    assert.equal(s.receivers.heard.length, before + 1)
    assert.deepEqual((await ask('GET', `/subscriptions/${id}/deliveries?state=dead`)).body, { deliveries: [] })
    assert.equal((await ask('GET', `/subscriptions/${id}/deliveries?state=all`)).status, 400)
  })
})
