import assert from 'node:assert/strict'
import { test } from 'node:test'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import { shownRegistration } from '../../gateway/api/shown.ts'
import type { Phone } from '../support/phone.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { pushable } from './cast.ts'

/** A phone that unregisters when it is swiped away, and wants to be woken all the same: its de-registration carries `pn-keep`. */

async function swipedAway(options: WorldOptions = {}) {
  const w = await world(options)
  const alice = await w.phone('alice')
  const bob = await w.phone('bob', pushable('bob'))
  await bob.registers()
  await swipesAway(bob)
  w.ladder.clear()
  return { w, alice, bob }
}

async function swipesAway(phone: Phone): Promise<void> {
  const { instance } = phone.options
  const contact = `<${phone.contact};pn-keep>;+sip.instance="<${instance}>";expires=0`
  assert.equal((await phone.registers({ contact })).status, 200)
  await phone.vanish()
}

test('the function that calls it finds no contact, its push wakes it, and it rings when it registers', async () => {
  const { w, alice, bob } = await swipedAway({ app: pushWakeUp })
  await alice.invites('bob')
  await w.advance(2000)
  await bob.wakes()
  await bob.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:bob
    0 gw -> alice 182
    2000 bob -> gw REGISTER
    2000 gw -> bob 200 REGISTER
    2000 gw -> function /on/late-fork subscription.matched
    2000 gw -> bob INVITE bob
    2000 bob -> gw 180
    2000 gw -> alice 180
    2000 bob -> gw 200 INVITE
    2000 gw -> alice 200 INVITE
    2000 alice -> gw ACK
    2000 gw -> bob ACK
  `)
  const [invocation] = w.invocations
  assert.ok(invocation && 'contacts' in invocation.data)
  assert.deepEqual(invocation.data.contacts, [])
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('without a function nothing is sent to where it was: 480', async () => {
  const { w, alice } = await swipedAway()
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 480)
  assert.deepEqual(w.pushes, [])
  await w.assertQuiet()
  await w.stop()
})

test('people see that it sleeps; after a week without a word it is forgotten', async () => {
  const { w, bob } = await swipedAway()
  const shown = async () =>
    (await w.gateway.registration(bob.aor)).map((one) => {
      const { asleep, expires, push } = shownRegistration(one, w.clock.now())
      return { asleep, expires, push }
    })
  assert.deepEqual(await shown(), [{ asleep: true, expires: 604_800, push: { provider: 'fcm' } }])
  assert.equal((await w.gateway.registrations('', 10)).bindings.length, 1)
  await w.store.expire(w.clock.now() + 604_800_000, 10)
  assert.deepEqual(await shown(), [])
  await w.stop()
})

test('it wakes by a REGISTER of its own, too, and is then gone when it unregisters as usual', async () => {
  const { w, bob } = await swipedAway()
  await bob.wakes()
  assert.equal((await w.store.lookup(bob.aor)).bindings.length, 1)
  await bob.registers({ expires: 0 })
  assert.deepEqual(await w.gateway.registration(bob.aor), [])
  await w.stop()
})
