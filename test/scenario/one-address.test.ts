import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import { pause } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { createMemoryStore } from '../../functions/store/memory.ts'
import type { Store } from '../../functions/store/store.ts'
import { silentLog } from '../../gateway/observe/log.ts'
import { altered } from '../support/altered-store.ts'
import { CgratesStandIn } from '../support/cgrates.ts'
import { recordWatcher } from '../support/event-watcher.ts'
import type { CountingIds, FakeClock } from '../support/fake-clock.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { A, B, Pool, SHARED } from './pool.ts'

/** Two gateways of a pool behind one address: whichever is sent a message, the one it is for gets it. */

/** Waits for the callee's phone and rings it. */
const waiting = new SipRouter().invite('/:domain/:user', (async (call: Call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480, 'Nobody came')
}) as (call: unknown) => Promise<void>)

/** Rings whoever is registered, and those who come. */
const halted = new SipRouter().invite('/:domain/:user', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, 'late')
  call.fork(call.contacts)
  call.halt('60s')
})
halted.on('late', (call, event) => call.fork(String(event.contact)))

/** A store that can be away. */
function awayStore(clock: FakeClock, ids: CountingIds, isAway: () => boolean): Store {
  const store = createMemoryStore({ clock, ids })
  return new Proxy(store, {
    get: (_, name: keyof Store) => {
      const act = (store[name] as (...args: unknown[]) => unknown).bind(store)
      return (...args: unknown[]) => (isAway() ? Promise.reject(new Error('away')) : act(...args))
    },
  })
}

test('whatever goes to the other gateway after the INVITE comes to the one that has the call', async () => {
  const pool = await Pool.start(halted)
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  pool.to = B.address
  await bob.answers()
  await alice.presses('5')
  await bob.presses('6')
  assert.equal(alice.finalStatus, 200)
  assert.equal(w.gateway.counts().dialogs, 1)
  assert.equal(w.ladder.count('INVITE bob'), 2)
  await alice.hangsUp()
  assert.equal(w.gateway.counts().dialogs, 0)
  assert.equal(bob.incoming.at(-1)?.state, 'ended')
  await pool.end()
})

test('a CANCEL that goes to the other gateway cancels the call', async () => {
  const pool = await Pool.start(halted)
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  pool.to = B.address
  await alice.cancels()
  assert.deepEqual(
    alice.received.filter(({ status }) => status >= 200).map(({ status, method }) => `${status} ${method}`),
    ['200 CANCEL', '487 INVITE'],
  )
  assert.equal(bob.incoming.at(-1)?.state, 'ended')
  await w.advance(5000)
  assert.equal(alice.received.filter(({ status, method }) => status === 487 && method === 'INVITE').length, 1)
  await pool.end()
})

test('a CANCEL of nothing is refused when no gateway has answered it', async () => {
  const pool = await Pool.start(halted)
  const { w, alice } = pool
  await alice.invites('nobody')
  await w.advance(61_000)
  await w.advance(40_000)
  pool.to = B.address
  const before = alice.received.length
  await alice.cancels()
  assert.equal(alice.received.length, before)
  await w.advance(10_000)
  assert.match(alice.received.at(-1)!.start, /481/)
  await pool.end()
})

test('a gateway that has died is replaced: its waiting call is adopted, and the phone that comes rings once', async () => {
  const pool = await Pool.start(waiting)
  const { w, alice, bob } = pool
  await alice.invites('bob')
  await w.kill()
  pool.to = B.address
  await w.advance(6500)
  assert.equal(w.counters.get('adopted calls'), 1)
  await alice.retransmits()
  await bob.registers()
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(w.ladder.count('INVITE bob'), 3)
  assert.equal(bob.incoming.length, 1)
  await bob.hangsUp()
  assert.match(alice.received.at(-1)!.start, /^BYE/)
  await pool.revive()
  await pool.end()
})

test('a caller who gives up while his gateway is dead hears 487 once it is adopted, and the phone stops ringing', async () => {
  const pool = await Pool.start(halted)
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  await w.kill()
  pool.to = B.address
  await w.advance(2000)
  await alice.cancels()
  assert.equal(alice.finalStatus, 0)
  await w.advance(5000)
  assert.equal(alice.finalStatus, 487)
  assert.equal(bob.incoming.at(-1)?.state, 'ended')
  await pool.revive()
  await pool.end()
})

test('a call that is talked on when its gateway dies goes on, and ends, by way of the other one', async () => {
  const pool = await Pool.start(halted)
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  await w.kill()
  pool.to = B.address
  await w.advance(7000)
  await alice.presses('5')
  assert.match(bob.received.at(-1)!.start, /^INFO/)
  await bob.hangsUp()
  assert.match(alice.received.at(-1)!.start, /^BYE/)
  assert.equal(bob.received.at(-1)?.status, 200)
  await pool.revive()
  await pool.end()
})

