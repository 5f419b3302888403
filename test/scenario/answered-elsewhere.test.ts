import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { Store } from '../../functions/store/store.ts'
import { recordWatcher } from '../support/event-watcher.ts'
import type { GatewayProcess } from '../support/gateway-process.ts'
import { A, B, CLUSTER, Pool } from './pool.ts'

/** A call that rang when its gateway died is answered at the one that has adopted it, and stays there: whoever is sent its requests. */

const C = { ...CLUSTER, id: 'gw-c', address: '10.0.0.3' }

const app = new SipRouter().invite('/:domain/:user', (call) => {
  call.fork(call.contacts, { media: 'rtpengine' })
  call.halt('60s')
})

/** The record of a call. */
interface Told {
  gateway: unknown
  duration: unknown
}

/** Bob's phone rings by A, which dies; he answers by B, and five seconds are talked. */
async function answeredAtB(): Promise<{ pool: Pool; told: Told[]; loses(): Promise<void> }> {
  const told: Told[] = []
  const losses: (() => void)[] = []
  const link = (store: Store): Store =>
    new Proxy(store, {
      get: (_, name: keyof Store) => {
        if (name === 'inbox')
          return ((gateway, receive, lost) => {
            if (lost) losses.push(lost)
            return store.inbox(gateway, receive, lost)
          }) satisfies Store['inbox']
        return store[name]
      },
    })
  const watcher = recordWatcher(({ attributes: { gateway, duration } }) => told.push({ gateway, duration }))
  const pool = await Pool.start(app, { engines: 1, link, watchers: [watcher] })
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  await w.kill()
  pool.to = B.address
  await w.advance(6500)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await w.advance(5000)
  assert.equal(pool.b.gateway.counts().dialogs, 1)
  const loses = async () => {
    for (const id of [A.id, B.id])
      for (const { id: transaction } of await w.store.suspended(id)) await w.store.release(transaction)
    for (const lost of losses) lost()
    await w.advance(1000)
  }
  return { pool, told, loses }
}

const atB: Told = { gateway: B.id, duration: 5 }

async function third({ w }: Pool): Promise<GatewayProcess> {
  const starting = w.process(C)
  await w.advance(1500)
  const c = await starting
  await w.advance(3500)
  return c
}

test('a call that its gateway’s adopter has answered ends there, whichever gateway of the pool is sent the BYE', async () => {
  for (const end of ['alice', 'bob'] as const) {
    const { pool, told } = await answeredAtB()
    const c = await third(pool)
    pool.to = C.address
    await pool[end].hangsUp()
    assert.equal(pool.b.gateway.counts().dialogs, 0)
    assert.deepEqual(told, [{ ...atB, duration: 10 }])
    pool.to = B.address
    await c.stop()
    await pool.revive()
    await pool.end()
  }
})

test('a call that was answered at the adopter stays there when its gateway is back: that passes on what its routes bring', async () => {
  for (const end of ['alice', 'bob'] as const) {
    const { pool, told } = await answeredAtB()
    const { w, alice, bob } = pool
    await pool.revive()
    assert.deepEqual([w.gateway.counts().dialogs, pool.b.gateway.counts().dialogs], [0, 1])
    pool.to = A.address
    await alice.presses('5')
    assert.match(bob.received.at(-1)!.start, /^INFO/)
    assert.equal(alice.received.at(-1)?.status, 200)
    await pool[end].hangsUp()
    const other = end === 'alice' ? bob : alice
    assert.match(other.received.at(-1)!.start, /^BYE/)
    assert.equal(pool.b.gateway.counts().dialogs, 0)
    assert.deepEqual(told, [{ ...atB, duration: 8 }])
    assert.deepEqual(
      w.engines[0]!.asked.map(({ command }) => command),
      ['offer', 'answer', 'delete'],
      'its media is in the hands of one gateway only',
    )
    await pool.end()
  }
})

test('when its adopter dies too, a call goes on by what its routes say', async () => {
  const { pool } = await answeredAtB()
  const { w, alice, bob } = pool
  await pool.revive()
  pool.to = A.address
  pool.b.kill()
  await w.advance(7000)
  await alice.presses('5')
  assert.match(bob.received.at(-1)!.start, /^INFO/)
  await bob.hangsUp()
  assert.match(alice.received.at(-1)!.start, /^BYE/)
  assert.equal(bob.received.at(-1)?.status, 200)
  await w.advance(200_000)
  await w.stop()
})

test('the answer of a phone that is repeated after its gateway is back is acknowledged by way of the adopter', async () => {
  const { pool } = await answeredAtB()
  const { w, bob } = pool
  await pool.revive()
  pool.to = A.address
  const before = bob.received.length
  const { invite, tag } = bob.incoming.at(-1)!
  bob.respond(invite, 200, { tag })
  await w.advance(100)
  assert.match(bob.received.slice(before).at(-1)?.start ?? 'nothing', /^ACK/)
  await bob.hangsUp()
  await pool.end()
})

test('a call between two adoptions is told of once: its records in the store are there as long as it is', async () => {
  const { pool, told } = await answeredAtB()
  const { w, alice } = pool
  await pool.revive()
  assert.deepEqual(
    (await w.store.suspended(A.id)).map(({ state }) => state),
    [B.id],
  )
  await w.kill()
  await w.advance(7000)
  pool.to = B.address
  await pool.revive()
  pool.to = A.address
  await alice.hangsUp()
  assert.equal(pool.b.gateway.counts().dialogs, 0)
  assert.deepEqual(told.length, 1)
  await pool.end()
})

test('a store that is emptied is told again where the call is: its gateway passes on what its routes bring after one more restart', async () => {
  const { pool, told, loses } = await answeredAtB()
  const { w, alice } = pool
  await pool.revive()
  await loses()
  await w.kill()
  await pool.revive()
  pool.to = A.address
  await alice.hangsUp()
  assert.equal(pool.b.gateway.counts().dialogs, 0)
  assert.deepEqual(
    told.map(({ gateway }) => gateway),
    [B.id],
  )
  await pool.end()
})
