import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from 'rouse/testing'
import app from './app.ts'

test('a phone that sleeps is pushed, and rings when it registers', async () => {
  const call = await simulate(app).invite('sip:bob@example.com')
  assert.deepEqual(
    call.actions.map(({ action }) => action),
    ['subscribe', 'push', 'fork', 'halt'],
  )
  await call.event('contact.registered', { aor: 'sip:bob@example.com', contact: 'sip:bob@192.0.2.7' })
  assert.equal(call.actions.at(-1)?.action, 'fork')
})
