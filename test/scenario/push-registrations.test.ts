import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import pushWakeUp, { pushWakeUp as addPushWakeUp } from '../../functions/examples/push-wake-up.ts'
import { world } from '../support/world.ts'
import { pushable, registeredLongAgo, sleepingPhone } from './cast.ts'
import { authorization } from './digest.ts'

/** The push wake-up for phones that have to show who they are. */
function authenticated(): SipRouter {
  const sip = new SipRouter()
  sip.register('/:domain/:user', async (call) => {
    const user = await call.authenticate({
      realm: 'example.com',
      user: (name) => (name === 'bob' ? 'secret' : undefined),
    })
    if (user !== undefined) call.save()
  })
  addPushWakeUp(sip)
  return sip
}

test('a REGISTER that only refreshes wakes the call as well as a new one (RFC 8599 4.1)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', { user: 'bob', ...pushable('phone') })
  await phone.registers()
  w.network.silent(phone.options.address, 5060)
  await registeredLongAgo(w)
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(700)
  w.network.restore(phone.options.address, 5060)
  await phone.registers()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    700 phone -> gw REGISTER
    700 gw -> phone 200 REGISTER
    700 gw -> function /on/late-fork subscription.matched
    700 gw -> phone INVITE bob
    700 phone -> gw 180
    700 gw -> alice 180
    700 phone -> gw 200 INVITE
    700 gw -> alice 200 INVITE
    700 alice -> gw ACK
    700 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('the same device registers from three addresses: one live branch, one INVITE to each place, the earlier ones given up (RFC 5626 6)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  const places: number[] = []
  w.network.onDatagram((_from, to, octets) => {
    if (to.address === phone.options.address && Buffer.from(octets).toString().startsWith('INVITE'))
      places.push(to.port)
    return false
  })
  for (let place = 1; place <= 3; place++) {
    await w.advance(200)
    await phone.wakes()
  }
  assert.deepEqual(places, [5070, 5080, 5090])
  const branches = w.newestCall.branches as { state: string; uri: string }[]
  assert.deepEqual(
    branches.filter(({ state }) => state === 'ringing').map(({ uri }) => uri),
    [phone.shownContact],
  )
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a phone that rings and refreshes from the same place is not rung again', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await phone.wakes()
  w.ladder.clear()
  await w.advance(300)
  await phone.registers()
  w.ladder.assert(`
    300 phone -> gw REGISTER
    300 gw -> phone 200 REGISTER
    300 gw -> function /on/late-fork subscription.matched
  `)
  await phone.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('an unauthenticated REGISTER wakes nobody, the authenticated one does, with one branch (RFC 3261 10.3 step 3, RFC 8760)', async () => {
  const w = await world({ app: authenticated() })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', { user: 'bob', ...pushable('phone') })
  await alice.invites('bob')
  w.ladder.clear()
  await w.advance(1000)
  const challenge = await phone.registers()
  assert.equal(challenge.status, 401)
  await w.advance(1000)
  await phone.registers({
    headers: [
      authorization(challenge, { method: 'REGISTER', uri: 'sip:example.com', username: 'bob', password: 'wrong' }),
    ],
  })
  await w.advance(1000)
  await phone.registers({
    headers: [
      authorization(challenge, { method: 'REGISTER', uri: 'sip:example.com', username: 'bob', password: 'secret' }),
    ],
  })
  await phone.answers()
  w.ladder.assert(`
    1000 phone -> gw REGISTER
    1000 gw -> function /register/example.com/bob
    1000 gw -> phone 401 REGISTER
    2000 phone -> gw REGISTER
    2000 gw -> function /register/example.com/bob
    2000 gw -> phone 401 REGISTER
    3000 phone -> gw REGISTER
    3000 gw -> function /register/example.com/bob
    3000 gw -> phone 200 REGISTER
    3000 gw -> function /on/late-fork subscription.matched
    3000 gw -> phone INVITE bob
    3000 phone -> gw 180
    3000 gw -> alice 180
    3000 phone -> gw 200 INVITE
    3000 gw -> alice 200 INVITE
    3000 alice -> gw ACK
    3000 gw -> phone ACK
  `)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER that is refused wakes nobody: 423 (RFC 3261 10.3 step 7), 404 for another domain (step 1), 400', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  const stranger = await w.phone('stranger', { user: 'bob', domain: 'elsewhere.example' })
  await alice.invites('bob')
  w.ladder.clear()
  await bob.registers({ expires: 10 })
  await stranger.registers()
  await bob.registers({ contact: '*' })
  await bob.registers({ headers: [['Require', 'unheard-of']] })
  w.ladder.assert(`
    0 bob -> gw REGISTER
    0 gw -> bob 423 REGISTER
    0 stranger -> gw REGISTER
    0 gw -> stranger 404 REGISTER
    0 bob -> gw REGISTER
    0 gw -> bob 400 REGISTER
    0 bob -> gw REGISTER
    0 gw -> bob 420 REGISTER
  `)
  await w.advance(30_000)
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})

test('a REGISTER that removes the contact wakes nobody (RFC 3261 10.2.2)', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await phone.moveTo(5070)
  w.ladder.clear()
  await phone.registers({ expires: 0 })
  await w.advance(30_000)
  w.ladder.assert(`
    0 phone -> gw REGISTER
    0 gw -> phone 200 REGISTER
    30000 gw -> alice 480 INVITE
    30000 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})
