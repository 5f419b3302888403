import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { recordWatcher } from '../support/event-watcher.ts'
import { FragileLink } from '../support/fragile-link.ts'
import { world } from '../support/world.ts'
import { A, B, CLUSTER, Pool } from './pool.ts'

/** A call that is talked on when its gateway dies: nobody sees it end, and still there is one record of it. */

const app = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))

interface Stage {
  pool: Pool
  /** Records, each as `gateway reason duration`. */
  told: string[]
}

/** Alice and Bob talk for five seconds by way of A. @param fragile A's way to the store */
async function talking(fragile?: FragileLink): Promise<Stage> {
  const told: string[] = []
  const watcher = recordWatcher(({ id, attributes: { gateway, reason, result, endedBy, duration, code } }) => {
    assert.match(id, /^cdr-/)
    assert.deepEqual([result, code], ['answered', 200])
    told.push(`${gateway} ${reason || endedBy} ${duration}`)
  })
  let processes = 0
  const link: FragileLink['link'] = (store, clock) =>
    processes++ === 0 && fragile ? fragile.link(store, clock) : store
  const pool = await Pool.start(app, { link, watchers: [watcher] })
  await pool.bob.registers()
  await pool.alice.invites('bob')
  await pool.w.advance(3000)
  await pool.bob.answers()
  await pool.w.advance(5000)
  return { pool, told }
}

test('its record is told by whoever has its calls next, up to when the gateway was last seen', async () => {
  for (const next of ['adopter', 'restart'] as const) {
    const { pool, told } = await talking()
    const { w, alice } = pool
    await w.kill()
    if (next === 'adopter') {
      pool.to = B.address
      await w.advance(60_000)
      assert.deepEqual(told, [], 'it may be back')
      await w.advance(10_000)
    }
    await pool.revive()
    pool.to = next === 'adopter' ? B.address : '10.0.0.1'
    assert.equal(told.length, 1)
    const [, duration] = /^gw-a the gateway was lost (\d+)$/.exec(told[0]!) ?? []
    assert.ok(Number(duration) >= 2 && Number(duration) <= 5, told[0])
    await alice.hangsUp()
    assert.equal(w.counters.get('answered calls lost'), 1)
    assert.equal(told.length, 1)
    await pool.end()
  }
})

test('a gateway that stops has told it, and nobody tells it again', async () => {
  const { pool, told } = await talking()
  const { w, alice } = pool
  await w.gateway.stop()
  pool.to = B.address
  await w.advance(7000)
  await alice.hangsUp()
  await pool.revive()
  assert.deepEqual(told, ['gw-a the gateway has stopped 5'])
  await pool.end()
})

test('a call that has ended is told once, and nothing is left of it in the store', async () => {
  const { pool, told } = await talking()
  const { w, alice } = pool
  assert.equal((await w.store.suspended('gw-a')).length, 1)
  await alice.hangsUp()
  assert.deepEqual(await w.store.suspended('gw-a'), [])
  await w.kill()
  await w.advance(7000)
  await pool.revive()
  assert.deepEqual(told, ['gw-a caller 5'])
  await pool.end()
})

test('two processes of one id: the newer one tells what the older one follows, and that goes on, and tells the same record at its end', async () => {
  const { pool, told } = await talking()
  const { w, alice, bob } = pool
  const starting = w.process({ ...CLUSTER, id: 'gw-a', address: '10.0.0.3' })
  await w.advance(2000)
  const newer = await starting
  assert.equal(told.length, 1)
  await alice.presses('5')
  assert.match(bob.received.at(-1)!.start, /^INFO/)
  await alice.hangsUp()
  assert.equal(w.gateway.counts().dialogs, 0)
  assert.deepEqual(told.slice(1), ['gw-a caller 7'])
  w.errors.length = 0
  await newer.stop()
  await pool.end()
})

/** One gateway alone, and what is told of its calls. */
async function alone() {
  const fragile = new FragileLink()
  const told: RouseEvent[] = []
  const { advertised: _, ...gateway } = A
  const watchers = [recordWatcher((record) => told.push(record))]
  const w = await world({ app, link: fragile.link, gateway, watchers })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  /** Its gateway is killed ten seconds later. @param talked seconds of talk at least that its next process tells of */
  const isTold = async (talked: number) => {
    await w.advance(10_000)
    await w.kill()
    await w.advance(2000)
    await w.restart()
    assert.deepEqual(
      told.map(({ attributes }) => attributes.reason),
      ['the gateway was lost'],
    )
    assert.ok(Number(told[0]!.attributes.duration) >= talked, `${told[0]!.attributes.duration} s of talk`)
    await alice.hangsUp()
    await w.stop()
  }
  return { w, alice, bob, fragile, told, isTold }
}

test('a call that is talked on when the store is emptied has its record all the same when its gateway is killed later', async () => {
  const { w, bob, fragile, isTold } = await alone()
  await bob.answers()
  await w.advance(2000)
  await fragile.loses(A.id)
  await isTold(10)
})

test('a call that was answered while the store was away has its record when its gateway is killed later', async () => {
  const { w, bob, fragile, isTold } = await alone()
  fragile.isAway = true
  await bob.answers()
  await w.advance(3000)
  await fragile.comesBack()
  await isTold(11)
})

test('a call that ends after the store was emptied is told once, and nothing is left of it', async () => {
  const { w, alice, bob, fragile, told } = await alone()
  await bob.answers()
  await fragile.loses(A.id)
  await w.advance(2000)
  await alice.hangsUp()
  await w.advance(2000)
  assert.deepEqual(await w.store.suspended(A.id), [])
  await w.restart()
  assert.equal(told.length, 1)
  await w.stop()
})

test('a call that ends while the store is away is told once, and is forgotten when the store is back', async () => {
  const { w, alice, bob, fragile, told } = await alone()
  await bob.answers()
  await w.advance(2000)
  fragile.isAway = true
  await alice.hangsUp()
  await w.advance(3000)
  await fragile.comesBack()
  await w.advance(5000)
  assert.deepEqual(await w.store.suspended(A.id), [])
  const before = told.length
  await w.kill()
  await w.advance(2000)
  await w.restart()
  assert.equal(told.length, before)
  await w.stop()
})

test('a gateway that was cut off, taken for dead, and is back within a minute goes on with its calls, and nobody else tells of them', async () => {
  const fragile = new FragileLink()
  const { pool, told } = await talking(fragile)
  const { w, alice } = pool
  fragile.isAway = true
  await w.advance(20_000)
  assert.equal(w.counters.get('adopted gateways'), 1)
  await fragile.comesBack()
  await w.advance(20_000)
  await alice.hangsUp()
  await w.advance(70_000)
  assert.deepEqual(told, ['gw-a caller 45'])
  assert.equal(w.counters.get('answered calls lost'), 0)
  w.errors.length = 0
  await pool.end()
})
