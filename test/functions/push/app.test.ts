import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PushMessage } from '../../../functions/contract/push.ts'
import { createSigner } from '../../../functions/contract/sign.ts'
import { type PushAppOptions, pushApp } from '../../../functions/push/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ecKeys, NOW, pushOf } from './pushes.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const { pem, raw } = ecKeys()
const APNS = { APNS_KEY: pem, APNS_KEY_ID: 'ABC123DEFG', APNS_TEAM_ID: 'DEF123GHIJ' }
const VAPID = {
  VAPID_PUBLIC_KEY: raw.publicKey,
  VAPID_PRIVATE_KEY: raw.privateKey,
  VAPID_SUBJECT: 'mailto:operator@example.com',
}

function app(options: PushAppOptions = {}) {
  const lines: string[] = []
  const line = (message: string, fields?: object) => void lines.push(JSON.stringify({ message, ...fields }))
  return { lines, ...pushApp({ log: { info: line, warn: line }, clock: new FakeClock(NOW), ...options }) }
}

async function signed(message: PushMessage, url = 'https://push.test/push'): Promise<Request> {
  const body = JSON.stringify(message)
  const headers = { ...(await createSigner(SECRET).sign(message.id, body, NOW)) }
  return new Request(url, { method: 'POST', body, headers })
}

const unsigned = (url: string) => new Request(url, { method: 'POST', body: JSON.stringify(pushOf()) })

describe('the push function', () => {
  test('sends by the provider that settings name, and says of others which there are', async () => {
    const asked: string[] = []
    const platform = {
      apns:
        (origin: string) =>
        async ({ path }: { path: string }) => {
          asked.push(origin + path)
          return { status: 200, retryAfter: null, body: '' }
        },
    }
    const { fetch, lines } = app({ env: { WEBHOOK_SECRET: SECRET, ...APNS, ...VAPID }, platform })
    const send = async (provider: string) => {
      const response = await fetch(
        await signed(pushOf({ id: provider, provider, prid: 'aa11', param: 'T.com.example.app.voip' })),
      )
      return response.json()
    }
    assert.deepEqual(await send('apns'), { outcome: 'accepted' })
    assert.deepEqual(await send('apns.dev'), { outcome: 'accepted' })
    assert.deepEqual(asked, [
      'https://api.push.apple.com/3/device/aa11',
      'https://api.sandbox.push.apple.com/3/device/aa11',
    ])
    assert.deepEqual(await send('fcm'), {
      outcome: 'unsupported',
      error: 'there is no provider for this pn-provider; there is one for apns.dev, apns, webpush',
    })
    assert.equal(lines.length, 3)
    assert.doesNotMatch(lines.join(), /aa11/)
  })

  test('takes what is signed alone; FUNCTIONS_UNSIGNED=loopback what this machine asks itself', async () => {
    const here = 'http://127.0.0.1:3000/push'
    const status = async (env: Record<string, string>, request: Request) => (await app({ env }).fetch(request)).status
    assert.equal(await status({ WEBHOOK_SECRET: SECRET }, await signed(pushOf())), 200)
    assert.equal(await status({ WEBHOOK_SECRET: SECRET }, unsigned(here)), 401)
    assert.equal(await status({}, unsigned(here)), 401)
    assert.equal(await status({ FUNCTIONS_UNSIGNED: 'loopback' }, unsigned(here)), 200)
    assert.equal(await status({ FUNCTIONS_UNSIGNED: 'loopback' }, unsigned('https://push.test/push')), 401)
  })

  test('takes its settings with the first request where it is given none, whatever else is in there', async () => {
    const { fetch, lines } = app()
    const env = { WEBHOOK_SECRET: SECRET, KV: { get() {} } }
    assert.equal((await fetch(await signed(pushOf()), env)).status, 200)
    assert.match(lines[0]!, /push to the console only/)
  })

  test('says everything that is wrong with its settings, what this platform cannot do too', () => {
    const SNS_PLATFORM_APPLICATIONS = 'fcm=arn:aws:sns:eu-west-1:123456789012:app/GCM/a'
    assert.throws(() => app({ env: { SNS_PLATFORM_APPLICATIONS, ...APNS, PUSH_WEBHOOK_URL: 'x' } }), {
      message: [
        'PUSH_WEBHOOK_URL: expected an https URL, got something else (1 characters); write for example https://push.example.com/hook',
        'SNS_PLATFORM_APPLICATIONS: expected nothing here, where the AWS SDK does not run; run the push function on Node or AWS Lambda (rouse/push/node), or push to FCM directly',
        'APNS_KEY: expected nothing here, where there is no HTTP/2 to Apple; run the push function on Node or AWS Lambda (rouse/push/node)',
      ].join('\n'),
    })
  })
})

test('the entry for Node and Lambda reads the environment and has every provider', async (t) => {
  const { mock: log } = t.mock.method(console, 'warn', () => {})
  Object.assign(process.env, { WEBHOOK_SECRET: SECRET, ...APNS })
  const { default: push } = await import('../../../functions/entry/push.ts')
  const message = pushOf({ provider: 'apns', prid: 'aa11', param: 'T.com.example.app.voip', purpose: 'refresh' })
  const body = JSON.stringify(message)
  const headers = { ...(await createSigner(SECRET).sign(message.id, body, Date.now())) }
  const response = await push.fetch(new Request('https://push.test/push', { method: 'POST', body, headers }))
  assert.equal(((await response.json()) as { outcome: string }).outcome, 'unsupported')
  assert.match(String(log.calls[0]?.arguments), /^\{"level":"warn","message":"push not sent"/)
  assert.doesNotMatch(String(log.calls[0]?.arguments), /aa11/)
})
