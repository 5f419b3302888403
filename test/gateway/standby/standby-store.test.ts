import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import type { Binding, RegisterChange, Store } from '../../../functions/store/store.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { LastKnown } from '../../../gateway/standby/last-known.ts'
import { StandbyStore } from '../../../gateway/standby/standby-store.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'
import { FragileLink } from '../../support/fragile-link.ts'

const BOB = 'sip:bob@example.com'
const LIMITS = { changes: 20_000, events: 10_000 }

async function standing() {
  const clock = new FakeClock()
  const ids = new CountingIds()
  const memory = createMemoryStore({ clock, ids, limits: { recentMs: 6000 } })
  const fragile = new FragileLink()
  const counted = new Counters()
  const store = new StandbyStore({ store: fragile.link(memory, clock), clock, ids, count: counted.count })
  const inbox = await store.inbox('gw', () => {})
  const close = async () => {
    await inbox.close()
    await store.close()
  }
  return { clock, memory, fragile, counted, store, close }
}

function binding(aor: string, device: string, more: Partial<Binding> = {}): Binding {
  const received = {
    ...{ transport: 'udp' as const, address: '192.0.2.1', port: 5060, listener: 'udp:198.51.100.1:5060' },
    ...{ connection: 0, gateway: 'gw', nat: false },
  }
  return {
    ...{ aor, device, contact: `sip:x@${device}`, q: 1, expiresAt: 3_600_000, registeredAt: 0 },
    ...{ callId: `register of ${device}`, cseq: 1, path: [], received, parameters: '' },
    ...more,
  }
}

function put(...bindings: [Binding, ...Binding[]]): RegisterChange {
  const { aor, callId, cseq, registeredAt } = bindings[0]
  return { aor, callId, cseq, now: registeredAt, put: bindings, remove: [], maxContacts: 5 }
}

function word(id: string, time = 0): RouseEvent {
  return { id, type: 'word', time, attributes: {} }
}

async function devicesOf(store: Pick<StandbyStore, 'lookup'>, aor = BOB): Promise<string[]> {
  return (await store.lookup(aor)).bindings.map(({ device }) => device).sort()
}

test('where a user was when last looked up is known while the store is away, without what has expired since', async () => {
  const { clock, memory, fragile, store, close } = await standing()
  await memory.register(put(binding(BOB, 'desk'), binding(BOB, 'phone', { expiresAt: 60_000 })))
  await store.lookup(BOB)
  fragile.isAway = true
  assert.deepEqual(await devicesOf(store), ['desk', 'phone'])
  await clock.advance(60_000)
  assert.deepEqual(await devicesOf(store), ['desk'])
  await assert.rejects(store.lookup('sip:dave@example.com'), /the store is away/)
  await close()
})

test('what registers while the store is away is looked up here at once, and there in the order it came', async () => {
  const { clock, memory, fragile, store, counted, close } = await standing()
  fragile.isAway = true
  const first = await store.register(put(binding(BOB, 'phone')))
  assert.deepEqual(first.ok && first.events.map(({ type, attributes }) => [type, attributes.kind]), [
    ['contact.registered', 'new'],
  ])
  await store.register(put(binding(BOB, 'phone', { cseq: 2, contact: 'sip:moved@phone' })))
  const repeated = await store.register(put(binding(BOB, 'phone', { cseq: 2 })))
  assert.deepEqual([repeated.ok, !repeated.ok && repeated.why], [false, 'order'])
  await store.register({ ...put(binding(BOB, 'desk')), put: [], remove: '*', callId: 'another' })
  await store.register(put(binding(BOB, 'desk', { cseq: 3 })))
  assert.deepEqual(await devicesOf(store), ['desk'])
  assert.equal(store.owed, 4)
  await clock.advance(60_000)
  fragile.isAway = false
  assert.deepEqual(await devicesOf(store), ['desk'], 'not asked where it is not known yet')
  await clock.advance(1000)
  assert.equal(store.owed, 0)
  assert.deepEqual(await devicesOf(memory), ['desk'])
  assert.equal(counted.get('registrations without the store'), 4)
  await close()
})

