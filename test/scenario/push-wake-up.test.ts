import assert from 'node:assert/strict'
import { test } from 'node:test'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import { world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** bob has a tablet that is awake, and a phone that registered once and sleeps now. */
async function bobSleeps() {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await tablet.registers()
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, tablet, phone }
}

/** All bob has is a phone that sleeps. */
async function onlyAPhone() {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, phone }
}

test('the tablet rings at once, the sleeping phone joins when it registers and answers, the tablet is cancelled (RFC 3261 16.7, RFC 8599)', async () => {
  const { w, alice, phone, tablet } = await bobSleeps()
  await alice.invites('bob')
  await w.advance(1200)
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
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
    1200 tablet -> gw 200 CANCEL
    1200 tablet -> gw 487 INVITE
    1200 gw -> phone ACK
    1200 gw -> tablet ACK
  `)
  assert.equal(
    tablet.last((message) => message.method === 'CANCEL').header('Reason'),
    'SIP;cause=200;text="Call completed elsewhere"',
  )
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a push token is in the message to the push provider and nowhere else (RFC 8599 10)', async () => {
  const { w, alice, tablet, phone } = await bobSleeps()
  await alice.invites('bob')
  await phone.wakes()
  await phone.answers()
  assert.equal(w.pushes[0]?.prid, 'token-of-phone')
  for (const { text } of [...alice.received, ...tablet.received]) assert.ok(!text.includes('token-of-phone'))
  assert.ok(w.invocations.length > 0)
  assert.ok(!JSON.stringify(w.invocations).includes('token-of-phone'))
  assert.ok(
    !JSON.stringify(w.gateway.calls.list(10).map(({ id }) => w.gateway.calls.get(id))).includes('token-of-phone'),
  )
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('nobody has ever registered: the caller hears 480 when the wait is over (RFC 3261 16.5)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  await alice.invites('bob')
  await w.advance(30_000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    30000 gw -> alice 480 INVITE
    30000 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('nobody has ever registered: a phone that comes online in time is rung (RFC 3261 16.7)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await alice.invites('bob')
  await w.advance(29_999)
  await bob.registers()
  await w.advance(5000)
  await bob.answers()
  await alice.hangsUp()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    29999 bob -> gw REGISTER
    29999 gw -> bob 200 REGISTER
    29999 gw -> function /on/late-fork subscription.matched
    29999 gw -> bob INVITE bob
    29999 bob -> gw 180
    29999 gw -> alice 180
    34999 bob -> gw 200 INVITE
    34999 gw -> alice 200 INVITE
    34999 alice -> gw ACK
    34999 gw -> bob ACK
    34999 alice -> gw BYE
    34999 gw -> bob BYE
    34999 bob -> gw 200 BYE
    34999 gw -> alice 200 BYE
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the phone never comes: 480 exactly at the deadline, and a REGISTER after it rings nobody', async () => {
  const { w, alice, phone } = await onlyAPhone()
  await alice.invites('bob')
  await w.advance(29_999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(alice.finalStatus, 480)
  await phone.wakes()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    30000 gw -> alice 480 INVITE
    30000 alice -> gw ACK
    30000 phone -> gw REGISTER
    30000 gw -> phone 200 REGISTER
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the caller hangs up first: 200 to CANCEL, 487 at once, and a later REGISTER rings nobody (RFC 3261 9.2, 16.10)', async () => {
  const { w, alice, phone } = await onlyAPhone()
  await alice.invites('bob')
  await w.advance(4000)
  await alice.cancels()
  await w.advance(1000)
  await phone.wakes()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    4000 alice -> gw CANCEL
    4000 gw -> push urn:uuid:phone cancel
    4000 gw -> alice 200 CANCEL
    4000 gw -> alice 487 INVITE
    4000 alice -> gw ACK
    5000 phone -> gw REGISTER
    5000 gw -> phone 200 REGISTER
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the caller hangs up while the tablet and the woken phone ring: both are cancelled (RFC 3261 16.10)', async () => {
  const { w, alice, phone } = await bobSleeps()
  await alice.invites('bob')
  await phone.wakes()
  await w.advance(3000)
  await alice.cancels([['Reason', 'SIP;cause=600;text="Busy Everywhere"']])
  w.ladder.assert(
    `
    3000 alice -> gw CANCEL
    3000 gw -> alice 200 CANCEL
    3000 gw -> tablet CANCEL
    3000 tablet -> gw 200 CANCEL
    3000 tablet -> gw 487 INVITE
    3000 gw -> phone CANCEL
    3000 phone -> gw 200 CANCEL
    3000 phone -> gw 487 INVITE
    3000 gw -> tablet ACK
    3000 gw -> phone ACK
    3000 gw -> alice 487 INVITE
    3000 alice -> gw ACK
  `,
    { from: 'CANCEL' },
  )
  assert.equal(phone.last(({ method }) => method === 'CANCEL').header('Reason'), 'SIP;cause=600;text="Busy Everywhere"')
  await w.assertQuiet()
  await w.stop()
})

test('an INVITE that is repeated while the call waits is absorbed: no second invocation, no second push (RFC 3261 17.2.1)', async () => {
  const { w, alice, phone } = await onlyAPhone()
  await alice.invites('bob')
  await w.advance(500)
  await alice.retransmits()
  await w.advance(1000)
  await alice.retransmits()
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    500 alice -> gw INVITE bob
    500 gw -> alice 182
    1500 alice -> gw INVITE bob
    1500 gw -> alice 182
    1500 phone -> gw REGISTER
    1500 gw -> phone 200 REGISTER
    1500 gw -> function /on/late-fork subscription.matched
    1500 gw -> phone INVITE bob
    1500 phone -> gw 180
    1500 gw -> alice 180
    1500 phone -> gw 200 INVITE
    1500 gw -> alice 200 INVITE
    1500 alice -> gw ACK
    1500 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
