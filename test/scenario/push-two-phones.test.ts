import assert from 'node:assert/strict'
import { test } from 'node:test'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import { world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** bob has two phones; both sleep. */
async function twoSleepingPhones() {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const one = await sleepingPhone(w, 'one', { user: 'bob' })
  const two = await sleepingPhone(w, 'two', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, one, two }
}

test('two phones wake: the first answers, the second is cancelled with a Reason (RFC 3261 16.7 step 10, RFC 3326)', async () => {
  const { w, alice, one, two } = await twoSleepingPhones()
  await alice.invites('bob')
  await w.advance(1000)
  await one.wakes()
  await w.advance(1000)
  await two.wakes()
  await w.advance(1000)
  await one.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:two
    0 gw -> push urn:uuid:one
    0 gw -> alice 182
    1000 one -> gw REGISTER
    1000 gw -> one 200 REGISTER
    1000 gw -> function /on/late-fork subscription.matched
    1000 gw -> one INVITE bob
    1000 one -> gw 180
    1000 gw -> alice 180
    2000 two -> gw REGISTER
    2000 gw -> two 200 REGISTER
    2000 gw -> function /on/late-fork subscription.matched
    2000 gw -> two INVITE bob
    2000 two -> gw 180
    2000 gw -> alice 180
    3000 one -> gw 200 INVITE
    3000 gw -> alice 200 INVITE
    3000 alice -> gw ACK
    3000 gw -> two CANCEL
    3000 two -> gw 200 CANCEL
    3000 two -> gw 487 INVITE
    3000 gw -> one ACK
    3000 gw -> two ACK
  `)
  assert.equal(
    two.last(({ method }) => method === 'CANCEL').header('Reason'),
    'SIP;cause=200;text="Call completed elsewhere"',
  )
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the second phone registers in the millisecond in which the first answers: it is rung and cancelled, or not rung at all', async () => {
  for (const order of ['register first', 'answer first'] as const) {
    const { w, alice, one, two } = await twoSleepingPhones()
    await two.moveTo(5070)
    await alice.invites('bob')
    await one.wakes()
    w.ladder.clear()
    await Promise.all(order === 'register first' ? [two.registers(), one.answers()] : [one.answers(), two.registers()])
    assert.equal(alice.finalStatus, 200, order)
    assert.equal(w.ladder.count('gw -> two INVITE'), w.ladder.count('gw -> two CANCEL'), order)
    assert.equal(two.incoming.filter(({ state }) => state === 'ringing').length, 0, order)
    await alice.hangsUp()
    await w.assertQuiet()
    await w.stop()
  }
})

test('the second phone wakes after the first has answered: it is not rung (RFC 3261 16.7)', async () => {
  const { w, alice, one, two } = await twoSleepingPhones()
  await alice.invites('bob')
  await one.wakes()
  await one.answers()
  w.ladder.clear()
  await w.advance(500)
  await two.wakes()
  w.ladder.assert(`
    500 two -> gw REGISTER
    500 gw -> two 200 REGISTER
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('both phones answer at once: the caller gets both 200s, and each is a call of its own (RFC 3261 13.2.2.4, 16.7 step 5)', async () => {
  const { w, alice, one, two } = await twoSleepingPhones()
  await alice.invites('bob')
  await one.wakes()
  await two.wakes()
  w.ladder.clear()
  await Promise.all([one.answers(), two.answers()])
  assert.equal(w.ladder.count('gw -> alice 200 INVITE'), 2)
  assert.equal(w.gateway.counts().dialogs, 2)
  await one.hangsUp()
  await two.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the first phone declines while the second sleeps: the call goes on, and the second is rung when it wakes', async () => {
  const { w, alice, one, two } = await twoSleepingPhones()
  await alice.invites('bob')
  await one.wakes()
  await one.declines()
  await w.advance(5000)
  assert.equal(alice.finalStatus, 0)
  await two.wakes()
  await two.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:two
    0 gw -> push urn:uuid:one
    0 gw -> alice 182
    0 one -> gw REGISTER
    0 gw -> one 200 REGISTER
    0 gw -> function /on/late-fork subscription.matched
    0 gw -> one INVITE bob
    0 one -> gw 180
    0 gw -> alice 180
    0 one -> gw 486 INVITE
    0 gw -> one ACK
    5000 two -> gw REGISTER
    5000 gw -> two 200 REGISTER
    5000 gw -> function /on/late-fork subscription.matched
    5000 gw -> two INVITE bob
    5000 two -> gw 180
    5000 gw -> alice 180
    5000 two -> gw 200 INVITE
    5000 gw -> alice 200 INVITE
    5000 alice -> gw ACK
    5000 gw -> two ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
