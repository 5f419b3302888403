import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SipRouter } from 'rouse'
import { simulate } from 'rouse/testing'
import { readmeExample } from '../../support/readme-example.ts'

test('the handler of the README asks who calls, and lets who may pay for it', async () => {
  const app = (await readmeExample('gateway/cgrates/README.md', 'prepaid')).default as SipRouter
  const env = { passwords: { alice: 'secret', bob: 'poor' } }
  const authorize = ({ account }: { account: string }) =>
    account === 'alice'
      ? { authorized: true, maxDuration: 60 }
      : { authorized: false, code: 402, reason: 'Insufficient Credit' }
  const all = simulate(app, { env, authorize, contacts: { 'sip:carol@example.com': ['sip:carol@192.0.2.9'] } })
  const invite = (username: string, password: string) =>
    all.invite('sip:carol@example.com', { from: `sip:${username}@example.com`, auth: { username, password } })
  assert.equal((await all.invite('sip:carol@example.com')).response, 407)
  assert.equal((await invite('alice', 'wrong')).response, 407)
  const refused = await invite('bob', 'poor')
  assert.deepEqual(refused.last.at(-1), { action: 'reply', status: 402, reason: 'Insufficient Credit' })
  const call = await invite('alice', 'secret')
  await call.answers()
  await call.advance('60s')
  assert.equal(call.state, 'ended')
})
