import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { Delivery, Store } from '../../functions/store/store.ts'
import { altered } from '../support/altered-store.ts'
import { type World, world } from '../support/world.ts'

/** An event is on its way from the store to a call, and the gateway dies. */

/** Hands a batch over again, to whoever opens the inbox next, until its promise is settled. */
function repeating(memory: Store, taken: Delivery[]): Store['inbox'] {
  let waiting: Delivery[] = []
  return (gateway, receive) => {
    const hand = async (batch: Delivery[]) => {
      waiting.push(...batch)
      await receive(batch)
      waiting = waiting.filter((delivery) => !batch.includes(delivery))
      taken.push(...batch)
    }
    if (waiting.length > 0) void hand(waiting.splice(0))
    return memory.inbox(gateway, (batch) => void hand(batch))
  }
}

interface Way {
  write<Result>(write: () => Promise<Result>): Promise<Result>
}

/** A call waits for a word. `write` stands for the way of each write to the store: it does it, or does not, and takes its time. */
async function waiting() {
  const taken: Delivery[] = []
  const way: Way = { write: (write) => write() }
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    const event = await call.wait('word', {}, '60s')
    call.reply(480, event ? 'heard it' : 'nothing came')
  })
  const w = await world({
    app,
    store: altered((memory) => ({
      inbox: repeating(memory, taken),
      suspend: (step) => way.write(() => memory.suspend(step)),
      resume: (step) => way.write(() => memory.resume(step)),
    })),
  })
  const alice = await w.phone('alice')
  await alice.invites('bob')
  return { w, alice, taken, way }
}

/** An event from another gateway. */
async function said(w: World): Promise<void> {
  await w.store.publish([{ id: w.ids.next('event'), type: 'word', time: w.clock.now(), attributes: {} }])
  await w.advance(0)
}

const never = new Promise<never>(() => {})

test('an event is taken out of the inbox for good once the change it makes is written, and not before', async () => {
  const { w, taken, way } = await waiting()
  const { promise: acknowledged, resolve: acknowledge } = Promise.withResolvers<void>()
  way.write = async (write) => {
    const missed = await write()
    await acknowledged
    return missed
  }
  await said(w)
  assert.equal(taken.length, 0)
  acknowledge()
  await w.advance(0)
  assert.equal(taken.length, 1)
  await w.assertQuiet()
  await w.stop()
})

test('killed after an event has come and before its change is written: the next process hears it, and the call goes on', async () => {
  const { w, alice, taken, way } = await waiting()
  way.write = () => {
    void w.kill()
    return never
  }
  await said(w)
  assert.equal(taken.length, 0)
  assert.equal(alice.finalStatus, 0)
  way.write = (write) => write()
  await w.restart()
  await w.advance(0)
  assert.match(alice.outgoing!.final!.start, /heard it/)
  assert.equal(taken.length, 1)
  assert.equal(w.invocations.length, 2)
  await w.assertQuiet()
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
})

test('killed when the change is written and the event is still in the inbox: it is heard twice, and acted upon once', async () => {
  const { w, alice, taken, way } = await waiting()
  way.write = async (write) => {
    await write()
    void w.kill()
    return never
  }
  await said(w)
  way.write = (write) => write()
  await w.restart()
  await w.advance(1000)
  assert.equal(taken.length, 1)
  assert.equal(alice.received.filter(({ status }) => status === 480).length, 1)
  assert.equal(w.invocations.length, 2)
  await w.assertQuiet()
  await w.stop()
})