test('a REGISTER that the store takes, and says so too late, raises one event', async () => {
  const { clock, memory, close } = await standing()
  const taken: RouseEvent[] = []
  const late = {
    ...{ lookup: memory.lookup.bind(memory), close: memory.close.bind(memory), inbox: memory.inbox.bind(memory) },
    register: async (change: RegisterChange) => {
      const outcome = await memory.register(change)
      if (outcome.ok) taken.push(...outcome.events)
      throw new Error('no answer in time')
    },
  } as unknown as Store
  const store = new StandbyStore({ store: late, clock, ids: new CountingIds(), count: () => {} })
  const outcome = await store.register(put(binding(BOB, 'phone')))
  assert.deepEqual(outcome.ok && outcome.events, taken)
  assert.equal(taken.length, 1)
  await store.close()
  await close()
})

test('one user whose changes the store takes late holds up nobody, and no change of it is written twice or forgotten', async () => {
  const { clock, memory, fragile, close } = await standing()
  const written: number[] = []
  const slow = {
    ...{ lookup: memory.lookup.bind(memory), close: memory.close.bind(memory), inbox: memory.inbox.bind(memory) },
    register: async (change: RegisterChange) => {
      if (fragile.isAway || change.aor === 'sip:fails@example.com') throw new Error('the store is away')
      await new Promise<void>((resolve) => void clock.after(1500, resolve))
      written.push(change.cseq)
      return memory.register(change)
    },
  } as unknown as Store
  const store = new StandbyStore({ store: slow, clock, ids: new CountingIds(), count: () => {} })
  fragile.isAway = true
  await store.register(put(binding('sip:fails@example.com', 'phone')))
  for (const cseq of [1, 2, 3]) await store.register(put(binding(BOB, 'phone', { cseq })))
  fragile.isAway = false
  await clock.advance(10_000)
  assert.deepEqual(written, [1, 2, 3])
  assert.equal(store.owed, 1)
  await store.close()
  await close()
})

/** Of `word`, for the transaction of this name. */
function interest(transaction: string) {
  return {
    transaction: { id: transaction, gateway: 'gw', rev: 1, callId: 'c', expiresAt: 3_600_000, state: '' },
    add: [{ id: `of ${transaction}`, transaction, gateway: 'gw', event: 'word', filter: {}, expiresAt: 3_600_000 }],
    ...{ drop: [], since: '0' },
  }
}

test('what is handed over while the store is away is refused, reaches the own calls once however often it comes, and the others when it is taken', async () => {
  const { clock, memory, fragile, store, close } = await standing()
  const heard: string[] = []
  const inbox = await store.inbox('gw', (deliveries) => {
    for (const { transaction, event } of deliveries) heard.push(`${transaction} ${event.id}`)
  })
  await store.suspend(interest('own'))
  await memory.suspend(interest('other'))
  fragile.isAway = true
  for (let tries = 0; tries < 2; tries++) await assert.rejects(store.hand([word('e1')]), /away/)
  assert.deepEqual(heard, ['own e1'])
  assert.equal(store.owed, 0)
  fragile.isAway = false
  await store.hand([word('e1')])
  await clock.advance(1000)
  assert.deepEqual(heard, ['own e1', 'other e1'])
  await inbox.close()
  await close()
})

test('a newer REGISTER that another gateway has taken meanwhile stands', async () => {
  const { clock, memory, fragile, store, counted, close } = await standing()
  fragile.isAway = true
  await store.register(put(binding(BOB, 'phone', { cseq: 1, contact: 'sip:old@phone' })))
  await memory.register(put(binding(BOB, 'phone', { cseq: 2, contact: 'sip:new@phone' })))
  fragile.isAway = false
  await clock.advance(1000)
  assert.deepEqual(
    (await memory.lookup(BOB)).bindings.map(({ contact }) => contact),
    ['sip:new@phone'],
  )
  assert.equal(counted.get('registrations superseded'), 1)
  await close()
})