test('a gateway that is stopped while it adopts calls leaves them to whoever has them next', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { aor: call.aor }, 'late')
    call.fork(call.contacts)
  })
  app.on('late', (call, event) => call.fork(String(event.contact)))
  let readMs = 0
  const link: WorldOptions['link'] = (store, clock) =>
    new Proxy(store, {
      get: (_, name: keyof Store) => {
        if (name !== 'suspended') return (store[name] as (...args: unknown[]) => unknown).bind(store)
        return async (gateway: string) => {
          const found = await store.suspended(gateway)
          if (readMs > 0) await pause(clock, readMs)
          return found
        }
      },
    })
  const pool = await Pool.start(app, { link })
  const { w, alice, bob } = pool
  const joining = w.process({ cluster: { pool: 'west' }, id: 'gw-c', address: '10.0.0.3' })
  await w.advance(8000)
  const c = await joining
  await bob.registers()
  bob.options.rings = false
  await alice.invites('bob')
  await w.kill()
  readMs = 3000
  while (w.counters.get('adopted gateways') === 0) await w.advance(100)
  const stopping = pool.b.gateway.drain(10_000).then(() => pool.b.stop())
  await w.advance(8000)
  await stopping
  readMs = 0
  assert.equal((await w.store.suspended(A.id)).length, 1)
  await pool.revive()
  await bob.answers()
  assert.deepEqual([alice.finalStatus, bob.incoming.length], [200, 1])
  await alice.hangsUp()
  await w.assertQuiet()
  await c.stop()
  await w.stop()
})

test('what rang when its gateway died is answered through the one that has adopted it', async () => {
  const pool = await Pool.start(halted)
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  await w.kill()
  pool.to = B.address
  await w.advance(6500)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(bob.incoming.length, 1)
  await alice.hangsUp()
  await pool.revive()
  await pool.end()
})

test('relayed media goes along with a call: to the one that adopts it, and back', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.contacts, { media: 'rtpengine' })
    call.halt('60s')
  })
  for (const isGivenBack of [false, true]) {
    const pool = await Pool.start(app, { engines: 1 })
    const { w, alice, bob } = pool
    const engine = w.engines[0]!
    await bob.registers()
    await alice.invites('bob')
    await w.kill()
    pool.to = B.address
    await w.advance(6500)
    if (isGivenBack) {
      await pool.revive()
      pool.to = A.address
    }
    assert.equal(engine.calls.size, 1)
    await bob.answers()
    assert.match(alice.outgoing!.final!.body, /c=IN IP4 10\.0\.9\.1\r\nt=0 0\r\nm=audio 30002 /)
    await alice.hangsUp()
    assert.deepEqual(
      engine.asked.map(({ command }) => command),
      ['offer', 'answer', 'delete'],
    )
    if (!isGivenBack) await pool.revive()
    await pool.end()
  }
})

/** Is billed, rings whoever is registered, and those who come. */
const billed = new SipRouter().invite('/:domain/:user', async (call) => {
  const auth = await call.authorize({ account: '1001' })
  if (!auth.authorized) return call.reply(auth.code, auth.reason)
  call.fork(call.contacts)
  call.halt('60s')
})

test('what rang when its gateway died is told of and billed by the one that has adopted it; one that was given back, by its own', async () => {
  for (const isGivenBack of [false, true]) {
    const standIn = new CgratesStandIn()
    standIn.account('1001', 600)
    const records: RouseEvent[] = []
    const watchers = [recordWatcher((record) => records.push(record))]
    const pool = await Pool.start(billed, { cgrates: { standIn }, watchers })
    const { w, alice, bob } = pool
    await bob.registers()
    await alice.invites('bob')
    const { id } = w.newestCall
    await w.kill()
    pool.to = B.address
    await w.advance(6500)
    if (isGivenBack) await pool.revive()
    if (isGivenBack) pool.to = A.address
    await bob.answers()
    await w.advance(5000)
    await alice.hangsUp()
    const gateway = isGivenBack ? A.id : B.id
    assert.deepEqual(
      records.map((record) => [record.id, record.attributes.gateway, record.attributes.duration]),
      [[`cdr-${id}`, gateway, 5]],
    )
    const told = [...standIn.cdrs.values()].map(({ event, usageMs }) => [event.OriginID, event.OriginHost, usageMs])
    assert.deepEqual(told, [[id, A.id, 5000]])
    assert.deepEqual(standIn.faults, [])
    if (!isGivenBack) await pool.revive()
    await pool.end()
  }
})

