import assert from 'node:assert/strict'
import { test } from 'node:test'
import pushWakeUp from '../../functions/examples/push-wake-up.ts'
import type { PushOptions } from '../../functions/sdk/actions.ts'
import { SipRouter } from '../../functions/sdk/index.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { pushable, sleepingPhone } from './cast.ts'

async function sleeping(options: WorldOptions, names = ['phone']) {
  const w = await world(options)
  const alice = await w.phone('alice')
  const phones = []
  for (const name of names) phones.push(await sleepingPhone(w, name, { user: 'bob' }))
  w.ladder.clear()
  return { w, alice, phone: phones[0]!, phones }
}

function pushes(options: PushOptions) {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', { for: '30s' })
    call.push(call.aor, undefined, options)
    call.fork(call.contacts)
    call.halt('30s')
  })
  app.on('late-fork', (call, event) => call.fork(event.contact))
  return app
}

const dead = { outcome: 'token_invalid', error: 'UNREGISTERED' } as const

test('every token is dead: the call ends at once and not at the deadline, and the phone is not pushed again until it registers', async () => {
  let isDead = true
  const { w, alice, phone } = await sleeping({ app: pushWakeUp, push: () => (isDead ? dead : { outcome: 'accepted' }) })
  for (let call = 0; call < 2; call++) {
    await alice.invites('bob')
    await w.advance(100)
    assert.equal(alice.finalStatus, 480)
  }
  assert.equal(w.pushes.length, 1)
  isDead = false
  await phone.wakes()
  await phone.vanish()
  await w.advance(10_000)
  await alice.invites('bob')
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(w.pushes.length, 2)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('one of two tokens is dead: the other phone is waited for', async () => {
  const { w, alice, phones } = await sleeping(
    { app: pushWakeUp, push: ({ device }) => (device.includes('one') ? dead : { outcome: 'accepted' }) },
    ['one', 'two'],
  )
  await alice.invites('bob')
  await w.advance(5000)
  assert.equal(alice.finalStatus, 0)
  await phones[1]!.wakes()
  await phones[1]!.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('await call.wait ends before its time when no device is left, and the handler is told why', async () => {
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
    call.push(call.aor)
    const phone = await registered
    call.reply(phone ? 200 : 480, call.noDevice ? 'No Device' : 'Nobody Came')
  })
  const { w, alice } = await sleeping({ app, push: () => dead })
  await alice.invites('bob')
  await w.advance(10)
  assert.equal(alice.last(({ status }) => status === 480).start, 'SIP/2.0 480 No Device')
  await w.assertQuiet()
  await w.stop()
})

test('the caller hangs up before the phone has come: it is told by a push', async () => {
  const { w, alice } = await sleeping({ app: pushWakeUp })
  await alice.invites('bob')
  await w.advance(4000)
  await alice.cancels()
  const [wakes, cancels] = w.pushes
  assert.deepEqual([wakes!.purpose, cancels!.purpose, cancels!.reason], ['call', 'cancel', 'caller_gone'])
  assert.equal(cancels!.call!.id, wakes!.call!.id)
  assert.equal(cancels!.ttlSeconds, 26)
  await w.assertQuiet()
  await w.stop()
})

test('Apple has no push for that: a phone that wakes too late gets INVITE and CANCEL, and nothing after the push has expired', async () => {
  const { w, alice, phone } = await sleeping({
    app: pushWakeUp,
    push: ({ purpose }) => ({ outcome: purpose === 'cancel' ? 'unsupported' : 'accepted' }),
  })
  await alice.invites('bob')
  await w.advance(4000)
  await alice.cancels()
  await w.advance(1000)
  await phone.wakes()
  w.ladder.assert(
    `
    5000 phone -> gw REGISTER
    5000 gw -> phone 200 REGISTER
    5000 gw -> phone INVITE bob
    5000 phone -> gw 180
    5000 gw -> phone CANCEL
    5000 phone -> gw 200 CANCEL
    5000 phone -> gw 487 INVITE
    5000 gw -> phone ACK
  `,
    { from: 'phone -> gw REGISTER' },
  )
  const invite = phone.last(({ method, isRequest }) => isRequest && method === 'INVITE')
  assert.equal(invite.header('Push-Call-ID'), w.pushes[0]!.call!.id)
  assert.equal(
    phone.last(({ method }) => method === 'CANCEL').header('Reason'),
    'SIP;cause=487;text="Request Terminated"',
  )

  await phone.vanish()
  await w.advance(20_000)
  await alice.invites('bob')
  await w.advance(4000)
  await alice.cancels()
  await w.advance(26_000)
  w.ladder.clear()
  await phone.wakes()
  assert.equal(w.ladder.count('INVITE'), 0)
  await w.assertQuiet()
  await w.stop()
})

test('answered elsewhere: the phone that sleeps is told so, by INVITE and CANCEL with that Reason where there is no push for it (RFC 3326)', async () => {
  const { w, alice, phones } = await sleeping(
    { app: pushWakeUp, push: ({ purpose }) => ({ outcome: purpose === 'cancel' ? 'unsupported' : 'accepted' }) },
    ['one', 'two'],
  )
  const [one, two] = phones as [(typeof phones)[0], (typeof phones)[0]]
  await alice.invites('bob')
  await w.advance(1000)
  await one!.wakes()
  await one!.answers()
  assert.equal(alice.finalStatus, 200)
  assert.deepEqual(w.pushes.map(({ purpose, reason, device }) => [purpose, reason, device]).at(-1), [
    'cancel',
    'answered_elsewhere',
    'urn:uuid:two',
  ])
  await w.advance(1000)
  await two!.wakes()
  await w.advance(100)
  assert.equal(
    two!.last(({ method }) => method === 'CANCEL').header('Reason'),
    'SIP;cause=200;text="Call completed elsewhere"',
  )
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a phone that rings within the time it is given is not pushed, one that is silent is', async () => {
  const w = await world({ app: pushes({ skipIfRingingWithin: '2s' }) })
  const alice = await w.phone('alice')
  const awake = await w.phone('awake', { user: 'bob', ...pushable('awake') })
  await awake.registers()
  await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await w.advance(1999)
  assert.equal(w.pushes.length, 0)
  await w.advance(1)
  assert.deepEqual(
    w.pushes.map(({ device }) => device),
    ['urn:uuid:phone'],
  )
  await awake.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a phone that registered a moment ago has a second to ring before it is pushed; a call that ends meanwhile pushes nobody', async () => {
  const w = await world({ app: pushWakeUp })
  const alice = await w.phone('alice')
  const phone = await w.phone('phone', { user: 'bob', ...pushable('phone') })
  await phone.registers()
  await alice.invites('bob')
  await w.advance(2000)
  assert.equal(w.pushes.length, 0)
  await alice.cancels()
  await phone.vanish()
  await alice.invites('bob')
  await w.advance(500)
  await alice.cancels()
  await w.advance(5000)
  assert.equal(w.pushes.length, 0)
  await alice.invites('bob')
  await w.advance(1000)
  assert.equal(w.pushes.length, 1)
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('while phones wake the caller hears what the handler says, and how far the pushes are', async () => {
  const said = async (options: PushOptions) => {
    const { w, alice } = await sleeping(
      {
        app: pushes(options),
        push: ({ device }) => (device.includes('one') ? { outcome: 'failed', error: 'x' } : { outcome: 'accepted' }),
      },
      ['one', 'two'],
    )
    await alice.invites('bob')
    await w.advance(10)
    const heard = alice.received
      .filter(({ status }) => status > 100)
      .map((each) => `${each.status} ${each.header('Push-Status') ?? ''}`.trim())
    await alice.cancels()
    await w.assertQuiet()
    await w.stop()
    return heard
  }
  assert.deepEqual(await said({}), ['182'])
  assert.deepEqual(await said({ progress: 180 }), ['180'])
  assert.deepEqual(await said({ progress: false }), [])
  const reported = await said({ reportStatus: true })
  assert.equal(reported[0], '182 waking;sent=1;accepted=0;failed=0;invalid=0')
  assert.equal(reported.at(-1), '182 waking;sent=2;accepted=1;failed=1;invalid=0')
})

test('the INVITE that a woken phone gets has the name that its push had; other calls have none', async () => {
  const { w, alice, phone } = await sleeping({ app: pushWakeUp })
  await alice.invites('bob')
  await phone.wakes()
  const invite = phone.last(({ method, isRequest }) => isRequest && method === 'INVITE')
  const { call } = w.pushes[0]!
  assert.equal(invite.header('Push-Call-ID'), call!.id)
  assert.doesNotMatch(call!.id, /@|alice|bob/)
  await phone.answers()
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('a phone that rings is not pushed, and the call stays open for who comes late, also when another token is dead', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', async (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, 'late-fork', { for: '30s' })
    call.fork(call.contacts)
    call.halt('30s')
    await call.wait('never', {}, '2s')
    call.push(call.aor)
  })
  app.on('late-fork', (call, event) => call.fork(event.contact))
  const { w, alice } = await sleeping({ app, push: () => dead }, ['gone'])
  const awake = await w.phone('awake', { user: 'bob', ...pushable('awake') })
  await awake.registers()
  await alice.invites('bob')
  await w.advance(3000)
  assert.deepEqual(
    w.pushes.map(({ device }) => device),
    ['urn:uuid:gone'],
  )
  await awake.declines(480)
  const late = await w.phone('late', { user: 'bob', instance: 'urn:uuid:late' })
  await late.registers()
  await late.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
