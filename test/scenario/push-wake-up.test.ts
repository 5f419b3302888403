import assert from 'node:assert/strict'
import { test } from 'node:test'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import { world } from '../support/world.ts'

const ASLEEP = 'pn-provider=fcm;pn-param=app;pn-prid=secret-token'

/** bob has a tablet that is awake, and a phone that registered once and sleeps now. */
async function bobSleeps(options: Parameters<typeof world>[0] = {}) {
  const w = await world({ app: pushWakeUp, ...options })
  const alice = await w.phone('alice')
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  const phone = await w.phone('phone', { user: 'bob', instance: 'urn:uuid:phone', contactParams: ASLEEP })
  await tablet.registers()
  await phone.registers()
  await phone.vanish()
  w.ladder.clear()
  return { w, alice, tablet, phone }
}

test('the tablet rings at once, the sleeping phone joins when it registers and answers, the tablet is cancelled (RFC 3261 16.7, RFC 8599)', async () => {
  const { w, alice, phone, tablet } = await bobSleeps()
  await alice.invites('bob')
  await w.advance(1200)
  await phone.moveTo(5070)
  await phone.registers()
  await phone.answers()
  w.ladder.assert(
    `
    0 alice -> gw INVITE bob
    0 gw -> alice 100
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> tablet INVITE bob
    0 tablet -> gw 180
    0 gw -> alice 180
    1200 phone -> gw REGISTER
    1200 gw -> phone 200 REGISTER
    1200 gw -> function /on/late-fork subscription.matched
    1200 gw -> phone INVITE bob
    1200 phone -> gw 180
    1200 gw -> alice 180
    1200 phone -> gw 200 INVITE
    1200 gw -> alice 200 INVITE
    1200 alice -> gw ACK
    1200 gw -> tablet CANCEL
  `,
    { until: 'gw -> tablet CANCEL' },
  )
  assert.equal(
    tablet.last((message) => message.method === 'CANCEL').header('Reason'),
    'SIP;cause=200;text="Call completed elsewhere"',
  )
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
