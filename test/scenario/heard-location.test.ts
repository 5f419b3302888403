import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fork, fromEvent, SipRouter } from 'rouse'
import type { Delivery, Location } from '../../functions/store/store.ts'
import { altered } from '../support/altered-store.ts'
import { type World, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** A store that says with a `contact.registered` where its AOR was found then: who waited for that need not look it up. */

const BOB = 'sip:bob@example.com'

interface Scene {
  w: World
  /** Look-ups by the gateway since the call came. */
  lookups: () => number
}

/** @param tell what the delivery of an event says; by default what a look-up would */
async function scene(app: SipRouter, tell: (found: Location) => Location = (found) => found): Promise<Scene> {
  let lookups = 0
  const store = altered((memory) => ({
    lookup: (aor) => {
      lookups++
      return memory.lookup(aor)
    },
    inbox: (gateway, receive, lost) => {
      const told = async (delivery: Delivery) => ({ ...delivery, location: tell(await memory.lookup(BOB)) })
      return memory.inbox(gateway, async (some) => receive(await Promise.all(some.map(told))), lost)
    },
  }))
  const w = await world({ app, store })
  const before = lookups
  return { w, lookups: () => lookups - before }
}

const inline = () =>
  new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))], { for: '30s' })
    call.push()
    call.halt('30s')
  })

const waiting = () =>
  new SipRouter().invite('/:domain/:user', async (call) => {
    const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
    call.push()
    const phone = await registered
    if (phone) call.fork(phone.contact)
  })

for (const [name, app] of [
  ['a reaction', inline],
  ['a handler', waiting],
] as const) {
  test(`${name} forks to the phone that has registered without another look-up`, async () => {
    const { w, lookups } = await scene(app())
    const alice = await w.phone('alice')
    const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
    await alice.invites('bob')
    const armed = lookups()
    await phone.wakes()
    assert.equal(phone.incoming.length, 1)
    assert.equal(lookups(), armed)
    await phone.answers()
    await alice.hangsUp()
    await w.assertQuiet(60_000)
    await w.stop()
  })
}

test('what was told is older than what was looked up since: the look-up counts', async () => {
  const { w, lookups } = await scene(inline(), () => ({ bindings: [], at: '0' }))
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  const armed = lookups()
  await phone.wakes()
  assert.equal(phone.incoming.length, 1)
  assert.equal(lookups(), armed + 1)
  await alice.cancels()
  await w.assertQuiet(60_000)
  await w.stop()
})

test('an event that comes while a function is asked moves nothing of what its answer subscribes from: no lost wake-up', async () => {
  let answer = () => {}
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, 'late', { for: '30s' })
    call.subscribe('digit', { of: 'bob' }, 'slow', { for: '30s' })
    call.halt('30s')
  })
  app.on('late', () => {})
  app.on('slow', async (call) => {
    await new Promise<void>((resolve) => {
      answer = resolve
    })
    call.subscribe('paid', { by: 'bob' }, [{ action: 'reply', status: 486 }], { for: '20s' })
  })
  const { w } = await scene(app)
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await w.publish('digit', { of: 'bob' })
  await w.advance(100)
  await w.publish('paid', { by: 'bob' })
  await phone.wakes()
  answer()
  await w.advance(100)
  assert.equal(alice.finalStatus, 486)
  await w.assertQuiet(60_000)
  await w.stop()
})
