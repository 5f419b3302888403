import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SipRouter } from 'rouse'
import { simulate } from 'rouse/testing'
import { readmeExample } from '../../support/readme-example.ts'

test('the handler of the README rings the desk, then the desk and the mobile, and says what came of it', async () => {
  const app = (await readmeExample('functions/sdk/README.md', 'forks')).default as SipRouter
  const [desk, mobile] = ['sip:desk@192.0.2.9', 'sip:mobile@192.0.2.10']
  const all = simulate(app, { contacts: { 'sip:desk@example.com': [desk], 'sip:mobile@example.com': [mobile] } })
  const call = await all.invite('sip:team@example.com')
  const ringing = () => call.branches.filter(({ state }) => state === 'ringing').map(({ uri }) => uri)
  assert.deepEqual(ringing(), [desk])
  await call.advance('10s')
  assert.deepEqual(ringing(), [mobile, desk])
  await call.fails(486, mobile)
  await call.fails(486, desk)
  assert.equal(call.response, 486)

  const nobody = await simulate(app).invite('sip:team@example.com')
  assert.equal(nobody.response, 480)
})
