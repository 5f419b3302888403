import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jwtVerify } from 'jose'
import type { PushMessage } from '../../functions/contract/push.ts'
import { createSigner } from '../../functions/contract/sign.ts'
import { SECRET } from '../functions/contract-suite/reach.ts'
import { google } from '../functions/push/google.ts'
import { ecKeys, pushOf, rsaKeys } from '../functions/push/pushes.ts'
import { bundleForWorkers } from './bundle.ts'
import { absentRuntimes } from './programs.ts'
import { Worker } from './worker.ts'

/** The push function as a Worker, on Cloudflare's own runtime. */

const skip = absentRuntimes('esbuild', 'wrangler', 'workerd')
const MAX_OCTETS = 250_000

test('a Worker pushes by Firebase with WebCrypto alone, and carries neither the AWS SDK nor an HTTP client', {
  skip,
}, async (t) => {
  const { url, asked } = await google(t)
  const { publicKey, pem } = rsaKeys()
  const account = { project_id: 'project-1', client_email: 'a@b.test', private_key: pem, token_uri: `${url}/token` }
  const vapid = ecKeys().raw
  const bundle = await bundleForWorkers('test/runtimes/apps/push-worker.ts')
  t.diagnostic(`the push function for Workers: ${Math.round(bundle.octets / 1000)} kB of at most ${MAX_OCTETS / 1000}`)
  assert.ok(bundle.octets <= MAX_OCTETS)
  assert.deepEqual(bundle.imports, [])
  assert.deepEqual(
    bundle.inputs.filter((input) => /node_modules\/(@aws-sdk|@smithy|undici)\b|gateway\//.test(input)),
    [],
  )
  const env = {
    WEBHOOK_SECRET: SECRET,
    FCM_SERVICE_ACCOUNT: JSON.stringify(account),
    FCM_ENDPOINT: url,
    VAPID_PUBLIC_KEY: vapid.publicKey,
    VAPID_PRIVATE_KEY: vapid.privateKey,
    VAPID_SUBJECT: 'mailto:operator@example.com',
  }
  const worker = await Worker.start(bundle.file, { env })
  t.after(() => worker.stop())
  const send = async (message: PushMessage) => {
    const body = JSON.stringify(message)
    const headers = { ...(await createSigner(SECRET).sign(message.id, body, Date.now())) }
    return (await fetch(`${worker.url}/push`, { method: 'POST', body, headers })).json()
  }
  assert.deepEqual(await send(pushOf()), { outcome: 'accepted' })
  assert.deepEqual(await send(pushOf({ id: 'push-2' })), { outcome: 'accepted' })
  assert.deepEqual(
    asked.map(({ path }) => path),
    ['/token', '/v1/projects/project-1/messages:send', '/v1/projects/project-1/messages:send'],
  )
  const assertion = new URLSearchParams(asked[0]!.body).get('assertion')!
  assert.equal((await jwtVerify(assertion, publicKey)).payload.iss, 'a@b.test')
  assert.equal(asked[1]!.authorization, 'Bearer access-1')
  assert.equal(JSON.parse(asked[1]!.body).message.token, 'token-of-bob')
  const elsewhere = pushOf({ id: 'push-3', provider: 'webpush', prid: 'https://push.test/x', param: '' })
  const error = 'push.test is no push service that is allowed: see WEBPUSH_HOSTS'
  assert.deepEqual(await send(elsewhere), { outcome: 'failed', error })
})
