import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import { pause } from '../../functions/contract/clock.ts'
import type { Store } from '../../functions/store/store.ts'
import { CgratesStandIn } from '../support/cgrates.ts'
import { eventWatcher, recordWatcher } from '../support/event-watcher.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FragileLink } from '../support/fragile-link.ts'
import type { Phone } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { A, B, CLUSTER, Pool, SHARED } from './pool.ts'

/** A call that is talked on when its gateway dies or stops goes on with whoever has its calls next. */

const ringing = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))

/** Somebody pays before it rings. */
const billed = new SipRouter().invite('/:domain/:user', async (call: Call) => {
  const auth = await call.authorize({ account: '1001' })
  if (!auth.authorized) return call.reply(auth.code, auth.reason)
  call.fork(call.contacts)
})

interface Stage {
  pool: Pool
  /** Records, each as `gateway reason duration`. */
  told: string[]
  /** Types of the events of calls, from then on. */
  events: string[]
  /** How long they have talked. Seconds. */
  talked(): number
}

interface StageOptions extends WorldOptions {
  /** A's way to the store. */
  fragile?: FragileLink
  /** What Bob's answer has besides. */
  answer?: [string, string][]
}

/** Alice and Bob talk for five seconds by way of A. */
async function talking({ fragile, answer, ...options }: StageOptions = {}): Promise<Stage> {
  const told: string[] = []
  const events: string[] = []
  const watcher = eventWatcher((published) => {
    for (const { type, id, attributes } of published) {
      if (/^(call|dtmf)/.test(type)) events.push(type)
      if (type !== 'cdr.created') continue
      const { gateway, reason, result, endedBy, duration } = attributes
      assert.match(id, /^cdr-/)
      assert.equal(result, 'answered')
      told.push(`${gateway} ${reason || endedBy} ${duration}`)
    }
  })
  let processes = 0
  const link: FragileLink['link'] = (store, clock) =>
    processes++ === 0 && fragile ? fragile.link(store, clock) : store
  const pool = await Pool.start(ringing, { link, watchers: [watcher], ...options })
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  await w.advance(3000)
  await bob.answers(answer)
  const answeredAt = w.clock.now()
  await w.advance(5000)
  events.length = 0
  return { pool, told, events, talked: () => Math.round((w.clock.now() - answeredAt) / 1000) }
}

/** How the calls of A come to whoever has them next, and who that is. */
const NEXT: Record<string, { name: string; takesOver(pool: Pool): Promise<void>; end(pool: Pool): Promise<void> }> = {
  'the gateway that adopts it': {
    name: B.id,
    takesOver: async (pool) => {
      pool.to = B.address
      await pool.w.advance(7000)
    },
    end: async (pool) => {
      await pool.revive()
      await pool.end()
    },
  },
  'the next process of its own': {
    name: A.id,
    takesOver: (pool) => pool.revive(),
    end: (pool) => pool.end(),
  },
}

