import assert from 'node:assert/strict'
import { test } from 'node:test'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import { world } from '../support/world.ts'
import { pushable, registeredLongAgo, sleepingPhone } from './cast.ts'

test('the old contact refuses: nothing is final before the wake, and the phone is rung where it is now (RFC 3261 16.9)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', { user: 'bob', ...pushable('phone') })
  await phone.registers()
  w.network.refuses(phone.options.address, 5060)
  await registeredLongAgo(w)
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(100)
  assert.equal(alice.finalStatus, 0)
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    100 phone -> gw REGISTER
    100 gw -> phone 200 REGISTER
    100 gw -> function /on/late-fork subscription.matched
    100 gw -> phone INVITE bob
    100 phone -> gw 180
    100 gw -> alice 180
    100 phone -> gw 200 INVITE
    100 gw -> alice 200 INVITE
    100 alice -> gw ACK
    100 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the old contact is a black hole: its branch is given up when the phone registers anew, which is rung once (RFC 3261 17.1.1.2)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', { user: 'bob', ...pushable('phone') })
  await phone.registers()
  w.network.silent(phone.options.address, 5060)
  await registeredLongAgo(w)
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(2000)
  await phone.wakes()
  await w.advance(1000)
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    2000 phone -> gw REGISTER
    2000 gw -> phone 200 REGISTER
    2000 gw -> function /on/late-fork subscription.matched
    2000 gw -> phone INVITE bob
    2000 phone -> gw 180
    2000 gw -> alice 180
    3000 phone -> gw 200 INVITE
    3000 gw -> alice 200 INVITE
    3000 alice -> gw ACK
    3000 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the old contact is a black hole and the phone never comes: 480 at the deadline, a branch that never made a sound is not waited for', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', { user: 'bob', ...pushable('phone') })
  await phone.registers()
  w.network.silent(phone.options.address, 5060)
  await registeredLongAgo(w)
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(30_000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    30000 gw -> alice 480 INVITE
    30000 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('the TCP connection of the old contact is dead: nothing is final before the wake (RFC 3261 16.9, 18.4)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob', transport: 'tcp' })
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(1500)
  assert.equal(alice.finalStatus, 0)
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
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

test('the TCP connection of the old contact is dead and the phone never comes: 480 at the deadline', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  await sleepingPhone(w, 'phone', { user: 'bob', transport: 'tcp' })
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(30_000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    30000 gw -> alice 480 INVITE
    30000 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('a dead tablet beside a sleeping phone does not end the call either', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await tablet.registers()
  await tablet.vanish()
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(20_000)
  assert.equal(alice.finalStatus, 0)
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
