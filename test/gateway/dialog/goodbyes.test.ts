import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Goodbyes, MOST } from '../../../gateway/dialog/goodbyes.ts'
import type { SipMessage } from '../../../gateway/sip/message.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** What is noted of a BYE that nobody could explain. */

function bye(callId: string): SipMessage {
  return { callId, fromTag: 'a', toTag: 'b' } as SipMessage
}

test('a flood of BYEs of dialogs that there never were fills no store: so many are noted in ten minutes, and none with long names', async () => {
  const clock = new FakeClock()
  let noted = 0
  const remember = async () => void noted++
  const goodbyes = new Goodbyes({ remember, recall: async () => undefined }, clock, () => {})
  goodbyes.note(bye('x'.repeat(2000)))
  assert.equal(noted, 0)
  for (let count = 0; count < MOST + 100; count++) goodbyes.note(bye(`call-${count}`))
  assert.equal(noted, MOST)
  await clock.advance(600_000)
  goodbyes.note(bye('later'))
  assert.equal(noted, MOST + 1)
})