for (const [next, { name, takesOver, end }] of Object.entries(NEXT)) {
  /** A was killed, and somebody has its calls. */
  const afterKill = async (options: StageOptions = {}): Promise<Stage> => {
    const stage = await talking(options)
    await stage.pool.w.kill()
    await takesOver(stage.pool)
    return stage
  }

  test(`${next} sees how it goes on and ends: told once, with all of its time`, async () => {
    const { pool, told, events, talked } = await afterKill()
    const { w, alice, bob } = pool
    assert.equal(w.counters.get('answered calls taken up'), 1)
    await w.advance(2000)
    await alice.presses('5')
    const seconds = talked()
    await bob.hangsUp()
    assert.match(alice.received.at(-1)!.start, /^BYE/)
    await w.advance(100_000)
    assert.deepEqual(told, [`${name} callee ${seconds}`])
    assert.deepEqual(events, ['dtmf', 'call.ended'])
    await end(pool)
  })

  test(`${next} asks both ends whether they know it, by what changes nothing (RFC 6086, RFC 3261 12.2.2), and goes on with it`, async () => {
    const { pool, told } = await afterKill()
    const { w, alice, bob } = pool
    await w.advance(65_000)
    for (const phone of [alice, bob]) {
      const asked = phone.last(({ isRequest }) => isRequest)
      assert.deepEqual([asked.method, asked.header('CSeq'), asked.body], ['INFO', '0 INFO', ''])
      assert.equal(asked.headers('Route').length, 0)
    }
    await w.advance(1_000_000)
    assert.deepEqual([asked(alice), asked(bob)], [1, 1])
    assert.deepEqual(told, [])
    await alice.hangsUp()
    assert.equal(told.length, 1)
    await end(pool)
  })

  test(`${next} hears that one end does not know it: the other one is told, and its time is as far as it was seen`, async () => {
    const { pool, told, events } = await talking()
    const { w, alice, bob } = pool
    await w.kill()
    await alice.hangsUp()
    await takesOver(pool)
    await w.advance(50_000)
    assert.deepEqual(told, [], 'its gateway may be back, and a BYE be repeated')
    assert.equal(bob.incoming[0]!.state, 'answered')
    await w.advance(15_000)
    assert.equal(bob.incoming[0]!.state, 'ended')
    assert.equal(told.length, 1)
    assert.match(told[0]!, new RegExp(`^${name} the caller has gone [2-5]$`))
    assert.deepEqual(events, ['call.ended'])
    assert.equal(w.counters.get('answered calls ended unseen'), 1)
    await end(pool)
  })

  test(`${next} hears nothing of either end, however often they are asked: its time is as far as it was seen`, async () => {
    const { pool, told } = await afterKill()
    const { w, alice, bob } = pool
    await alice.vanish()
    await bob.vanish()
    await w.advance(600_000)
    assert.deepEqual(told, [], 'phones may have lost their network for a while')
    await w.advance(200_000)
    assert.equal(told.length, 1)
    assert.match(told[0]!, new RegExp(`^${name} nobody answers [2-5]$`))
    await end(pool)
  })

  test(`${next} hears of one end: it goes on, also without the other, and what that says later counts`, async () => {
    const { pool, told, talked } = await afterKill()
    const { w, alice, bob } = pool
    await alice.vanish()
    await w.advance(1_000_000)
    assert.deepEqual(told, [])
    const seconds = talked()
    await bob.hangsUp()
    await w.advance(40_000)
    assert.deepEqual(told, [`${name} callee ${seconds}`])
    await end(pool)
  })

  test(`${next} hears nothing but a re-INVITE: it goes on`, async () => {
    const { pool, told } = await afterKill()
    const { w, alice, bob } = pool
    await w.advance(1000)
    await alice.sendsInDialog('UPDATE')
    await alice.vanish()
    await bob.vanish()
    await w.advance(1_000_000)
    assert.deepEqual(told, [])
    await bob.connect()
    await bob.hangsUp()
    await w.advance(40_000)
    assert.equal(told.length, 1)
    await end(pool)
  })

  test(`${next} wakes its handlers, and hangs it up: to where its ends have said last that they are, with a CSeq that they take (RFC 3261 12.2)`, async () => {
    const app = new SipRouter().invite('/:domain/:user', (call) => {
      call.subscribe('dtmf', { callId: call.id }, 'screen')
      call.fork(call.contacts)
    })
    app.on('screen', (call) => call.hangup('fax'))
    const { pool, told, talked } = await talking({ app })
    const { w, alice, bob } = pool
    await bob.moveTo(5070)
    await bob.sendsInDialog('UPDATE')
    await w.kill()
    await takesOver(pool)
    await alice.presses('1')
    for (const phone of [alice, bob]) {
      const bye = phone.last(({ isRequest }) => isRequest)
      assert.equal(bye.method, 'BYE')
      assert.ok(Number.parseInt(bye.header('CSeq'), 10) > 1000, bye.header('CSeq'))
    }
    assert.deepEqual(told, [`${name} fax ${talked()}`])
    await end(pool)
  })

  test(`${next} ends it when its session is not refreshed (RFC 4028), after the whole of its interval`, async () => {
    const { pool, told } = await afterKill({ answer: [['Session-Expires', '600;refresher=uas']] })
    const { w, alice, bob } = pool
    await w.advance(600_000)
    assert.deepEqual(told, [])
    await w.advance(40_000)
    for (const phone of [alice, bob]) assert.match(phone.received.at(-1)!.start, /^BYE/)
    assert.equal(told.length, 1)
    assert.match(told[0]!, new RegExp(`^${name} the session was not refreshed 6\\d\\d$`))
    await end(pool)
  })

  test(`${next} has it paid for, and for no more than was talked`, async () => {
    const standIn = new CgratesStandIn()
    const account = standIn.account('1001', 600)
    const { pool, talked } = await talking({ app: billed, cgrates: { standIn } })
    const { w, alice } = pool
    await w.advance(30_000)
    await w.kill()
    await takesOver(pool)
    await w.advance(100_000)
    const seconds = talked()
    await alice.hangsUp()
    await w.advance(5000)
    assert.equal(account.balanceMs, (600 - seconds) * 1000)
    assert.equal(standIn.cdrs.size, 1)
    assert.equal(standIn.sessions.size, 0)
    assert.deepEqual(standIn.faults, [])
    await end(pool)
  })

  test(`${next} ends it with the balance: both ends get a BYE`, async () => {
    const standIn = new CgratesStandIn()
    const account = standIn.account('1001', 120)
    const { pool, told } = await talking({ app: billed, cgrates: { standIn } })
    const { w, alice, bob } = pool
    await w.kill()
    await takesOver(pool)
    await w.advance(200_000)
    for (const phone of [alice, bob]) assert.match(phone.received.at(-1)!.start, /^BYE/)
    assert.deepEqual(told, [`${name} the balance has ended 120`])
    assert.equal(account.balanceMs, 0)
    await end(pool)
  })

  test(`${next} lets go of its relayed media at its end`, async () => {
    const app = new SipRouter().invite('/:domain/:user', (call) => {
      call.fork(call.contacts, { media: 'rtpengine' })
    })
    const { pool } = await afterKill({ app, engines: 1 })
    const { w, alice } = pool
    assert.equal(w.engines[0]!.calls.size, 1)
    await alice.hangsUp()
    assert.equal(w.engines[0]!.calls.size, 0)
    await end(pool)
  })
}

