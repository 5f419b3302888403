import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { createSigner } from '../../../functions/contract/sign.ts'
import { ingress, mappingsOf, NOW, problemOf, SECRET, TOKEN } from './harness.ts'

const BODY = '{"event":"paid",  "id":"evt_1"}'
const KEY = "It's a Secret to Everybody"

/** Posts to a mapping that has this auth: the status, and that only what was let in was raised. */
async function status(auth: object, headers: Record<string, string> = {}, query = '', body = BODY): Promise<number> {
  const { post, published } = ingress({
    rules: { shop: { type: '/event', auth } },
    tokens: [{ setting: 'API_TOKEN', token: TOKEN }],
  })
  const response = await post(body, headers, `/events/shop${query}`)
  assert.equal(published.length, response.status === 202 ? 1 : 0)
  if (response.status !== 202) assert.doesNotMatch(JSON.stringify(await problemOf(response)), /Everybody/)
  return response.status
}

const hmac = (body: string, key = KEY) => createHmac('sha256', key).update(body)

describe('a secret that is sent along', () => {
  test('in a header', async () => {
    const auth = { scheme: 'header', name: 'X-Api-Key', secret: KEY }
    assert.equal(await status(auth, { 'x-api-key': KEY }), 202)
    for (const wrong of ['', KEY.slice(1), `${KEY} x`, KEY.toLowerCase()])
      assert.equal(await status(auth, { 'x-api-key': wrong }), 401)
    assert.equal(await status(auth), 401)
    assert.equal(await status(auth, { authorization: `Bearer ${TOKEN}` }), 401, 'the token of the API does not open it')
  })

  test('in the query, where there is no other way', async () => {
    const auth = { scheme: 'query', name: 'token', secret: KEY }
    assert.equal(await status(auth, {}, `?token=${encodeURIComponent(KEY)}`), 202)
    assert.equal(await status(auth, {}, '?token=x'), 401)
    assert.equal(await status(auth, { token: KEY }), 401)
  })

  test('as a password (RFC 7617)', async () => {
    const auth = { scheme: 'basic', user: 'twilio', secret: KEY }
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
    assert.equal(await status(auth, basic(`twilio:${KEY}`)), 202)
    for (const wrong of [`twilio:${KEY}x`, `other:${KEY}`, KEY, '']) assert.equal(await status(auth, basic(wrong)), 401)
    assert.equal(await status(auth, { authorization: 'Basic %%%' }), 401)
  })

  test('either of two while they rotate; it may be in a setting of its own', async () => {
    const auth = { scheme: 'header', name: 'x', secret: [KEY, { env: 'NEW' }] }
    const mappings = mappingsOf({ shop: { type: 'a', auth } }, (name) => (name === 'NEW' ? 'the-new-one' : undefined))
    const { post } = ingress({ mappings })
    for (const secret of [KEY, 'the-new-one'])
      assert.equal((await post('{}', { x: secret }, '/events/shop')).status, 202)
    assert.equal((await post('{}', { x: 'another-one' }, '/events/shop')).status, 401)
  })
})

