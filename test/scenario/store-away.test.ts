import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { Action } from '../../functions/contract/actions.ts'
import { Counters } from '../../gateway/observe/counters.ts'
import { StandbyStore } from '../../gateway/standby/standby-store.ts'
import { FragileLink } from '../support/fragile-link.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { ASLEEP_SINCE_MS, sleepingPhone } from './cast.ts'

/** The store is away, for seconds and for minutes, or slow: calls go on by what their gateway knows, and the store is told when it is back. */

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

/** Waits for the callee's phone and rings it; says what it saw when none comes. */
const waiting = routed(async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480, 'Nobody came')
})

/** Whoever is registered rings, and may be joined by others. */
const halted = routed((call) => {
  call.fork(call.contacts)
  call.halt('60s')
})

const telling = routed(async (call) => {
  const event = await call.wait('word', {}, '60s')
  call.reply(480, event ? `heard ${event.word}` : 'nothing came')
})

async function started(app: SipRouter | undefined, options: WorldOptions = {}) {
  const fragile = new FragileLink()
  const standby: { store?: StandbyStore } = {}
  const counted = new Counters()
  let made = 0
  const ids = { next: (kind: string) => `own-${kind}${++made}` }
  const w: World = await world({
    ...(app ? { app } : {}),
    link: (store, clock) => {
      standby.store = new StandbyStore({ store: fragile.link(store, clock), clock, ids, count: counted.count })
      return standby.store
    },
    ...options,
  })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, phone, fragile, counted, owed: () => standby.store!.owed }
}

/** An event from another gateway, which has a store. @returns how many subscriptions it met */
async function said(w: World, word: string): Promise<number> {
  const met = await w.store.publish([
    { id: w.ids.next('event'), type: 'word', time: w.clock.now(), attributes: { word } },
  ])
  await w.advance(0)
  return met
}

