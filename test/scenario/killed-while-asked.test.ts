import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import { pause } from '../../functions/contract/clock.ts'
import { CgratesStandIn } from '../support/cgrates.ts'
import { recordWatcher } from '../support/event-watcher.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FragileLink } from '../support/fragile-link.ts'
import type { Phone } from '../support/phone.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { A, B, Pool } from './pool.ts'

/** A gateway dies while the function of a call thinks: the caller repeats himself, or, once he has heard 100, a record leads on. */

/** Rings who is called, after so many milliseconds. */
function thinking(clock: FakeClock, ms: number): SipRouter {
  return new SipRouter().invite('/:domain/:user', async (call: Call) => {
    await pause(clock, ms)
    call.fork(call.contacts)
  })
}

/** @param app that uses `options.clock`, or for how many milliseconds it is to think */
async function asked(app: SipRouter | number, options: WorldOptions = {}) {
  const { clock = new FakeClock() } = options
  const records: string[] = []
  const watcher = recordWatcher(({ attributes }) => records.push(String(attributes.result)))
  const pool = await Pool.start(typeof app === 'number' ? thinking(clock, app) : app, {
    ...options,
    clock,
    watchers: [watcher],
  })
  await pool.bob.registers()
  await pool.alice.invites('bob')
  return { pool, ...pool, records }
}

const heardBy = (phone: Phone) => phone.received.map(({ status }) => status)

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
    await w.advance(199)
    assert.deepEqual(heardBy(alice), [])
    await w.advance(1)
    assert.deepEqual(heardBy(alice), [100])
    await w.advance(300)
    await w.kill()
    await takesOver(pool)
    await w.advance(2000)
    await goesOn(pool, records)
    if (name === 'the gateway that adopts it') await pool.revive()
    await pool.end()
  })
}

/** What a handler may ask for before it decides, and who answers. */
const ASKED_FIRST: Record<string, (call: Call) => Promise<unknown>> = {
  'a look-up': (call) => call.lookup(call.aor),
  'a billing system': (call) => call.authorize({ account: '1001' }),
}
for (const [name, ask] of Object.entries(ASKED_FIRST)) {
  test(`a function that thinks on after ${name} was asked is asked again as well`, async () => {
    const clock = new FakeClock()
    const app = new SipRouter().invite('/:domain/:user', async (call: Call) => {
      await ask(call)
      await pause(clock, 1000)
      call.fork(call.contacts)
    })
    const { pool, w, alice, records } = await asked(app, { clock, cgrates: { standIn: new CgratesStandIn() } })
    await w.advance(600)
    assert.deepEqual(heardBy(alice), [100])
    await w.kill()
    await pool.revive()
    await w.advance(3000)
    await goesOn(pool, records)
    await pool.end()
  })
}

test('killed when the call is written down and the caller has not heard it: what his repeat has begun elsewhere is not begun again', async () => {
  const fragile = new FragileLink()
  const { pool, w, alice, records } = await asked(300, { link: fragile.link })
  await w.advance(190)
  // The store has it by 200 ms, and its answer does not come any more.
  fragile.delayMs = 20
  await w.advance(20)
  assert.deepEqual(heardBy(alice), [])
  await w.kill()
  fragile.delayMs = 0
  assert.equal((await w.store.suspended(A.id)).length, 1)
  pool.to = B.address
  await w.advance(290)
  await alice.retransmits()
  await w.advance(400)
  await goesOn(pool, records)
  await w.advance(12_000)
  assert.equal(pool.bob.incoming.length, 1)
  assert.equal(w.counters.get('suspended calls lost'), 0)
  await pool.revive()
  await pool.end()
})

test('a store that is away keeps no caller from hearing 100', async () => {
  const fragile = new FragileLink()
  const { pool, w, alice, records } = await asked(1000, { link: fragile.link })
  fragile.isAway = true
  await w.advance(250)
  assert.deepEqual(heardBy(alice), [100])
  fragile.isAway = false
  assert.deepEqual(w.errors.splice(0), ['the store has failed for a suspended call'])
  await w.advance(5000)
  await goesOn(pool, records)
  await pool.end()
})

test('a store that is slow delays 100 to 400 ms, before the caller repeats himself', async () => {
  const fragile = new FragileLink()
  const { pool, w, alice, records } = await asked(1000, { link: fragile.link })
  fragile.delayMs = 900
  await w.advance(399)
  assert.deepEqual(heardBy(alice), [])
  await w.advance(1)
  assert.deepEqual(heardBy(alice), [100])
  fragile.delayMs = 0
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
    assert.deepEqual(heardBy(alice), heard)
    assert.deepEqual(w.writes, { suspend: 0, resume: 0, release: 0 })
    await w.assertQuiet()
    await w.stop()
  }
})
