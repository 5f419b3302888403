import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp } from '../../functions/examples/app.ts'
import callPickup from '../../functions/examples/call-pickup.ts'
import { world } from '../support/world.ts'

/** alice calls bob, whose phone rings; carol is there. */
async function ringing(app = callPickup) {
  const w = await world({ app })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob', { instance: 'urn:uuid:bob' })
  const carol = await w.phone('carol', { instance: 'urn:uuid:carol' })
  await bob.registers()
  await carol.registers()
  await alice.invites('bob')
  w.ladder.clear()
  return { w, alice, bob, carol }
}

test("carol dials *8bob: her INVITE ends with 480, the call that rings at bob comes to her phone, bob's phone is cancelled (RFC 3261 16.7)", async () => {
  const { w, alice, bob, carol } = await ringing()
  await w.advance(2000)
  await carol.invites('*8bob')
  await carol.answers()
  w.ladder.assert(`
    2000 carol -> gw INVITE *8bob
    2000 gw -> function /invite/example.com/*8bob
    2000 gw -> carol 480 INVITE
    2000 carol -> gw ACK
    2000 gw -> function /on/picked-up subscription.matched
    2000 gw -> bob CANCEL
    2000 bob -> gw 200 CANCEL
    2000 bob -> gw 487 INVITE
    2000 gw -> bob ACK
    2000 gw -> carol INVITE carol
    2000 carol -> gw 180
    2000 gw -> alice 180
    2000 carol -> gw 200 INVITE
    2000 gw -> alice 200 INVITE
    2000 alice -> gw ACK
    2000 gw -> carol ACK
  `)
  assert.equal(bob.last(({ method }) => method === 'CANCEL').header('Reason'), 'SIP;text="Picked up"')
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test("bob's phone registers anew after the pick-up: it does not ring again", async () => {
  const { w, alice, bob, carol } = await ringing(createApp())
  await carol.invites('*8bob')
  w.ladder.clear()
  await w.advance(1000)
  await bob.registers()
  w.ladder.assert(`
    1000 bob -> gw REGISTER
    1000 gw -> bob 200 REGISTER
  `)
  await carol.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('carol does not answer what she has picked up and the caller gives up: her phone is cancelled', async () => {
  const { w, alice, carol } = await ringing()
  await carol.invites('*8bob')
  w.ladder.clear()
  await alice.cancels()
  w.ladder.assert(`
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> carol CANCEL
    0 carol -> gw 200 CANCEL
    0 carol -> gw 487 INVITE
    0 gw -> carol ACK
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
  `)
  assert.equal(carol.incoming.at(-1)?.state, 'ended')
  await w.assertQuiet()
  await w.stop()
})

test('carol declines what she has picked up: the caller hears it at once', async () => {
  const { w, alice, carol } = await ringing()
  await carol.invites('*8bob')
  await w.advance(1)
  await carol.declines(486)
  assert.equal(alice.finalStatus, 486)
  await w.assertQuiet()
  await w.stop()
})

test('nothing rings at bob: carol hears 480, and nobody else anything', async () => {
  const w = await world({ app: callPickup })
  const carol = await w.phone('carol')
  await carol.registers()
  w.ladder.clear()
  await carol.invites('*8bob')
  w.ladder.assert(`
    0 carol -> gw INVITE *8bob
    0 gw -> function /invite/example.com/*8bob
    0 gw -> carol 480 INVITE
    0 carol -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('a call that bob has answered cannot be picked up', async () => {
  const { w, alice, bob, carol } = await ringing()
  await bob.answers()
  await carol.invites('*8bob')
  assert.equal(carol.finalStatus, 480)
  assert.equal(carol.incoming.length, 0)
  assert.equal(w.gateway.counts().dialogs, 1)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('two pick up at once: one gets the call, and nobody is left ringing', async () => {
  const { w, alice, carol } = await ringing()
  const dave = await w.phone('dave')
  await dave.registers()
  await Promise.all([carol.invites('*8bob'), dave.invites('*8bob')])
  const taker = carol.incoming.some(({ state }) => state === 'ringing') ? carol : dave
  await taker.answers()
  assert.equal(alice.finalStatus, 200)
  assert.ok(![...carol.incoming, ...dave.incoming].some(({ state }) => state === 'ringing'))
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('pick-up by a phone that is not registered: the call comes to the Contact it has called with', async () => {
  const { w, alice } = await ringing()
  const erin = await w.phone('erin')
  await erin.invites('*8bob')
  await erin.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('pick-up over TCP comes back on the connection carol has registered with (RFC 5923)', async () => {
  const w = await world({ app: callPickup })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  const carol = await w.phone('carol', { transport: 'tcp' })
  await bob.registers()
  await carol.registers()
  await alice.invites('bob')
  await carol.invites('*8bob')
  await carol.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