test('a BYE that passes by another gateway, before anybody has the calls of one that has died, is heard of: its time is exact', async () => {
  const { pool, told, talked } = await talking()
  const { w, alice, bob } = pool
  await w.kill()
  pool.to = B.address
  await w.advance(1000)
  const seconds = talked()
  await alice.hangsUp()
  await w.advance(45_000)
  assert.equal(bob.incoming[0]!.state, 'ended')
  assert.equal(told.length, 1)
  assert.match(told[0]!, new RegExp(`^gw-b caller (${seconds}|3\\d)$`))
  await pool.revive()
  await pool.end()
})

test('a gateway that stops tells nothing of it: another one goes on with it', async () => {
  const { pool, told, events, talked } = await talking()
  const { w, alice } = pool
  await w.gateway.stop()
  pool.to = B.address
  await w.advance(100_000)
  assert.deepEqual(told, [])
  const seconds = talked()
  await alice.hangsUp()
  await pool.revive()
  assert.deepEqual(told, [`gw-b caller ${seconds}`])
  assert.deepEqual(events, ['call.ended'])
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

test('it stays with who has adopted it when its own gateway is back after that, and goes on when that one dies, too', async () => {
  const { pool, told, talked } = await talking()
  const { w, alice, bob } = pool
  await w.kill()
  pool.to = B.address
  await w.advance(80_000)
  await pool.revive()
  assert.deepEqual([w.gateway.counts().dialogs, pool.b.gateway.counts().dialogs], [0, 1])
  pool.to = A.address
  await alice.presses('5')
  assert.match(bob.received.at(-1)!.start, /^INFO/)
  pool.b.kill()
  await w.advance(7000)
  assert.equal(w.gateway.counts().dialogs, 1)
  const seconds = talked()
  await bob.hangsUp()
  assert.match(alice.received.at(-1)!.start, /^BYE/)
  assert.deepEqual(told, [`gw-a callee ${seconds}`])
  await w.assertQuiet()
  await w.stop()
})

test('one that was answered at its adopter, which dies, and ends while its own gateway only looks on leaves nothing behind', async () => {
  const halted = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.contacts)
    call.halt('120s')
  })
  const told: string[] = []
  const watcher = recordWatcher(({ attributes }) => void told.push(`${attributes.gateway} ${attributes.duration}`))
  const pool = await Pool.start(halted, { watchers: [watcher] })
  const { w, alice, bob } = pool
  await bob.registers()
  await alice.invites('bob')
  await w.kill()
  pool.to = B.address
  await w.advance(8000)
  await bob.answers()
  await pool.revive()
  pool.b.kill()
  pool.to = A.address
  await w.advance(9000)
  await bob.hangsUp()
  assert.equal(alice.received.at(-1)!.method, 'BYE')
  const starting = w.process(B)
  await w.advance(3000)
  pool.b = await starting
  await w.advance(60_000)
  assert.deepEqual(told, [`${A.id} 12`])
  await pool.end()
})