describe('a signature over the body as it was sent', () => {
  const github = {
    scheme: 'hmac-sha256',
    header: 'X-Hub-Signature-256',
    encoding: 'hex',
    prefix: 'sha256=',
    secret: KEY,
  }
  const shopify = { scheme: 'hmac-sha256', header: 'X-Shopify-Hmac-Sha256', encoding: 'base64', secret: KEY }

  test('as GitHub has it, with the values of its documentation', async () => {
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
    const auth = { ...github, secret: KEY }
    const { post } = ingress({ rules: { shop: { type: 'a', auth } } })
    const response = await post('Hello, World!', { 'x-hub-signature-256': signature }, '/events/shop')
    assert.equal(response.status, 400, 'genuine, but no JSON')
    assert.equal((await post('Hello, World?', { 'x-hub-signature-256': signature }, '/events/shop')).status, 401)
  })

  test('in hex or in base64, with what goes before it', async () => {
    const hex = hmac(BODY).digest('hex')
    assert.equal(await status(github, { 'x-hub-signature-256': `sha256=${hex}` }), 202)
    assert.equal(await status(github, { 'x-hub-signature-256': `sha256=${hex.toUpperCase()}` }), 202)
    assert.equal(await status(github, { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}, sha256=${hex}` }), 202)
    assert.equal(await status(shopify, { 'x-shopify-hmac-sha256': hmac(BODY).digest('base64') }), 202)
    for (const wrong of [hex, `sha1=${hex}`, `sha256=${hex.slice(2)}`, 'sha256=', `sha256=${hex}00`, 'sha256=xyz', ''])
      assert.equal(await status(github, { 'x-hub-signature-256': wrong }), 401, wrong)
    assert.equal(await status(shopify, { 'x-shopify-hmac-sha256': '%%%' }), 401)
    assert.equal(await status(github), 401)
  })

  test('another body, or the same with other spaces, is not genuine', async () => {
    const headers = { 'x-hub-signature-256': `sha256=${hmac(BODY).digest('hex')}` }
    assert.equal(await status(github, headers, '', JSON.stringify(JSON.parse(BODY))), 401)
  })

  test('over a time and the body, as Slack and Zoom have it', async () => {
    const auth = {
      ...{ scheme: 'hmac-sha256', header: 'X-Slack-Signature', encoding: 'hex', prefix: 'v0=', secret: KEY },
      ...{ time: 'X-Slack-Request-Timestamp', signs: 'v0:{time}:{body}' },
    }
    const now = NOW / 1000
    const signed = (seconds: number, sent = seconds) => ({
      'x-slack-signature': `v0=${hmac(`v0:${seconds}:${BODY}`).digest('hex')}`,
      'x-slack-request-timestamp': String(sent),
    })
    assert.equal(await status(auth, signed(now)), 202)
    assert.equal(await status(auth, signed(now + 300)), 202)
    assert.equal(await status(auth, signed(now, now - 1)), 401)
    for (const seconds of [now - 301, now + 301]) assert.equal(await status(auth, signed(seconds)), 401)
    assert.equal(await status(auth, { 'x-slack-signature': signed(now)['x-slack-signature'] }), 401)
  })

  test('as Stripe has it, for five minutes', async () => {
    const auth = { scheme: 'stripe', secret: KEY }
    const signed = (seconds: number, key = KEY) =>
      `t=${seconds},v1=${hmac(`${seconds}.${BODY}`, key).digest('hex')},v0=00`
    const now = NOW / 1000
    assert.equal(await status(auth, { 'stripe-signature': signed(now) }), 202)
    assert.equal(await status(auth, { 'stripe-signature': signed(now - 300) }), 202)
    assert.equal(await status(auth, { 'stripe-signature': `t=${now},v1=00,${signed(now).split(',')[1]}` }), 202)
    for (const wrong of [
      signed(now - 301),
      signed(now + 301),
      signed(now, 'another'),
      `t=${now}`,
      '',
      't=x,v1=00',
      signed(now).replace('v1', 'v0'),
    ])
      assert.equal(await status(auth, { 'stripe-signature': wrong }), 401, wrong)
    assert.equal(await status({ ...auth, header: 'X-Sig' }, { 'x-sig': signed(now) }), 202)
  })

  test('as Standard Webhooks has it; the id of the message is that of the event', async () => {
    const auth = { scheme: 'standard-webhooks', secret: SECRET }
    const { post, published } = ingress({ rules: { shop: { type: '/event', auth } } })
    const headers = { ...(await createSigner(SECRET).sign('msg_1', BODY, NOW)) }
    for (let time = 0; time < 2; time++) assert.equal((await post(BODY, headers, '/events/shop')).status, 202)
    assert.deepEqual(
      published.map(({ id }) => id),
      ['shop#msg_1'],
    )
    assert.equal((await post(`${BODY} `, headers, '/events/shop')).status, 401)
  })
})

test('a mapping without auth asks for what POST /events asks for', async () => {
  const { post, published } = ingress({
    rules: { shop: { type: '/event' } },
    secret: SECRET,
    tokens: [{ setting: 'API_TOKEN', token: TOKEN }],
  })
  assert.equal((await post(BODY, {}, '/events/shop')).status, 401)
  assert.equal((await post(BODY, { authorization: `Bearer ${TOKEN}` }, '/events/shop')).status, 202)
  const headers = { ...(await createSigner(SECRET).sign('msg_1', BODY, NOW)) }
  assert.equal((await post(BODY, headers, '/events/shop')).status, 202)
  assert.deepEqual(
    published.map(({ id }) => id),
    ['event1', 'shop#msg_1'],
  )
})

test('each mapping has a limit of its own', async () => {
  const auth = { scheme: 'header', name: 'x', secret: KEY }
  const { post } = ingress({
    rules: { a: { type: 'a', auth }, b: { type: 'a', auth } },
    limit: { count: 1, perMs: 1000 },
  })
  const posted = async (path: string) => (await post('{}', { x: KEY }, path)).status
  assert.deepEqual([await posted('/events/a'), await posted('/events/a'), await posted('/events/b')], [202, 429, 202])
})