test('a gateway that comes back gets its calls back, and nobody answers for them twice', async () => {
  const pool = await Pool.start(waiting)
  const { w, alice, bob } = pool
  await alice.invites('bob')
  await w.kill()
  pool.to = B.address
  await w.advance(6500)
  assert.equal(pool.b.gateway.counts().calls, 1)
  await pool.revive()
  assert.equal(pool.b.gateway.counts().calls, 0)
  assert.equal(w.gateway.counts().calls, 1)
  pool.to = A.address
  await bob.registers()
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(bob.incoming.length, 1)
  await bob.hangsUp()
  await pool.end()
})

test('a gateway that stops leaves its calls to the other one at once', async () => {
  const pool = await Pool.start(waiting)
  const { w, alice, bob } = pool
  await alice.invites('bob')
  await w.gateway.stop()
  pool.to = B.address
  await w.advance(1000)
  assert.equal(pool.b.gateway.counts().calls, 1)
  await bob.registers()
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await bob.hangsUp()
  await pool.revive()
  await pool.end()
})

/** Rings whoever is registered, and suspends nothing. */
const ringing = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))

test('a gateway that stops sends new calls to the other one, and what rings rings on there', async () => {
  const pool = await Pool.start(ringing)
  const { w, alice, bob } = pool
  const carol = await w.phone('carol', { gateway: SHARED })
  await bob.registers()
  await carol.registers()
  await alice.invites('bob')
  const drained = w.gateway.drain(20_000)
  await bob.invites('carol')
  assert.equal(pool.b.gateway.counts().calls, 1)
  await w.advance(2000)
  await drained
  await w.gateway.stop()
  pool.to = B.address
  await w.advance(1000)
  assert.equal(pool.b.gateway.counts().calls, 2)
  await bob.answers()
  await carol.answers()
  assert.deepEqual([alice.finalStatus, bob.finalStatus], [200, 200])
  assert.deepEqual([bob.incoming.length, carol.incoming.length], [1, 1])
  await alice.hangsUp()
  await carol.hangsUp()
  await pool.revive()
  await pool.end()
})

test('a gateway that stops is sent no requests of a dialog by the others any more, before its sockets close', async () => {
  const pool = await Pool.start(ringing)
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  pool.to = B.address
  const drained = w.gateway.drain(20_000)
  await w.advance(1100)
  const toA: string[] = []
  w.network.onDatagram((_, { address }, octets) => {
    if (address === A.address) toA.push(Buffer.from(octets).toString('latin1'))
    return false
  })
  await alice.hangsUp()
  assert.match(bob.received.at(-1)!.start, /^BYE/)
  assert.equal(alice.received.at(-1)?.status, 200)
  assert.deepEqual(toA, [])
  await w.advance(1000)
  await drained
  await w.gateway.stop()
  await pool.revive()
  await w.advance(100_000)
  await pool.end()
})

test('a gateway that stops is still given the responses that come to others, and the CANCEL of what rings at it', async () => {
  const pool = await Pool.start(ringing)
  const { w, alice, bob } = pool
  const carol = await w.phone('carol', { gateway: SHARED })
  const dave = await w.phone('dave', { gateway: SHARED, rings: false })
  for (const phone of [bob, dave]) await phone.registers()
  await alice.invites('bob')
  await carol.invites('dave')
  pool.to = B.address
  const drained = w.gateway.drain(20_000)
  await w.advance(1100)
  await bob.declines()
  assert.equal(alice.finalStatus, 486)
  await dave.declines(603)
  assert.equal(carol.finalStatus, 603)
  await w.advance(1000)
  await drained
  await w.gateway.stop()
  await pool.revive()
  await pool.end()
})

test('a gateway that stops waits for the others no longer than it may, and not at all for one that has left', async () => {
  for (const [limitMs, hasOther] of [
    [500, true],
    [20_000, false],
  ] as const) {
    const pool = await Pool.start(ringing)
    const { w } = pool
    if (!hasOther) await pool.b.stop()
    await w.advance(2000)
    let isDrained = false
    const drained = w.gateway.drain(limitMs).then(() => {
      isDrained = true
    })
    await w.advance(hasOther ? limitMs - 100 : 0)
    assert.equal(isDrained, !hasOther)
    await w.advance(100)
    await drained
    if (hasOther) await pool.b.stop()
    await w.stop()
  }
})

test('a gateway that is alone lets what rings end before it stops, and asks new callers to try again', async () => {
  const w = await world({ app: ringing })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  let isDrained = false
  const drained = w.gateway.drain(20_000).then(() => {
    isDrained = true
  })
  await w.advance(5000)
  assert.equal(isDrained, false)
  await bob.requests('MESSAGE', alice.aor)
  assert.deepEqual([bob.received.at(-1)?.status, bob.received.at(-1)?.header('Retry-After')], [503, '5'])
  await bob.answers()
  await w.advance(100)
  await drained
  assert.equal(alice.finalStatus, 200)
  await w.stop()
})