test('it goes from one to the other, and back, as they die and return: whichever gets its requests knows where it is', async () => {
  const { pool, told, talked } = await talking()
  const { w, alice, bob } = pool
  const dialogs = () => [w.gateway.counts().dialogs, pool.b.gateway.counts().dialogs]
  await w.kill()
  pool.to = B.address
  await w.advance(7000)
  await pool.revive()
  pool.b.kill()
  pool.to = A.address
  await w.advance(7000)
  const starting = w.process(B)
  await w.advance(3000)
  pool.b = await starting
  assert.deepEqual(dialogs(), [1, 0])
  await w.kill()
  await pool.revive()
  assert.deepEqual(dialogs(), [1, 0])
  for (const to of [A.address, B.address]) {
    pool.to = to
    await alice.presses('5')
    assert.match(bob.received.at(-1)!.start, /^INFO/)
  }
  await w.advance(65_000)
  const seconds = talked()
  await bob.hangsUp()
  assert.match(alice.received.at(-1)!.start, /^BYE/)
  assert.deepEqual(told, [`gw-a callee ${seconds}`])
  await pool.end()
})

test('a gateway that was cut off, taken for dead, and is back within a minute goes on with its calls, and nobody else tells of them', async () => {
  const fragile = new FragileLink()
  const standIn = new CgratesStandIn()
  const account = standIn.account('1001', 600)
  const { pool, told } = await talking({ app: billed, cgrates: { standIn }, fragile })
  const { w, alice } = pool
  fragile.isAway = true
  await w.advance(20_000)
  assert.equal(w.counters.get('adopted gateways'), 1)
  assert.equal(pool.b.gateway.counts().dialogs, 1)
  await fragile.comesBack()
  await w.advance(20_000)
  assert.equal(pool.b.gateway.counts().dialogs, 0)
  await alice.hangsUp()
  await w.advance(70_000)
  assert.deepEqual(told, ['gw-a caller 45'])
  assert.equal(account.balanceMs, 555_000)
  assert.deepEqual(standIn.faults, [])
  w.errors.length = 0
  await pool.end()
})

test('a gateway that was cut off, and is back after more than that, leaves them to who has adopted them', async () => {
  const fragile = new FragileLink()
  const { pool, told } = await talking({ fragile })
  const { w, alice, bob } = pool
  fragile.isAway = true
  await w.advance(80_000)
  await fragile.comesBack()
  await w.advance(20_000)
  assert.deepEqual([w.gateway.counts().dialogs, pool.b.gateway.counts().dialogs], [0, 1])
  await alice.hangsUp()
  assert.match(bob.received.at(-1)!.start, /^BYE/)
  await w.advance(70_000)
  assert.deepEqual(told, ['gw-b caller 105'])
  w.errors.length = 0
  await pool.end()
})

test('one that ends at who has adopted it, while its gateway is cut off, is not gone on with when that is back', async () => {
  const fragile = new FragileLink()
  const { pool, told } = await talking({ fragile })
  const { w, alice } = pool
  fragile.isAway = true
  await w.advance(20_000)
  pool.to = B.address
  await alice.hangsUp()
  await fragile.comesBack()
  await w.advance(20_000)
  assert.equal(w.gateway.counts().dialogs, 0)
  assert.deepEqual(told, ['gw-b caller 25'])
  w.errors.length = 0
  await pool.end()
})

test('two processes of one id: both follow it until it ends at one of them, and its record is the same', async () => {
  const { pool, told } = await talking()
  const { w, alice, bob } = pool
  const starting = w.process({ ...CLUSTER, id: 'gw-a', address: '10.0.0.3' })
  await w.advance(2000)
  const newer = await starting
  await alice.presses('5')
  assert.match(bob.received.at(-1)!.start, /^INFO/)
  await alice.hangsUp()
  assert.equal(w.gateway.counts().dialogs, 0)
  assert.deepEqual(told, ['gw-a caller 7'])
  // What the phones say reaches the other one.
  await w.advance(900_000)
  assert.equal(newer.gateway.counts().dialogs, 0)
  w.errors.length = 0
  await newer.stop()
  await pool.end()
})

