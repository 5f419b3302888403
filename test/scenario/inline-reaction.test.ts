import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fork, fromEvent, SipRouter } from 'rouse'
import type { FunctionApp } from '../../gateway/invocation/in-process.ts'
import { world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** Push wake-up whose late fork needs no invocation. */
function inline(): SipRouter {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))], { for: '30s' })
    call.push()
    call.fork(call.contacts)
    call.halt('30s')
  })
  return sip
}

test('REGISTER sets off the late INVITE with no invocation at all', async () => {
  const w = await world({ app: inline() })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(1000)
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    1000 phone -> gw REGISTER
    1000 gw -> phone 200 REGISTER
    1000 gw -> phone INVITE bob
    1000 phone -> gw 180
    1000 gw -> alice 180
    1000 phone -> gw 200 INVITE
    1000 gw -> alice 200 INVITE
    1000 alice -> gw ACK
    1000 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('REGISTER sets off the late INVITE while the function is down', async () => {
  let isDown = false
  const app = inline()
  const flaky: FunctionApp = {
    fetch: (request, env) => (isDown ? new Response('', { status: 503 }) : app.fetch(request, env)),
  }
  const w = await world({ app: flaky })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  isDown = true
  await w.advance(1000)
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(w.invocations.length, 1)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the same device registers from three addresses: an inline reaction leaves one live branch, too (RFC 5626 6)', async () => {
  const w = await world({ app: inline() })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  w.ladder.clear()
  await phone.wakes()
  await phone.wakes()
  await phone.wakes()
  assert.equal(w.ladder.count('gw -> phone INVITE'), 3)
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('an inline reaction has happened before the phone could answer anything else: REGISTER in the same millisecond as CANCEL, both orders', async () => {
  for (const order of ['register first', 'cancel first'] as const) {
    const w = await world({ app: inline() })
    const alice = await w.phone('alice')
    const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
    await phone.moveTo(5070)
    await alice.invites('bob')
    w.ladder.clear()
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

test('a reaction fires only for the AOR it has named', async () => {
  const w = await world({ app: inline() })
  const alice = await w.phone('alice')
  const carol = await w.phone('carol')
  await alice.invites('bob')
  await carol.registers()
  assert.equal(w.ladder.count('gw -> carol INVITE'), 0)
  await w.advance(30_000)
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})
