import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import { FakeClock } from '../support/fake-clock.ts'
import type { Phone } from '../support/phone.ts'
import { type World, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

const WAIT_MS = 25_000

/** Waits for bob's phone and rings it; 480 when it does not come. */
function waiting(): SipRouter {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', async (call) => {
    const registered = call.wait('contact.registered', { aor: call.aor }, WAIT_MS)
    call.push()
    const phone = await registered
    if (phone) call.fork(phone.contact)
    else call.reply(480)
  })
  return sip
}

/** The same functions, but each answer takes `ms` to come. */
function slowly(sip: SipRouter, ms: number, clock: FakeClock) {
  return {
    fetch: async (request: Request, env?: unknown) => {
      const response = await sip.fetch(request, env)
      if (request.method === 'POST') await new Promise<void>((resolve) => clock.after(ms, resolve))
      return response
    },
  }
}

async function suspended(slowMs = 0): Promise<{ w: World; alice: Phone; phone: Phone }> {
  const clock = new FakeClock()
  const w = await world({ app: slowMs === 0 ? waiting() : slowly(waiting(), slowMs, clock), clock })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await phone.moveTo(5070)
  w.ladder.clear()
  return { w, alice, phone }
}

test('a REGISTER just before the snapshot is in call.contacts, and does not end the wait', async () => {
  const { w, alice, phone } = await suspended()
  await phone.registers()
  await alice.invites('bob')
  assert.deepEqual(
    w.invocations[0]?.data.contacts.map(({ uri }) => uri),
    [phone.shownContact],
  )
  await w.advance(WAIT_MS)
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER between the snapshot and the moment the wait is stored resumes the call', async () => {
  const { w, alice, phone } = await suspended(1000)
  await alice.invites('bob')
  await w.advance(600)
  await phone.registers()
  await w.advance(400)
  await w.advance(1000)
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    200 gw -> alice 100
    600 phone -> gw REGISTER
    600 gw -> phone 200 REGISTER
    1000 gw -> push urn:uuid:phone
    1000 gw -> alice 182
    1000 gw -> function /invite/example.com/bob wait.resumed
    2000 gw -> phone INVITE bob
    2000 phone -> gw 180
    2000 gw -> alice 180
  `)
  await phone.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER in the millisecond in which a late answer arms the wait resumes the call, in both orders', async () => {
  for (const order of ['register first', 'answer first'] as const) {
    const { w, alice, phone } = await suspended(1000)
    if (order === 'register first') w.clock.after(1000, () => void phone.registers())
    await alice.invites('bob')
    await w.advance(999)
    if (order === 'answer first') w.clock.after(1, () => void phone.registers())
    await w.advance(2000)
    assert.equal(w.invocations.length, 2, order)
    assert.equal(w.ladder.count('gw -> phone INVITE'), 1, order)
    await phone.answers()
    assert.equal(alice.finalStatus, 200, order)
    await alice.hangsUp()
    await w.assertQuiet()
    await w.stop()
  }
})

test('the deadline passes in the millisecond of the REGISTER: exactly one of them resumes the call, in both orders', async () => {
  for (const order of ['register first', 'deadline first'] as const) {
    const { w, alice, phone } = await suspended()
    if (order === 'register first') w.clock.after(WAIT_MS, () => void phone.registers())
    await alice.invites('bob')
    await w.advance(WAIT_MS - 1)
    if (order === 'deadline first') w.clock.after(1, () => void phone.registers())
    await w.advance(1)
    assert.equal(w.invocations.length, 2, order)
    assert.equal(w.invocations[1]?.type, order === 'register first' ? 'wait.resumed' : 'wait.timed_out', order)
    if (order === 'register first') await phone.answers()
    assert.equal(alice.finalStatus, order === 'register first' ? 200 : 480, order)
    if (order === 'register first') await alice.hangsUp()
    await w.assertQuiet()
    await w.stop()
  }
})

test('deadline and REGISTER with nothing between them, not even a turn of the event loop: exactly one resumes the call', async () => {
  for (const order of ['register first', 'deadline first'] as const) {
    const { w, alice, phone } = await suspended()
    if (order === 'register first') w.clock.after(WAIT_MS, () => void phone.registers())
    await alice.invites('bob')
    await w.advance(WAIT_MS - 1)
    if (order === 'deadline first') w.clock.after(1, () => void phone.registers())
    w.clock.advanceSync(1)
    await w.advance(0)
    assert.equal(w.invocations.length, 2, order)
    const isRung = w.ladder.count('gw -> phone INVITE') === 1
    if (isRung) await phone.answers()
    assert.equal(alice.finalStatus, isRung ? 200 : 480, order)
    if (isRung) await alice.hangsUp()
    await w.assertQuiet()
    await w.stop()
  }
})

test('CANCEL in the millisecond of the REGISTER: the caller hears 487, and no phone is left ringing, in both orders (RFC 3261 9.2)', async () => {
  for (const order of ['register first', 'cancel first'] as const) {
    const { w, alice, phone } = await suspended()
    await alice.invites('bob')
    await w.advance(3000)
    await Promise.all(
      order === 'register first' ? [phone.registers(), alice.cancels()] : [alice.cancels(), phone.registers()],
    )
    await w.advance(1000)
    assert.equal(alice.finalStatus, 487, order)
    assert.equal(w.ladder.count('gw -> phone INVITE'), w.ladder.count('gw -> phone CANCEL'), order)
    await w.assertQuiet()
    await w.stop()
  }
})

test('CANCEL in the millisecond of the deadline: 487 or 480, one final response, in both orders', async () => {
  for (const order of ['cancel first', 'deadline first'] as const) {
    const { w, alice } = await suspended()
    if (order === 'cancel first') w.clock.after(WAIT_MS, () => void alice.cancels())
    await alice.invites('bob')
    await w.advance(WAIT_MS - 1)
    if (order === 'deadline first') w.clock.after(1, () => void alice.cancels())
    await w.advance(1)
    assert.equal(alice.finalStatus, order === 'cancel first' ? 487 : 480, order)
    assert.equal(w.ladder.count('gw -> alice 200 CANCEL'), 1, order)
    await w.assertQuiet()
    await w.stop()
  }
})

test('two REGISTERs in one millisecond resume the call once', async () => {
  const { w, alice, phone } = await suspended()
  const tablet = await w.phone('tablet', { user: 'bob', instance: 'urn:uuid:tablet' })
  await alice.invites('bob')
  await Promise.all([phone.registers(), tablet.registers()])
  assert.equal(w.invocations.length, 2)
  assert.equal(w.ladder.count('gw -> phone INVITE'), 1)
  assert.equal(w.ladder.count('gw -> tablet INVITE'), 0)
  await phone.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER between the snapshot of a later invocation and the moment its wait is stored resumes the call', async () => {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', async (call) => {
    await call.ring('sip:desk@10.0.0.99', { for: '1s' })
    const phone = await call.wait('contact.registered', { aor: call.aor }, '10s')
    if (phone) call.fork(phone.contact)
    else call.reply(480)
  })
  const clock = new FakeClock()
  const w = await world({ app: slowly(sip, 1000, clock), clock })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await w.advance(1500)
  const again = w.invocations.length
  await phone.wakes()
  await w.advance(3000)
  assert.ok(again >= 2)
  assert.equal(w.ladder.count('gw -> phone INVITE'), 1)
  await phone.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
