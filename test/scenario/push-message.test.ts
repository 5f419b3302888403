import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { Phone } from '../support/phone.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** Requests outside of a dialog that are no call, to phones that sleep: RFC 8599 5.6.2, within Timer F of their sender. */

async function bobSleeps(options: WorldOptions = {}, transport: 'udp' | 'tcp' = 'udp') {
  const w = await world(options)
  const alice = await w.phone('alice')
  const bob = await sleepingPhone(w, 'bob', { transport })
  w.ladder.clear()
  return { w, alice, bob }
}

function statuses(phone: Phone, method: string): number[] {
  return phone.received.filter((one) => !one.isRequest && one.method === method).map(({ status }) => status)
}

test('without a function a MESSAGE wakes the phone that makes no sound, and reaches it where it registers', async () => {
  const { w, alice, bob } = await bobSleeps()
  await alice.messages('bob', 'Hello')
  await w.advance(4000)
  await bob.wakes()
  w.ladder.assert(`
    0 alice -> gw MESSAGE bob
    1500 gw -> push urn:uuid:bob
    4000 bob -> gw REGISTER
    4000 gw -> bob 200 REGISTER
    4000 gw -> bob MESSAGE bob
    4000 bob -> gw 200 MESSAGE
    4000 gw -> alice 200 MESSAGE
  `)
  assert.equal(w.pushes[0]!.purpose, 'request')
  await w.assertQuiet()
  await w.stop()
})

for (const method of ['SUBSCRIBE', 'NOTIFY', 'PUBLISH'])
  test(`a ${method} to a phone whose connection is gone is held until it registers`, async () => {
    const { w, alice, bob } = await bobSleeps({}, 'tcp')
    await alice.requests(method, 'sip:bob@example.com', { headers: [['Event', 'presence']] })
    await w.advance(20_000)
    assert.equal(w.pushes.length, 1)
    await bob.connect()
    await bob.registers()
    assert.deepEqual(statuses(alice, method), [200])
    await w.assertQuiet()
    await w.stop()
  })

test('the phone that does not come in time is 480 before its sender gives up', async () => {
  const { w, alice } = await bobSleeps()
  await alice.messages('bob', 'Hello')
  await w.advance(23_000)
  assert.deepEqual(statuses(alice, 'MESSAGE'), [])
  await w.advance(2000)
  assert.deepEqual(statuses(alice, 'MESSAGE'), [480])
  await w.assertQuiet()
  await w.stop()
})

test('whoever has another phone that takes it is not woken', async () => {
  const { w, alice } = await bobSleeps()
  const desk = await w.phone('desk', { user: 'bob' })
  await desk.registers()
  await alice.messages('bob', 'Hello')
  await w.advance(30_000)
  assert.deepEqual(statuses(alice, 'MESSAGE'), [200])
  assert.deepEqual(w.pushes, [])
  await w.assertQuiet()
  await w.stop()
})

test('a phone that unregistered to be woken is pushed at once; one that just unregistered is not', async () => {
  const w = await world()
  const alice = await w.phone('alice')
  const bob = await sleepingPhone(w, 'bob')
  await bob.moveTo(5070)
  const unregister = (parameters: string) =>
    bob.registers({ expires: 0, contact: `<${bob.contact}${parameters}>;+sip.instance="<urn:uuid:bob>";expires=0` })
  await unregister(';pn-keep')
  await alice.messages('bob', 'Hello')
  assert.equal(w.pushes.length, 1)
  await bob.registers()
  assert.deepEqual(statuses(alice, 'MESSAGE'), [200])
  await unregister('')
  await alice.messages('bob', 'Hello')
  assert.deepEqual(statuses(alice, 'MESSAGE'), [200, 480])
  assert.equal(w.pushes.length, 1)
  await w.assertQuiet()
  await w.stop()
})

test('an OPTIONS wakes nobody', async () => {
  const { w, alice } = await bobSleeps()
  await alice.requests('OPTIONS', 'sip:bob@example.com')
  await w.advance(35_000)
  assert.deepEqual(w.pushes, [])
  await w.assertQuiet()
  await w.stop()
})

test('a function that pushes and waits for the phone has its MESSAGE delivered, within Timer F', async () => {
  const app = new SipRouter().message('/:domain/:user', (async (call: Call) => {
    const registered = call.wait('contact.registered', { aor: call.aor }, '20s')
    call.push(call.aor)
    const phone = await registered
    if (phone) call.fork(phone.contact)
    else call.reply(480)
  }) as (call: unknown) => Promise<void>)
  const { w, alice, bob } = await bobSleeps({ app })
  await alice.messages('bob', 'Hello')
  await w.advance(10_000)
  assert.equal(w.pushes.length, 1)
  await bob.wakes()
  assert.deepEqual(statuses(alice, 'MESSAGE'), [200])
  await bob.vanish()
  await alice.messages('bob', 'Are you there?')
  await w.advance(21_000)
  assert.deepEqual(statuses(alice, 'MESSAGE'), [200, 480])
  await w.assertQuiet()
  await w.stop()
})