test('an end that takes no INFO is asked by OPTIONS (RFC 3261 20.5)', async () => {
  const { pool } = await talking({ answer: [['Allow', 'INVITE, ACK, BYE, CANCEL']] })
  const { w, alice, bob } = pool
  await w.kill()
  await pool.revive()
  await w.advance(65_000)
  assert.equal(alice.last(({ isRequest }) => isRequest).header('CSeq'), '0 INFO')
  assert.equal(bob.last(({ isRequest }) => isRequest).header('CSeq'), '0 OPTIONS')
  await alice.hangsUp()
  await pool.end()
})

for (const transport of ['tcp', 'ws'] as const)
  test(`a phone that has connected anew, and registered, after its gateway was started again is asked, and hears the BYE (${transport})`, async () => {
    const told: string[] = []
    const watcher = recordWatcher(({ attributes }) => told.push(`${attributes.endedBy} ${attributes.duration}`))
    const port = transport === 'ws' ? 80 : 5060
    const at = { address: A.address, port, advertisedHost: A.address, advertisedPort: port }
    const udp = { transport: 'udp' as const, ...at, port: 5060, advertisedPort: 5060 }
    const gateway = { id: 'gw', cluster: CLUSTER.cluster, listeners: [udp, { transport, ...at }] }
    const w = await world({ app: ringing, gateway, watchers: [watcher] })
    const alice = await w.phone('alice')
    const bob = await w.phone('bob', { transport, gateway: { address: A.address, port } })
    await bob.registers()
    await alice.invites('bob')
    await bob.answers()
    await w.restart()
    await w.advance(10_000)
    await bob.connect()
    await bob.registers()
    await w.advance(55_000)
    assert.deepEqual([asked(alice), asked(bob)], [1, 1])
    await alice.hangsUp()
    assert.equal(bob.incoming[0]!.state, 'ended')
    assert.deepEqual(told, ['caller 65'])
    await w.assertQuiet()
    await w.stop()
  })

test('what a gateway leaves behind that nobody can act for is settled when it has not come back for an hour: told and billed as far as it was seen', async () => {
  for (const isBack of [false, true]) {
    const standIn = new CgratesStandIn()
    standIn.account('1001', 600)
    const told: string[] = []
    const watcher = recordWatcher(({ attributes: { gateway, reason, endedBy, duration } }) =>
      told.push(`${gateway} ${reason || endedBy} ${duration}`),
    )
    const gateway = { id: 'gw', cluster: { pool: 'east' } }
    const w = await world({ app: billed, gateway, cgrates: { standIn }, watchers: [watcher] })
    const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' } })
    await w.advance(1500)
    const b = await starting
    const alice = await w.phone('alice')
    const bob = await w.phone('bob')
    const carol = await w.phone('carol')
    await bob.registers()
    await carol.registers()
    await alice.invites('bob')
    await bob.answers()
    await w.advance(20_000)
    await carol.invites('carol')
    await w.kill()
    await w.advance(3_500_000)
    assert.deepEqual(told, [])
    if (isBack) {
      const restarting = w.start()
      await w.advance(2000)
      await restarting
      await alice.hangsUp()
      await w.advance(200_000)
      assert.deepEqual(told, ['gw caller 3522'])
    } else {
      await w.advance(200_000)
      assert.equal(told.length, 1)
      assert.match(told[0]!, /^gw-b the gateway was lost (1\d|20)$/)
      assert.equal(w.counters.get('answered calls lost'), 1)
      const [billed] = standIn.cdrs.values()
      assert.match(told[0]!, new RegExp(` ${Math.round(billed!.usageMs / 1000)}$`))
    }
    assert.equal(standIn.cdrs.size, 1)
    assert.deepEqual(standIn.faults, [])
    assert.deepEqual(await w.store.suspended('gw'), [])
    assert.equal(b.gateway.counts().calls, 0)
    await b.stop()
    if (isBack) await w.stop()
    else await w.store.close()
  }
})

test('one that has left is not waited for: who has adopted its calls has them paid for at once', async () => {
  const standIn = new CgratesStandIn()
  standIn.account('1001', 60)
  const { pool, told } = await talking({ app: billed, cgrates: { standIn } })
  const { w } = pool
  const drained = w.gateway.drain(20_000)
  await w.advance(2000)
  await drained
  await w.gateway.stop()
  pool.to = B.address
  await w.advance(70_000)
  assert.deepEqual(told, ['gw-b the balance has ended 60'])
  assert.deepEqual(standIn.faults, [])
  await pool.revive()
  await pool.end()
})

