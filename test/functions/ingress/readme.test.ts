import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { LambdaContext } from 'hono/aws-lambda'
import type { LambdaHandler } from '../../../functions/entry/lambda.ts'
import { INGRESS_SETTINGS, type IngressApp } from '../../../functions/ingress/index.ts'
import { lambdaEvent } from '../../runtimes/lambda/events.ts'
import { readmeExample, withEnvironment } from '../../support/readme-example.ts'
import { accepted, ingress, mappingsOf, TOKEN } from './harness.ts'

/** functions/ingress/README.md as it stands there. */

const README = readFileSync(new URL('../../../functions/ingress/README.md', import.meta.url), 'utf8')
const [, RULES = ''] = /```json\n(\{\n {2}"twilio".*?)```/s.exec(README) ?? []
const STORE = { UPSTASH_REDIS_REST_URL: 'http://127.0.0.1:9', UPSTASH_REDIS_REST_TOKEN: 'a-token' }

function mapped() {
  const secrets: Record<string, string> = {
    TWILIO_PASSWORD: 'a-password',
    GITHUB_SECRET: 'the-new-secret',
    GITHUB_SECRET_BEFORE: 'the-old-secret',
  }
  return ingress({ mappings: mappingsOf(JSON.parse(RULES), (name) => secrets[name]) })
}

test('the mapping twilio: a form, with a password', async () => {
  const { post, published } = mapped()
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'authorization': `Basic ${Buffer.from('twilio:a-password').toString('base64')}`,
  }
  const form = (status: string) => new URLSearchParams({ CallSid: `CA-${status}`, CallStatus: status, To: '+1' })
  for (const status of ['ringing', 'busy', 'no-answer'])
    await post(String(form(status)), headers, '/events/twilio?call=abc')
  await post(`${form('completed')}&CallDuration=17`, headers, '/events/twilio?call=abc')
  assert.deepEqual(
    published.map(({ id, type, attributes }) => [id, type, attributes]),
    [
      ['twilio#CA-busy', 'leg.ended', { call: 'abc', reason: 'busy', by: 'twilio' }],
      ['twilio#CA-no-answer', 'leg.ended', { call: 'abc', reason: 'other', by: 'twilio' }],
      ['twilio#CA-completed', 'leg.ended', { call: 'abc', reason: 'ok', seconds: '17', by: 'twilio' }],
    ],
  )
})

test('the mapping github: an event for each commit, signed with either secret', async () => {
  const { post, published } = mapped()
  const body = JSON.stringify({
    repository: { full_name: 'octo/hello' },
    commits: [
      { id: 'c1', author: { username: 'ann' } },
      { id: 'c2', author: { username: 'bo' } },
    ],
  })
  const send = (event: string, secret: string) => {
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    return post(body, { 'x-github-event': event, 'x-hub-signature-256': signature }, '/events/github')
  }
  assert.equal((await send('ping', 'the-new-secret')).status, 204)
  assert.equal((await send('push', 'another-secret')).status, 401)
  for (const secret of ['the-new-secret', 'the-old-secret']) {
    assert.deepEqual(await accepted(await send('push', secret)), {
      events: [
        { id: 'github#c1', matched: 2 },
        { id: 'github#c2', matched: 2 },
      ],
    })
  }
  assert.deepEqual(
    published.map(({ attributes }) => attributes),
    [
      { author: 'ann', repository: 'octo/hello' },
      { author: 'bo', repository: 'octo/hello' },
    ],
  )
})

test('the function on Lambda and on Workers', async () => {
  const env = { ...STORE, EVENTS_TOKEN: TOKEN }
  const example = (name: string) => readmeExample('functions/ingress/README.md', name)
  const { handler } = (await withEnvironment(env, () => example('lambda'))) as { handler: LambdaHandler }
  const context = { getRemainingTimeInMillis: () => 3000 } as LambdaContext
  const request = {
    method: 'POST',
    path: '/events',
    query: '',
    headers: [['content-type', 'application/json']] as [string, string][],
    body: Buffer.from('{"type":"a"}'),
  }
  for (const kind of ['function-url', 'http-api'] as const) {
    const result = (await handler(lambdaEvent(kind, request) as never, context)) as { statusCode: number }
    assert.equal(result.statusCode, 401, kind)
  }
  const worker = (await example('worker')).default as IngressApp
  const posted = new Request('https://hooks.test/events', { method: 'POST', body: '{}' })
  assert.equal((await worker.fetch(posted, { ...env, KV: {} })).status, 401)
})

test('every setting is in its table', () => {
  for (const setting of INGRESS_SETTINGS) assert.match(README, new RegExp(`^\\| \`${setting}\``, 'm'))
})