async function end(w: World): Promise<void> {
  await w.assertQuiet()
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

for (const minutes of [0, 5]) {
  test(`away for ${minutes} minutes and ten seconds: a call that waits hears its phone register at this gateway, which rings and is talked to`, async () => {
    const { w, alice, phone, fragile, owed } = await started(
      routed(async (call) => {
        const registered = await call.wait('contact.registered', { aor: call.aor }, '10m')
        if (registered) call.fork(registered.contact)
      }),
    )
    await alice.invites('bob')
    fragile.isAway = true
    await w.advance(minutes * 60_000 + 5000)
    w.ladder.clear()
    await phone.wakes()
    await w.advance(2000)
    await phone.answers()
    const at = minutes * 60_000
    w.ladder.assert(`
      ${at + 5000} phone -> gw REGISTER
      ${at + 5000} gw -> phone 200 REGISTER
      ${at + 5000} gw -> function /invite/example.com/bob wait.resumed
      ${at + 5000} gw -> phone INVITE bob
      ${at + 5000} phone -> gw 180
      ${at + 5000} gw -> alice 180
      ${at + 7000} phone -> gw 200 INVITE
      ${at + 7000} gw -> alice 200 INVITE
      ${at + 7000} alice -> gw ACK
      ${at + 7000} gw -> phone ACK
    `)
    await w.advance(3000)
    await fragile.comesBack()
    await w.advance(2000)
    assert.equal(owed(), 0)
    const [registered] = (await w.store.lookup('sip:bob@example.com')).bindings
    assert.equal(registered?.registeredAt, ASLEEP_SINCE_MS + at + 5000, 'the store knows where the phone is')
    assert.deepEqual(await w.store.suspended('gw'), [])
    await alice.hangsUp()
    await end(w)
  })
}

test('a call that comes while the store is away waits in memory: its phone is pushed, registers here, and rings', async () => {
  const { w, alice, phone, fragile } = await started(waiting)
  fragile.isAway = true
  await alice.invites('bob')
  await w.advance(4000)
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    4000 phone -> gw REGISTER
    4000 gw -> phone 200 REGISTER
    4000 gw -> function /invite/example.com/bob wait.resumed
    4000 gw -> phone INVITE bob
    4000 phone -> gw 180
    4000 gw -> alice 180
    4000 phone -> gw 200 INVITE
    4000 gw -> alice 200 INVITE
    4000 alice -> gw ACK
    4000 gw -> phone ACK
  `)
  await fragile.comesBack()
  await alice.hangsUp()
  await end(w)
})

test('a call that came while the store was away is written when it is back, and hears other gateways from then on', async () => {
  const { w, alice, fragile } = await started(telling)
  fragile.isAway = true
  await alice.invites('bob')
  await w.advance(12_000)
  assert.deepEqual(await w.store.suspended('gw'), [])
  await fragile.comesBack()
  await w.advance(5000)
  assert.equal((await w.store.suspended('gw')).length, 1)
  assert.equal(await said(w, 'go'), 1)
  assert.match(alice.outgoing!.final!.start, /heard go/)
  await end(w)
})

test('deadlines pass on time while the store is away, and the function decides', async () => {
  const { w, alice, fragile } = await started(waiting)
  await alice.invites('bob')
  await w.advance(5000)
  fragile.isAway = true
  const carol = await w.phone('carol')
  await carol.invites('bob')
  await w.advance(19_999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.match(alice.outgoing!.final!.start, /480 Nobody came/)
  await w.advance(5000)
  assert.match(carol.outgoing!.final!.start, /480 Nobody came/)
  await fragile.comesBack()
  await w.advance(2000)
  assert.deepEqual(await w.store.suspended('gw'), [], 'what ended meanwhile is released')
  await end(w)
})

test('a caller who gives up while the store is away hears 487, and what rang is cancelled', async () => {
  const { w, alice, phone, fragile } = await started(halted)
  await phone.wakes()
  await alice.invites('bob')
  fragile.isAway = true
  await w.advance(2000)
  await alice.cancels()
  assert.equal(alice.finalStatus, 487)
  assert.equal(phone.incoming[0]?.state, 'ended')
  await fragile.comesBack()
  await w.advance(2000)
  assert.deepEqual(await w.store.suspended('gw'), [])
  await end(w)
})

test('a phone that rings is answered while the store is away, and the call is talked on and ended', async () => {
  const { w, alice, phone, fragile } = await started(halted)
  await phone.wakes()
  await alice.invites('bob')
  fragile.isAway = true
  await w.advance(2000)
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await w.advance(60_000)
  await alice.hangsUp()
  assert.equal(w.gateway.counts().dialogs, 0)
  await fragile.comesBack()
  await end(w)
})

test('calls that need no new state are routed while the store is away: elsewhere, and to whoever was registered', async () => {
  const elsewhere = routed((call) => call.fork(call.to.uri.includes('carol') ? 'sip:carol@10.0.0.77' : call.contacts))
  for (const app of [elsewhere, undefined]) {
    const { w, alice, phone, fragile } = await started(app)
    const carol = await w.phone('carol', { address: '10.0.0.77' })
    await phone.wakes()
    fragile.isAway = true
    await w.advance(30_000)
    await alice.invites('bob')
    assert.equal(phone.incoming.length, 1)
    await phone.answers()
    await alice.hangsUp()
    if (app) {
      await alice.invites('carol')
      await carol.answers()
      await alice.hangsUp()
    }
    await fragile.comesBack()
    await end(w)
  }
})

test('a user of whom nothing is known while the store is away: 503 and when to try again, not 480', async () => {
  for (const app of [routed((call) => call.fork(call.contacts)), undefined]) {
    const { w, alice, fragile } = await started(app)
    fragile.isAway = true
    await alice.invites('dave')
    assert.equal(alice.finalStatus, 503)
    assert.equal(alice.outgoing?.final?.header('Retry-After'), '10')
    await fragile.comesBack()
    await alice.invites('dave')
    assert.equal(alice.finalStatus, 480)
    await end(w)
  }
})

test('a digit hangs up a call while the store is away, once, also when the store brings its event again', async () => {
  const heard: unknown[] = []
  const app = routed((call) => {
    call.subscribe('dtmf', { callId: call.id }, 'screen')
    call.fork(call.contacts)
  })
  app.on('screen', (_call, event) => void heard.push(event.digit))
  const { w, alice, phone, fragile } = await started(app)
  await phone.wakes()
  await alice.invites('bob')
  await phone.answers()
  fragile.isAway = true
  await phone.presses('2')
  await phone.presses('5')
  assert.deepEqual(heard, ['2', '5'])
  await fragile.comesBack()
  await w.advance(2000)
  assert.deepEqual(heard, ['2', '5'])
  await alice.hangsUp()
  await end(w)
})

test('an event raised while the store is away reaches other gateways when it is back, unless it is older than half a minute', async () => {
  for (const [awayMs, met] of [
    [20_000, 1],
    [40_000, 0],
  ] as const) {
    const { w, fragile, counted } = await started(telling)
    const elsewhere: unknown[] = []
    await w.store.inbox('other', (deliveries) => void elsewhere.push(...deliveries))
    const transaction = { id: 't', gateway: 'other', rev: 1, callId: 'c', expiresAt: 600_000, state: '' }
    const one = { id: 's', transaction: 't', gateway: 'other', event: 'word', filter: {}, expiresAt: 600_000 }
    await w.store.suspend({ transaction, add: [one], drop: [], since: '0' })
    fragile.isAway = true
    await w.publish('word', {})
    await w.advance(awayMs)
    await fragile.comesBack()
    await w.advance(2000)
    assert.equal(elsewhere.length, met)
    assert.equal(counted.get('events lost'), 1 - met)
    await end(w)
  }
})

test('killed while the store is away: what it held from before is taken up, and nothing else is', async () => {
  const { w, alice, fragile } = await started(telling)
  await alice.invites('bob')
  fragile.isAway = true
  const carol = await w.phone('carol')
  await carol.invites('bob')
  await w.advance(1000)
  fragile.isAway = false
  await w.restart()
  assert.equal(w.counters.get('resumed calls'), 1)
  await said(w, 'go')
  assert.match(alice.outgoing!.final!.start, /heard go/)
  assert.equal(carol.finalStatus, 0)
  await carol.retransmits()
  await said(w, 'again')
  assert.match(carol.outgoing!.final!.start, /heard again/)
  await end(w)
})

test('answered while the store is away, and the gateway killed before it is back: they talk on; what the store still has of the call ends by itself', async () => {
  const { w, alice, phone, fragile } = await started(halted)
  await phone.wakes()
  await alice.invites('bob')
  fragile.isAway = true
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await w.kill()
  fragile.isAway = false
  await w.restart()
  assert.equal(w.counters.get('resumed calls'), 1, 'the store has not heard of the answer')
  await alice.hangsUp()
  assert.ok(phone.received.some(({ method }) => method === 'BYE'))
  await w.advance(300_000)
  assert.equal(phone.incoming.length, 1)
  await end(w)
})

test('taken up after a restart and then without the store: events of this gateway are heard all the same', async () => {
  const { w, alice, fragile } = await started(telling)
  await alice.invites('bob')
  await w.restart()
  fragile.isAway = true
  assert.equal(await w.publish('word', { word: 'here' }), 1)
  await w.advance(0)
  assert.match(alice.outgoing!.final!.start, /heard here/)
  await fragile.comesBack()
  await end(w)
})

test('each answer of the store takes 300 ms: every step of a call is later by that, and nothing else is different', async () => {
  const { w, alice, phone, fragile } = await started(waiting)
  fragile.delayMs = 300
  await alice.invites('bob')
  await w.advance(4000)
  await phone.wakes()
  await w.advance(2000)
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    200 gw -> alice 100
    300 gw -> function /invite/example.com/bob
    600 gw -> push urn:uuid:phone
    600 gw -> alice 182
    4000 phone -> gw REGISTER
    4300 gw -> phone 200 REGISTER
    4900 gw -> function /invite/example.com/bob wait.resumed
    4900 gw -> phone INVITE bob
    4900 phone -> gw 180
    4900 gw -> alice 180
    6000 phone -> gw 200 INVITE
    6000 gw -> alice 200 INVITE
    6000 alice -> gw ACK
    6000 gw -> phone ACK
  `)
  assert.equal(w.counters.get('store failures'), 0)
  fragile.delayMs = 0
  await alice.hangsUp()
  await end(w)
})

test('each answer of the store takes 1.5 s, which is none: calls go on after a second each time, and nothing is done twice', async () => {
  const { w, alice, phone, fragile, owed } = await started(waiting)
  fragile.delayMs = 1500
  await alice.invites('bob')
  await w.advance(4000)
  await phone.wakes()
  await w.advance(6000)
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(phone.incoming.length, 1)
  assert.equal(w.invocations.length, 2)
  assert.equal(w.pushes.length, 1)
  await alice.hangsUp()
  fragile.delayMs = 0
  await w.advance(10_000)
  assert.equal(owed(), 0)
  await end(w)
})

test('a reaction without a function works while the store is away', async () => {
  const { w, alice, fragile } = await started(
    routed((call) => {
      call.subscribe('word', {}, [{ action: 'hangup', status: 486 } as Action as never])
      call.halt('60s')
    }),
  )
  fragile.isAway = true
  await alice.invites('bob')
  await w.publish('word', {})
  assert.equal(alice.finalStatus, 486)
  await fragile.comesBack()
  await end(w)
})