/** One gateway alone, and what is told of its calls. */
async function alone() {
  const fragile = new FragileLink()
  const told: string[] = []
  const { advertised: _, ...gateway } = A
  const watcher = recordWatcher(({ attributes }) => told.push(`${attributes.endedBy} ${attributes.duration}`))
  const w = await world({ app: ringing, link: fragile.link, gateway, watchers: [watcher] })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  /** Its gateway is killed ten seconds later. @param talked seconds of talk in all */
  const goesOn = async (talked: number) => {
    await w.advance(10_000)
    await w.kill()
    await w.advance(2000)
    await w.restart()
    assert.deepEqual(told, [])
    await alice.hangsUp()
    assert.deepEqual(told, [`caller ${talked}`])
    await w.stop()
  }
  return { w, alice, bob, fragile, told, goesOn }
}

test('a call that is talked on when the store is emptied goes on all the same when its gateway is killed later', async () => {
  const { w, bob, fragile, goesOn } = await alone()
  await bob.answers()
  await w.advance(2000)
  await fragile.loses(A.id)
  await goesOn(14)
})

test('a call that was answered while the store was away goes on when its gateway is killed later', async () => {
  const { w, bob, fragile, goesOn } = await alone()
  fragile.isAway = true
  await bob.answers()
  await w.advance(3000)
  await fragile.comesBack()
  await goesOn(15)
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

test('a gateway whose store ends with it tells what it knows when it stops', async () => {
  const told: string[] = []
  const watcher = recordWatcher(({ attributes }) => told.push(`${attributes.reason} ${attributes.duration}`))
  const w = await world({ app: ringing, watchers: [watcher] })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()
  assert.deepEqual(w.writes, { suspend: 0, resume: 0, release: 0 })
  await w.advance(5000)
  await w.stop()
  assert.deepEqual(told, ['the gateway has stopped 5'])
})

for (const [when, ms] of [
  ['before anybody has adopted it', 1000],
  ['while its adopter only looks on', 7000],
] as const)
  test(`a call that ends ${when} is billed once, for what was talked`, async () => {
    const standIn = new CgratesStandIn()
    const account = standIn.account('1001', 600)
    const { pool, told, talked } = await talking({ app: billed, cgrates: { standIn } })
    const { w, alice } = pool
    await w.kill()
    pool.to = B.address
    await w.advance(ms)
    const seconds = talked()
    await alice.hangsUp()
    await w.advance(70_000)
    assert.deepEqual(told, [`gw-b caller ${seconds}`])
    assert.equal(standIn.cdrs.size, 1)
    assert.equal(standIn.sessions.size, 0)
    assert.equal(account.balanceMs, (600 - seconds) * 1000)
    assert.deepEqual(standIn.faults, [])
    await pool.revive()
    await pool.end()
  })

/** Alice talks to Bob by way of two gateways, each of which has a call of it; both know the one dialog. */
async function byTwoGateways(pool: string, advertised: string) {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.domain === 'example.com' ? 'sip:bob@10.0.0.2' : 'sip:bob@example.com')
  })
  const told: string[] = []
  const watcher = recordWatcher(({ attributes: { gateway, reason, endedBy, duration } }) =>
    told.push(`${gateway} ${reason || endedBy} ${duration}`),
  )
  const fragile = new FragileLink()
  let processes = 0
  const link: FragileLink['link'] = (store, clock) => (processes++ === 0 ? fragile.link(store, clock) : store)
  const w = await world({ app, link, gateway: A, watchers: [watcher] })
  const starting = w.process({ id: B.id, address: B.address, advertised, cluster: { pool } })
  await w.advance(1500)
  const b = await starting
  const alice = await w.phone('alice')
  const bob = await w.phone('bob', { gateway: { address: B.address, port: 5060 } })
  await bob.registers()
  await w.advance(7000)
  await alice.invites('bob')
  await bob.answers()
  await w.advance(5000)
  assert.deepEqual([w.gateway.counts().dialogs, b.gateway.counts().dialogs], [1, 1])
  return { w, b, bob, fragile, told }
}