test('a gateway that is alone ends what still waits and rings when its time is over: callers hear 503, and no phone rings on', async () => {
  for (const limitMs of [20_000, 0]) {
    const app = new SipRouter().invite('/:domain/:user', (call) => {
      if (call.user === 'bob') call.fork(call.contacts)
      call.halt('60s')
    })
    const w = await world({ app })
    const [alice, bob, carol] = [await w.phone('alice'), await w.phone('bob'), await w.phone('carol')]
    await bob.registers()
    await alice.invites('bob')
    await carol.invites('nobody')
    let drainedAt = 0
    const begunAt = w.clock.now()
    void w.gateway.drain(limitMs).then(() => {
      drainedAt = w.clock.now()
    })
    await w.advance(limitMs + 200)
    for (const caller of [alice, carol]) {
      assert.equal(caller.finalStatus, 503)
      assert.equal(caller.outgoing!.final!.header('Retry-After'), '10')
    }
    assert.equal(bob.incoming[0]!.state, 'ended')
    assert.ok(drainedAt - begunAt <= limitMs + 200, 'and it stops at once')
    await w.assertQuiet()
    await w.stop()
  }
})

test('a phone that does not answer its CANCEL keeps a gateway that is alone from stopping for two seconds', async () => {
  const w = await world({ app: ringing })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  await bob.vanish()
  w.network.silent(bob.options.address, bob.port)
  let isDrained = false
  void w.gateway.drain(1000).then(() => {
    isDrained = true
  })
  await w.advance(2900)
  assert.deepEqual([alice.finalStatus, isDrained], [503, false])
  await w.advance(300)
  assert.equal(isDrained, true)
  await w.stop()
})

test('while the store is away nobody adopts anything, nor right after it', async () => {
  let isAway = false
  const warnings: string[] = []
  const pool = await Pool.start(waiting, {
    store: (clock, ids) => awayStore(clock, ids, () => isAway),
    log: { ...silentLog, warn: (message) => void warnings.push(message) },
  })
  const { w, alice, bob } = pool
  await alice.invites('bob')
  isAway = true
  await w.advance(15_000)
  assert.equal(warnings.filter((each) => /leases/.test(each)).length, 2, 'each gateway tells it once')
  isAway = false
  await w.advance(6000)
  assert.equal(w.counters.get('adopted calls'), 0)
  await bob.registers()
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await bob.hangsUp()
  await pool.end()
})

test('calls that could not be read when they were adopted are adopted once more', async () => {
  let failures = 0
  const pool = await Pool.start(waiting, {
    store: altered((memory) => ({
      suspended: async (gateway) => {
        if (failures-- > 0) throw new Error('away')
        return memory.suspended(gateway)
      },
    })),
  })
  const { w, alice, bob } = pool
  await alice.invites('bob')
  await w.kill()
  pool.to = B.address
  failures = 1
  await w.advance(20_000)
  assert.equal(w.counters.get('adopted calls'), 1)
  await bob.registers()
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await bob.hangsUp()
  await pool.revive()
  await pool.end()
})

test('two processes of one id: the newer one has the calls, the older one says so and wants no more', async () => {
  const pool = await Pool.start(waiting)
  const { w, alice, bob } = pool
  await alice.invites('bob')
  const starting = w.process({ ...A, address: '10.0.0.3' })
  await w.advance(2000)
  const newer = await starting
  assert.match(w.gateway.unready ?? '', /another process has started as gw-a/)
  assert.deepEqual([w.gateway.counts().calls, newer.gateway.counts().calls], [0, 1])
  const carol = await w.phone('carol', { gateway: SHARED })
  await carol.invites('nobody')
  assert.equal(carol.finalStatus, 503, 'the older one takes no calls')
  pool.to = '10.0.0.3'
  await bob.registers()
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await bob.hangsUp()
  assert.deepEqual(w.errors.length, 1)
  w.errors.length = 0
  await newer.stop()
  await pool.end()
})

test('a phone that only a gateway that has died could reach hangs up by way of another one', async () => {
  const pool = await Pool.start(new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts)))
  const { w, alice } = pool
  const bob = await w.phone('bob', { gateway: SHARED, address: '203.0.113.9', port: 40_000 })
  pool.to = B.address
  await bob.registers({ contact: '<sip:bob@192.168.1.5:5060>' })
  pool.to = A.address
  await alice.invites('bob')
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  pool.b.kill()
  await w.advance(7000)
  await bob.hangsUp()
  assert.equal(bob.received.at(-1)?.status, 200)
  assert.match(alice.received.at(-1)!.start, /^BYE/)
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.advance(40_000)
  await w.stop()
})
