import assert from 'node:assert/strict'
import { test } from 'node:test'
import defaultApp, { createApp } from '../../functions/examples/app.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

const app = createApp({ ringFor: '2s', wakeFor: '5s', messageFor: '3s' })

/** alice is there, bob has a desk phone that is awake. */
async function started(options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob', { instance: 'urn:uuid:desk' })
  await alice.registers()
  await bob.registers()
  w.ladder.clear()
  return { w, alice, bob }
}

test('every user of the domain may register and be called, with the durations that ship', async () => {
  const { w, alice, bob } = await started({ app: defaultApp })
  await alice.invites('bob')
  await bob.answers()
  await bob.hangsUp()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> bob INVITE bob
    0 bob -> gw 180
    0 gw -> alice 180
    0 bob -> gw 200 INVITE
    0 gw -> alice 200 INVITE
    0 alice -> gw ACK
    0 gw -> bob ACK
    0 bob -> gw BYE
    0 gw -> alice BYE
    0 alice -> gw 200 BYE
    0 gw -> bob 200 BYE
  `)
  await w.assertQuiet()
  await w.stop()
})

test('a call wakes the phone that sleeps, and hears 480 when it does not come', async () => {
  const { w, alice } = await started()
  const carol = await sleepingPhone(w, 'carol')
  w.ladder.clear()
  await alice.invites('carol')
  await w.advance(1000)
  await carol.wakes()
  await carol.answers()
  await alice.hangsUp()
  w.ladder.assert(`
    0 alice -> gw INVITE carol
    0 gw -> function /invite/example.com/carol
    0 gw -> push urn:uuid:carol
    0 gw -> alice 182
    1000 carol -> gw REGISTER
    1000 gw -> carol 200 REGISTER
    1000 gw -> function /on/late-fork subscription.matched
    1000 gw -> carol INVITE carol
    1000 carol -> gw 180
    1000 gw -> alice 180
    1000 carol -> gw 200 INVITE
    1000 gw -> alice 200 INVITE
    1000 alice -> gw ACK
    1000 gw -> carol ACK
    1000 alice -> gw BYE
    1000 gw -> carol BYE
    1000 carol -> gw 200 BYE
    1000 gw -> alice 200 BYE
  `)
  await carol.vanish()
  await alice.invites('carol')
  await w.advance(5000)
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})

test('bob is busy and has no phone that sleeps: the caller hears it at once (RFC 3261 16.7)', async () => {
  const { w, alice, bob } = await started()
  await alice.invites('bob')
  await bob.declines()
  assert.equal(alice.finalStatus, 486)
  await w.assertQuiet()
  await w.stop()
})

test('a call or a message to a user of another domain is 404: this is no open relay (RFC 3261 16.5, 21.4.5)', async () => {
  const { w, alice } = await started()
  await alice.invites('bob', { domain: 'elsewhere.example' })
  await alice.messages('bob', 'hello', { domain: 'elsewhere.example' })
  await alice.invites('*43bob', { domain: 'elsewhere.example' })
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/elsewhere.example/bob
    0 gw -> alice 404 INVITE
    0 alice -> gw ACK
    0 alice -> gw MESSAGE bob
    0 gw -> function /message/elsewhere.example/bob
    0 gw -> alice 404 MESSAGE
    0 alice -> gw INVITE *43bob
    0 gw -> function /invite/elsewhere.example/*43bob
    0 gw -> alice 404 INVITE
    0 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER for another domain is 404 (RFC 3261 10.3 step 1)', async () => {
  const { w } = await started()
  const mallory = await w.phone('mallory', { domain: 'elsewhere.example' })
  assert.equal((await mallory.registers()).status, 404)
  await w.assertQuiet()
  await w.stop()
})

test('MESSAGE to a phone that is awake is delivered and answered by it (RFC 3428)', async () => {
  const { w, alice, bob } = await started()
  await alice.messages('bob', 'hello')
  w.ladder.assert(`
    0 alice -> gw MESSAGE bob
    0 gw -> function /message/example.com/bob
    0 gw -> bob MESSAGE bob
    0 bob -> gw 200 MESSAGE
    0 gw -> alice 200 MESSAGE
  `)
  assert.equal(bob.last(({ method }) => method === 'MESSAGE').body, 'hello')
  await w.assertQuiet()
  await w.stop()
})

test('MESSAGE to a phone that sleeps waits for it to wake (RFC 3428, RFC 8599)', async () => {
  const { w, alice } = await started()
  const carol = await sleepingPhone(w, 'carol')
  w.ladder.clear()
  await alice.messages('carol', 'good morning')
  await w.advance(1500)
  await carol.wakes()
  w.ladder.assert(`
    0 alice -> gw MESSAGE carol
    0 gw -> function /message/example.com/carol
    0 gw -> push urn:uuid:carol
    1500 carol -> gw REGISTER
    1500 gw -> carol 200 REGISTER
    1500 gw -> function /on/late-fork subscription.matched
    1500 gw -> carol MESSAGE carol
    1500 carol -> gw 200 MESSAGE
    1500 gw -> alice 200 MESSAGE
  `)
  assert.equal(carol.last(({ method }) => method === 'MESSAGE').body, 'good morning')
  await w.assertQuiet()
  await w.stop()
})

test('MESSAGE to a phone that never wakes is 480 when the wait is over, while its sender still listens (RFC 3261 17.1.2.2)', async () => {
  const { w, alice } = await started()
  await sleepingPhone(w, 'carol')
  w.ladder.clear()
  await alice.messages('carol', 'good morning')
  await w.advance(3000)
  w.ladder.assert(`
    0 alice -> gw MESSAGE carol
    0 gw -> function /message/example.com/carol
    0 gw -> push urn:uuid:carol
    3000 gw -> alice 480 MESSAGE
  `)
  await w.assertQuiet()
  await w.stop()
})

test('*8bob picks up the call that rings at bob; what was woken for it stays silent', async () => {
  const { w, alice, bob } = await started()
  const carol = await w.phone('carol')
  await carol.registers()
  await alice.invites('bob')
  await carol.invites('*8bob')
  await bob.registers()
  await carol.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(bob.incoming.length, 1)
  assert.equal(bob.incoming[0]?.state, 'ended')
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('whoever has picked up declines: the caller hears it at once, not when the wait for others would be over', async () => {
  const { w, alice } = await started()
  await sleepingPhone(w, 'phone', { user: 'bob' })
  const carol = await w.phone('carol')
  await alice.invites('bob')
  await carol.invites('*8bob')
  await w.advance(1)
  await carol.declines()
  assert.equal(alice.finalStatus, 486)
  await w.assertQuiet()
  await w.stop()
})

test('screen-bob is DTMF-screened: a digit other than 2 hangs up', async () => {
  const { w, alice } = await started()
  const fax = await w.phone('screen-fax')
  await fax.registers()
  await alice.invites('screen-fax')
  await fax.answers()
  await fax.presses('2')
  assert.equal(w.gateway.counts().dialogs, 1)
  await fax.presses('3')
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.assertQuiet()
  await w.stop()
})

test('*43bob shows the linear form: ring bob, push and wait, then 480', async () => {
  const { w, alice } = await started()
  await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  await alice.invites('*43bob')
  await w.advance(7000)
  w.ladder.assert(`
    0 alice -> gw INVITE *43bob
    0 gw -> function /invite/example.com/*43bob
    0 gw -> alice 100
    0 gw -> bob INVITE bob
    0 bob -> gw 180
    0 gw -> alice 180
    2000 gw -> function /invite/example.com/*43bob wait.timed_out
    2000 gw -> bob CANCEL
    2000 bob -> gw 200 CANCEL
    2000 bob -> gw 487 INVITE
    2000 gw -> push urn:uuid:phone
    2000 gw -> bob ACK
    7000 gw -> function /invite/example.com/*43bob wait.timed_out
    7000 gw -> alice 480 INVITE
    7000 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('*43bob: the phone that wakes in time is rung', async () => {
  const { w, alice } = await started()
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('*43bob')
  await w.advance(3000)
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('*43 alone is nobody: 480 when the wait is over', async () => {
  const { w, alice } = await started()
  await alice.invites('*43')
  await w.advance(7000)
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})

test('a user with an escaped name is called by it (RFC 3261 19.1.2)', async () => {
  const { w, alice } = await started()
  const joe = await w.phone('joe', { user: 'j%6Fe' })
  await joe.registers()
  await alice.invites('joe')
  await joe.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