test('a call that has passed two gateways, one of which is cut off for a while: the other one, which looks on, goes on with its own', async () => {
  const { w, b, bob, fragile, told } = await byTwoGateways('east', SHARED.address)
  fragile.isAway = true
  await w.advance(20_000)
  assert.equal(b.gateway.counts().calls, 2)
  await fragile.comesBack()
  await w.advance(10_000)
  assert.deepEqual([b.gateway.counts().calls, b.gateway.counts().dialogs], [1, 1])
  await bob.hangsUp()
  await w.advance(100_000)
  assert.deepEqual(told.sort(), ['gw-a callee 35', 'gw-b callee 35'])
  assert.equal(b.gateway.counts().calls, 0)
  await b.stop()
  await w.stop()
})

test('a call that has passed two gateways, one of which is lost for good: the other one goes on with its own', async () => {
  const { w, b, bob, told } = await byTwoGateways('west', B.address)
  await w.kill()
  await w.advance(3_700_000)
  assert.deepEqual(told, ['gw-b the gateway was lost 5'])
  assert.deepEqual([b.gateway.counts().calls, b.gateway.counts().dialogs], [1, 1])
  await bob.hangsUp()
  await w.advance(100_000)
  assert.equal(told.length, 2)
  assert.match(told[1]!, /^gw-b callee 37\d\d$/)
  assert.equal(b.gateway.counts().calls, 0)
  await b.stop()
  await w.store.close()
})

for (const ends of [false, true])
  test(`a call whose session was refreshed at its gateway, while that was cut off, and that ${ends ? 'has ended' : 'goes on'} at who has adopted it, is followed by one`, async () => {
    const fragile = new FragileLink()
    const { pool, told } = await talking({ fragile })
    const { w, alice, bob } = pool
    fragile.isAway = true
    await w.advance(10_000)
    await alice.sendsInDialog('UPDATE')
    await w.advance(70_000)
    pool.to = B.address
    if (ends) await alice.hangsUp()
    await fragile.comesBack()
    await w.advance(20_000)
    assert.deepEqual([w.gateway.counts().dialogs, pool.b.gateway.counts().dialogs], [0, ends ? 0 : 1])
    if (!ends) await alice.hangsUp()
    assert.match(bob.received.at(-1)!.start, /^BYE/)
    await w.advance(70_000)
    assert.deepEqual(told, [`gw-b caller ${ends ? 85 : 105}`])
    w.errors.length = 0
    await pool.end()
  })

test('what changes in a call is written down again by a gateway that is back within a minute, however much its adopter has written', async () => {
  const fragile = new FragileLink()
  const { pool } = await talking({ fragile })
  const { w, bob, alice } = pool
  const moves = async (port: number) => {
    await bob.moveTo(port)
    await bob.sendsInDialog('UPDATE')
  }
  fragile.isAway = true
  await w.advance(10_000)
  pool.to = B.address
  for (const port of [5070, 5071, 5072]) await moves(port)
  await fragile.comesBack()
  await w.advance(10_000)
  pool.to = A.address
  await moves(5073)
  const [record] = await w.store.suspended(A.id)
  assert.match(JSON.parse(record!.state).talk.dialogs[0].callee.target, /:5073/)
  await alice.hangsUp()
  w.errors.length = 0
  await pool.end()
})

test('an adopter that is cut off, while the gateway whose calls it has comes back, leaves them to that one', async () => {
  const fragile = new FragileLink()
  let processes = 0
  const link: FragileLink['link'] = (store, clock) => (processes++ === 1 ? fragile.link(store, clock) : store)
  const { pool, told } = await talking({ link })
  const { w, alice, bob } = pool
  await w.kill()
  pool.to = B.address
  await w.advance(80_000)
  fragile.isAway = true
  await w.advance(6000)
  await pool.revive()
  pool.to = A.address
  await w.advance(5000)
  await fragile.comesBack()
  await w.advance(10_000)
  assert.deepEqual([w.gateway.counts().dialogs, pool.b.gateway.counts().dialogs], [1, 0])
  await alice.hangsUp()
  assert.match(bob.received.at(-1)!.start, /^BYE/)
  await w.advance(100_000)
  assert.equal(told.length, 1)
  w.errors.length = 0
  await pool.end()
})

