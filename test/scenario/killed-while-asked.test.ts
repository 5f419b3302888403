import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import { pause } from '../../functions/contract/clock.ts'
import { recordWatcher } from '../support/event-watcher.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FragileLink } from '../support/fragile-link.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { B, Pool } from './pool.ts'

/** A gateway dies while the function of a call thinks: the caller repeats himself, or, once he has heard 100, a record leads on. */

/** Rings who is called, after so many milliseconds. */
function thinking(clock: FakeClock, ms: number): SipRouter {
  return new SipRouter().invite('/:domain/:user', async (call: Call) => {
    await pause(clock, ms)
    call.fork(call.contacts)
  })
}

async function asked(ms: number, options: WorldOptions = {}) {
  const clock = new FakeClock()
  const records: string[] = []
  const watcher = recordWatcher(({ attributes }) => records.push(String(attributes.result)))
  const pool = await Pool.start(thinking(clock, ms), { clock, watchers: [watcher], ...options })
  await pool.bob.registers()
  await pool.alice.invites('bob')
  return { pool, ...pool, records }
}

/** Bob answers, they talk, he hangs up: one call. */
async function goesOn({ w, alice, bob }: Pool, records: readonly string[]): Promise<void> {
  assert.equal(bob.incoming.length, 1)
  assert.equal(alice.finalStatus, 0)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await w.advance(1000)
  await bob.hangsUp()
  await w.advance(1000)
  assert.deepEqual(records, ['answered'])
}

test('before the caller has heard 100 his next repeat begins the call at another gateway', async () => {
  const { pool, w, alice, bob, records } = await asked(150)
  await w.advance(100)
  await w.kill()
  pool.to = B.address
  await w.advance(400)
  assert.equal(w.invocations.length, 1)
  assert.deepEqual([alice.received, bob.incoming], [[], []])
  await alice.retransmits()
  await w.advance(1000)
  assert.equal(w.invocations.length, 2)
  await goesOn(pool, records)
  await pool.revive()
  await pool.end()
})

for (const [name, takesOver] of Object.entries({
  'the gateway that adopts it': async (pool: Pool) => {
    pool.to = B.address
    await pool.w.advance(8000)
  },
  'the next process': (pool: Pool) => pool.revive(),
})) {
  test(`a caller who has heard 100 need not repeat himself: ${name} asks again`, async () => {
    const { pool, w, alice, records } = await asked(1000)
    const heard = () => alice.received.map(({ status }) => status)
    await w.advance(199)
    assert.deepEqual(heard(), [])
    await w.advance(1)
    assert.deepEqual(heard(), [100])
    await w.advance(300)
    await w.kill()
    await takesOver(pool)
    await w.advance(2000)
    await goesOn(pool, records)
    if (name === 'the gateway that adopts it') await pool.revive()
    await pool.end()
  })
}

test('a store that is away keeps no caller from hearing 100', async () => {
  const fragile = new FragileLink()
  const { pool, w, alice, records } = await asked(1000, { link: fragile.link })
  fragile.isAway = true
  await w.advance(250)
  assert.deepEqual(
    alice.received.map(({ status }) => status),
    [100],
  )
  fragile.isAway = false
  assert.deepEqual(w.errors.splice(0), ['the store has failed for a suspended call'])
  await w.advance(5000)
  await goesOn(pool, records)
  await pool.end()
})

test('an answer within 200 ms needs no 100, and one gateway alone writes nothing down', async () => {
  for (const [ms, heard] of [
    [199, [486]],
    [201, [100, 486]],
  ] as const) {
    const clock = new FakeClock()
    const app = new SipRouter().invite('/:domain/:user', async (call: Call) => {
      await pause(clock, ms)
      call.reply(486)
    })
    const w = await world({ app, clock })
    const alice = await w.phone('alice')
    await alice.invites('bob')
    await w.advance(300)
    assert.deepEqual(
      alice.received.map(({ status }) => status),
      heard,
    )
    assert.deepEqual(w.writes, { suspend: 0, resume: 0, release: 0 })
    await w.assertQuiet()
    await w.stop()
  }
})
