import assert from 'node:assert/strict'
import { test } from 'node:test'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import { world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

async function onlyAPhone() {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, phone }
}

test('the woken phone is the only one and declines: the caller hears 486 at once, not at the deadline (RFC 3261 16.7)', async () => {
  const { w, alice, phone } = await onlyAPhone()
  await alice.invites('bob')
  await w.advance(1000)
  await phone.wakes()
  await w.advance(3000)
  await phone.declines(486)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    1000 phone -> gw REGISTER
    1000 gw -> phone 200 REGISTER
    1000 gw -> function /on/late-fork subscription.matched
    1000 gw -> phone INVITE bob
    1000 phone -> gw 180
    1000 gw -> alice 180
    4000 phone -> gw 486 INVITE
    4000 gw -> phone ACK
    4000 gw -> alice 486 INVITE
    4000 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the woken phone says 603: the call ends at once, the tablet is cancelled (RFC 3261 16.7 step 5)', async () => {
  const { w, alice, phone } = await onlyAPhone()
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await tablet.registers()
  await alice.invites('bob')
  await phone.wakes()
  w.ladder.clear()
  await w.advance(1000)
  await phone.declines(603)
  w.ladder.assert(`
    1000 phone -> gw 603 INVITE
    1000 gw -> phone ACK
    1000 gw -> tablet CANCEL
    1000 tablet -> gw 200 CANCEL
    1000 tablet -> gw 487 INVITE
    1000 gw -> tablet ACK
    1000 gw -> alice 603 INVITE
    1000 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the woken phone says 486 while the tablet rings: the tablet may still answer (RFC 3261 16.7)', async () => {
  const { w, alice, phone } = await onlyAPhone()
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await tablet.registers()
  await alice.invites('bob')
  await phone.wakes()
  await phone.declines(486)
  await w.advance(10_000)
  assert.equal(alice.finalStatus, 0)
  await tablet.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a device that has declined and registers anew is not rung again', async () => {
  const { w, alice, phone } = await onlyAPhone()
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await tablet.registers()
  await alice.invites('bob')
  await phone.wakes()
  await phone.declines(486)
  w.ladder.clear()
  await w.advance(1000)
  await phone.wakes()
  w.ladder.assert(`
    1000 phone -> gw REGISTER
    1000 gw -> phone 200 REGISTER
    1000 gw -> function /on/late-fork subscription.matched
  `)
  await tablet.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a tablet that declines does not end the wait for the phone that sleeps', async () => {
  const { w, alice, phone } = await onlyAPhone()
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await tablet.registers()
  await alice.invites('bob')
  await tablet.declines(486)
  await w.advance(5000)
  assert.equal(alice.finalStatus, 0)
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