for (const [when, looksOnMs] of [
  ['given back', 20_000],
  ['handed over', 80_000],
] as const)
  test(`a call that ends while it is ${when}, by a store that is slow, is told once and leaves nothing behind`, async () => {
    let processes = 0
    let isWriting = false
    const link: FragileLink['link'] = (store, clock) => {
      if (processes++ !== 1) return store
      return new Proxy(store, {
        get: (_, name: keyof Store) => {
          if (name !== 'suspend') return store[name]
          return async (step: Parameters<Store['suspend']>[0]) => {
            const missed = await store.suspend(step)
            isWriting = true
            await pause(clock, 3000)
            isWriting = false
            return missed
          }
        },
      })
    }
    const { pool, told } = await talking({ link })
    const { w, alice } = pool
    await w.kill()
    pool.to = B.address
    await w.advance(looksOnMs)
    if (looksOnMs < 60_000) await alice.sendsInDialog('UPDATE')
    const starting = w.start()
    await w.advance(50)
    while (!isWriting) await w.advance(50)
    await w.advance(2000)
    await alice.hangsUp()
    await w.advance(5000)
    await starting
    await w.advance(100_000)
    assert.equal(told.length, 1)
    assert.deepEqual(await w.store.suspended(A.id), [])
    await pool.end()
  })

test('a call whose end was told while a handler still thinks is not told once more by the next process', async () => {
  const clock = new FakeClock()
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('dtmf', { callId: call.id }, 'thinks')
    call.fork(call.contacts)
  })
  app.on('thinks', () => pause(clock, 2000))
  const { pool, told } = await talking({ app, clock })
  const { w, alice } = pool
  await alice.presses('1')
  await alice.hangsUp()
  assert.deepEqual(told, ['gw-a caller 5'])
  await w.kill()
  await pool.revive()
  await w.advance(100_000)
  assert.deepEqual(told, ['gw-a caller 5'])
  await pool.end()
})

for (const trouble of [
  'has no listener of the transport by which its caller has called',
  'cannot read the store at first',
])
  test(`what a gateway leaves behind is told once by one that ${trouble}`, async () => {
    const heard: string[] = []
    const watcher = recordWatcher(({ attributes: { gateway, reason, duration } }) =>
      heard.push(`${gateway} ${reason} ${duration}`),
    )
    const isStore = trouble.includes('store')
    let failures = isStore ? 1 : 0
    const link: FragileLink['link'] = (store, clock) =>
      new Proxy(store, {
        get: (_, name: keyof Store) => {
          if (name !== 'suspended') return store[name]
          return async (gateway: string) => {
            if (gateway === A.id && clock.now() > 3_000_000 && failures-- > 0) throw new Error('the store is away')
            return store.suspended(gateway)
          }
        },
      })
    const w: World = await world({
      app: ringing,
      link,
      gateway: { id: A.id, cluster: { pool: 'east' } },
      watchers: [watcher],
    })
    const tcp = {
      transport: 'tcp',
      address: B.address,
      port: 5060,
      advertisedHost: B.address,
      advertisedPort: 5060,
    } as const
    const starting = w.process({
      id: B.id,
      cluster: { pool: 'west' },
      address: B.address,
      ...(isStore ? {} : { listeners: [tcp] }),
    })
    await w.advance(1500)
    const b = await starting
    const alice = await w.phone('alice')
    const bob = await w.phone('bob')
    await bob.registers()
    await alice.invites('bob')
    await bob.answers()
    await w.advance(5000)
    await w.kill()
    await w.advance(7_400_000)
    assert.deepEqual(heard, ['gw-b the gateway was lost 5'])
    assert.equal(w.counters.get('adopted gateways'), 0)
    assert.deepEqual(await w.store.suspended(A.id), [])
    assert.equal(b.gateway.counts().calls, 0)
    await b.stop()
    await w.store.close()
  })

test('a gateway that is started again while its adopter looks on: what nobody has seen the end of is told up to when it was seen itself', async () => {
  const standIn = new CgratesStandIn()
  standIn.account('1001', 6000)
  const { pool, told } = await talking({ app: billed, cgrates: { standIn } })
  const { w, alice, bob } = pool
  await w.kill()
  await alice.vanish()
  await bob.vanish()
  pool.to = B.address
  await w.advance(50_000)
  await pool.revive()
  await w.advance(900_000)
  assert.equal(told.length, 1)
  assert.match(told[0]!, /^gw-a nobody answers [2-5]$/)
  const [record] = standIn.cdrs.values()
  assert.match(told[0]!, new RegExp(` ${Math.round(record!.usageMs / 1000)}$`))
  await pool.end()
})

/** How often a phone was asked whether it knows its call. */
function asked({ received }: Phone): number {
  return received.filter(({ isRequest, method }) => isRequest && method === 'INFO').length
}