test('what is kept for the store is bounded: the oldest events go, and a REGISTER too many is refused', async () => {
  const { clock, memory, fragile, store, counted, close } = await standing()
  fragile.isAway = true
  for (let index = 0; index < LIMITS.changes; index++) {
    await store.register(put(binding(`sip:u${index}@example.com`, `d${index}`)))
  }
  for (const aor of [BOB, 'sip:u0@example.com'])
    await assert.rejects(store.register(put(binding(aor, 'phone'))), /the store is away, and no more can be kept/)
  for (let index = 0; index < LIMITS.events + 5; index++) await store.publish([word(`e${index}`)])
  assert.equal(counted.get('events lost'), 5)
  assert.equal(store.owed, LIMITS.changes + LIMITS.events)
  fragile.isAway = false
  await clock.advance(1000)
  assert.equal(store.owed, 0)
  assert.equal((await memory.lookup('sip:u19999@example.com')).bindings.length, 1)
  await close()
})

test('a transaction that is suspended anew after its release was put off is not released then', async () => {
  const { clock, memory, fragile, store, close } = await standing()
  const step = (rev: number) => ({
    transaction: { id: 't', gateway: 'gw', rev, callId: 'c', expiresAt: 3_600_000, state: '' },
    ...{ add: [], drop: [], since: '0' },
  })
  await store.suspend(step(1))
  fragile.isAway = true
  await store.release('t')
  fragile.isAway = false
  await store.suspend(step(2))
  await clock.advance(5000)
  assert.equal((await memory.suspended('gw')).length, 1)
  fragile.isAway = true
  await store.release('t')
  fragile.isAway = false
  await clock.advance(1000)
  assert.deepEqual(await memory.suspended('gw'), [])
  await close()
})

test('bindings that the store has lost are written again, those that it has newer are not, nor what came by another gateway', async () => {
  const { clock, memory, fragile, store, close } = await standing()
  const elsewhere = { ...binding(BOB, 'car').received, gateway: 'other' }
  await store.register(put(binding(BOB, 'phone')))
  await store.register(put(binding(BOB, 'desk')))
  await memory.register(put(binding(BOB, 'car', { received: elsewhere })))
  await store.lookup(BOB)
  await memory.register({ ...put(binding(BOB, 'x')), put: [], remove: '*', callId: 'gone' })
  await memory.register(put(binding(BOB, 'desk', { contact: 'sip:newer@desk', registeredAt: 5, callId: 'newer' })))
  await fragile.loses()
  await clock.advance(1000)
  const { bindings } = await memory.lookup(BOB)
  assert.deepEqual(bindings.map(({ contact }) => contact).sort(), ['sip:newer@desk', 'sip:x@phone'])
  assert.equal(store.owed, 0)
  await close()
})

test('what was amended in the store is known while it is away; then nothing is amended', async () => {
  const { memory, fragile, store, close } = await standing()
  await memory.register(put(binding(BOB, 'phone')))
  const [read] = (await store.lookup(BOB)).bindings
  const amended = { ...read!, q: 0.5 }
  assert.equal(await store.amend(read!, amended), true)
  fragile.isAway = true
  assert.deepEqual((await store.lookup(BOB)).bindings, [amended])
  await assert.rejects(store.amend(amended, read!))
  await store.register(put(binding(BOB, 'phone', { cseq: 2 })))
  fragile.isAway = false
  await assert.rejects(store.amend(amended, read!), /has not caught up/)
  await close()
})

test('of too many users those are forgotten who were not asked for longest', () => {
  const known = new LastKnown(2)
  known.remember('a', [binding('a', '1')])
  known.remember('b', [binding('b', '2')])
  known.remember('a', [binding('a', '1')])
  known.remember('c', [binding('c', '3')])
  assert.deepEqual(
    ['a', 'b', 'c'].map((aor) => known.has(aor)),
    [true, false, true],
  )
  known.remember('a', [])
  assert.equal(known.size, 1)
})
