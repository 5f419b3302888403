import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { Phone } from '../support/phone.ts'
import { type World, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/**
 * What a suspended call costs the store besides the look-ups of routing: three steps in its life, whatever it waits for. Each is one round
 * trip to a Redis.
 */

interface Scene {
  w: World
  alice: Phone
  phone: Phone
}

async function scene(app: SipRouter): Promise<Scene> {
  const w = await world({ app })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  return { w, alice, phone }
}

async function costs({ w }: Scene, writes: World['writes']): Promise<void> {
  await w.assertQuiet(300_000)
  assert.deepEqual(w.writes, writes)
  assert.deepEqual(w.errors, [])
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

/** Waits for the callee's phone, and rings it. */
const waiting = routed(async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480)
})

/** What is registered rings; the phone that sleeps may join it. */
function halted(reaction: 'late' | object[]): SipRouter {
  const app = routed((call) => {
    call.subscribe('contact.registered', { aor: call.aor }, reaction as never, { for: '30s' })
    call.push()
    call.fork(call.contacts)
    call.halt('30s')
  })
  return app.on('late', (call, event) => call.fork(event.contact))
}

async function isWokenAndAnswers({ w, alice, phone }: Scene): Promise<void> {
  await w.advance(8000)
  await phone.wakes()
  await w.advance(9000)
  await phone.answers()
  await w.advance(60_000)
  await alice.hangsUp()
}

test('a call that waits, is woken, rings and is answered: suspended, resumed, released', async () => {
  const all = await scene(waiting)
  await isWokenAndAnswers(all)
  await costs(all, { suspend: 1, resume: 1, release: 1 })
})

test('a call that waits in vain: suspended, resumed, released', async () => {
  const all = await scene(waiting)
  await all.w.advance(26_000)
  assert.equal(all.alice.finalStatus, 480)
  await costs(all, { suspend: 1, resume: 1, release: 1 })
})

test('a call that is cancelled while it waits: suspended, released', async () => {
  const all = await scene(waiting)
  await all.w.advance(10_000)
  await all.alice.cancels()
  assert.equal(all.alice.finalStatus, 487)
  await costs(all, { suspend: 1, resume: 0, release: 1 })
})

test('a halted call that a late phone joins, by a handler: suspended, written when the event comes, released', async () => {
  const all = await scene(halted('late'))
  await isWokenAndAnswers(all)
  assert.equal(all.alice.finalStatus, 200)
  await costs(all, { suspend: 2, resume: 0, release: 1 })
})

test('a halted call that a late phone joins, by a reaction: suspended, written when the event comes, released', async () => {
  const all = await scene(halted([{ action: 'fork', targets: [{ fromEvent: 'contact' }] }]))
  await isWokenAndAnswers(all)
  assert.equal(all.alice.finalStatus, 200)
  await costs(all, { suspend: 2, resume: 0, release: 1 })
})

test('a halted call that rings elsewhere meanwhile costs the same', async () => {
  const w = await world({ app: halted('late') })
  const alice = await w.phone('alice')
  const desk = await w.phone('desk', { user: 'bob', instance: 'urn:uuid:desk' })
  await desk.registers()
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  assert.equal(desk.incoming.length, 1)
  const all = { w, alice, phone }
  await isWokenAndAnswers(all)
  assert.equal(desk.incoming[0]?.state, 'ended')
  await costs(all, { suspend: 2, resume: 0, release: 1 })
})

test('a call that rings and is heard of no more, and one that no event can change, are written down while they ring', async () => {
  const woken = await scene(waiting)
  await woken.phone.wakes()
  await woken.w.advance(16_000)
  assert.match((await woken.w.store.suspended('gw'))[0]!.state, /SIP\/2\.0 180/)
  await woken.phone.answers()
  await woken.alice.hangsUp()
  await costs(woken, { suspend: 2, resume: 1, release: 1 })

  const ringing = await scene(
    routed((call) => {
      call.fork(call.contacts)
      call.halt('60s')
    }),
  )
  await ringing.alice.cancels()
  await costs(ringing, { suspend: 1, resume: 0, release: 1 })
})
