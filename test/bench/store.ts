import { matches } from '../../functions/store/filter.ts'
import { createMemoryStore } from '../../functions/store/memory.ts'
import { createRedisStore } from '../../functions/store/redis/tcp.ts'
import type { Store, StoredSubscription } from '../../functions/store/store.ts'
import { binding, registered } from '../conformance/subject.ts'
import { CountingIds } from '../support/fake-clock.ts'
import { ask } from '../support/redis-cluster.ts'
import { startRedis } from '../support/redis-server.ts'
import { ShiftedClock } from '../support/shifted-clock.ts'
import { redisCounters } from './redis-counters.ts'

/**
 * What the store costs, on memory and on a redis-server of its own: one event against more and more live subscriptions, each REGISTER,
 * the life of a suspended call, and how long a delivery takes from one store to another.
 * `node test/bench/store.ts [most subscriptions in Redis, default 100000]`; a million in memory need about 1.5 GB.
 */

const PORT = 27_184
const SIZES = [100, 1_000, 10_000, 100_000, 1_000_000]
const MOST_IN_REDIS = Number(process.argv[2] ?? 100_000)
const LIFE_MS = 3_600_000
const AT_ONCE = 20
const IN_TRANSACTION = 100

const clock = new ShiftedClock()
const ids = new CountingIds()
const server = await startRedis({ port: PORT })
try {
  await events()
  await operations()
  await latency()
} finally {
  await server.stop()
}

function redisStore(): Store {
  return createRedisStore({ url: server.url, clock, ids, deadlineMs: 10_000 })
}

/** The list: every subscription is looked at for every event. */
async function events(): Promise<void> {
  console.log('one event that one subscription of many matches, microseconds\n')
  console.log('live subscriptions |  list | memory | redis, whole | redis-server CPU | commands in Redis')
  for (const size of SIZES) {
    const cells = [size, await listCost(size), await memoryCost(size)].map((cell, index) => {
      return (index === 0 ? String(cell) : cell.toString()).padStart([18, 5, 6][index]!)
    })
    if (size <= MOST_IN_REDIS) {
      const { wallUs, cpuUs, commands } = await redisCost(size)
      cells.push(wallUs.toFixed(0).padStart(12), cpuUs.toFixed(1).padStart(16), commands.toFixed(1).padStart(17))
    }
    console.log(cells.join(' | '))
  }
}

async function listCost(size: number): Promise<string> {
  const list = Array.from({ length: size }, (_, index) => subscriptionOf(index))
  const rounds = Math.max(5, Math.min(2_000, Math.ceil(1_000_000 / size)))
  let found = 0
  const elapsed = await timed(rounds, async (round) => {
    const event = eventFor((round * 7919) % size)
    for (const one of list) if (one.event === event.type && matches(one.filter, event.attributes)) found++
  })
  if (found !== rounds) throw new Error(`${found} matches in ${rounds} rounds`)
  return elapsed < 10 ? elapsed.toFixed(1) : elapsed.toFixed(0)
}

async function memoryCost(size: number): Promise<string> {
  const store = createMemoryStore({ clock, ids })
  await fill(store, size)
  await timed(2_000, (round) => store.publish([eventFor((round * 7919) % size)]))
  const elapsed = await timed(5_000, (round) => store.publish([eventFor((round * 7919) % size)]))
  await store.close()
  return elapsed.toFixed(1)
}

async function redisCost(size: number) {
  await ask(server.url, 'FLUSHALL')
  const store = redisStore()
  await fill(store, size)
  await timed(200, (round) => store.publish([eventFor((round * 7919) % size)]))
  const cost = await costOf(2_000, (round) => store.publish([eventFor((round * 7919) % size)]))
  await store.close()
  return cost
}

async function operations(): Promise<void> {
  await ask(server.url, 'FLUSHALL')
  const store = redisStore()
  console.log('\none operation in Redis, one at a time\n')
  console.log(
    '                                  | round trips | scripts | commands in all | redis-server CPU µs | whole µs',
  )
  const subject = { store, now: () => clock.now(), pass: async () => {}, close: async () => {} }
  const phone = (round: number, cseq: number) => {
    const aor = `sip:user${round}@example.com`
    const one = binding(subject, 'phone', { aor, cseq, expiresAt: clock.now() + LIFE_MS })
    return { aor, callId: one.callId, cseq, now: clock.now(), put: [one], remove: [], maxContacts: 10 }
  }
  const register = async (round: number, cseq: number) => {
    const outcome = await store.register(phone(round, cseq))
    if (outcome.ok) await store.publish(outcome.events)
  }
  const life = async (round: number) => {
    const { at } = await store.lookup(aorOf(round))
    const transaction = transactionOf(`life ${round}`)
    const one = { ...subscriptionOf(round), id: `life ${round}`, transaction: transaction.id }
    await store.suspend({ transaction, add: [one], drop: [], since: at })
    await store.publish([eventFor(round)])
    await store.resume({ transaction: { ...transaction, rev: 2 }, claim: 'wait', ttlMs: 60_000 })
    await store.release(transaction.id, 1, { gateway: 'gw', subscriptions: [one] })
  }
  const work: [name: string, act: (round: number) => Promise<unknown>][] = [
    ['look-up', (round) => store.lookup(aorOf(round))],
    ['REGISTER, new', (round) => store.register(phone(round, 1))],
    ['REGISTER, refreshed', (round) => store.register(phone(round, 2))],
    ['REGISTER with its event', (round) => register(round, 3)],
    ['event nobody waits for', (round) => store.publish([eventFor(round)])],
    ['claim', (round) => store.claim(`claim ${round}`, 60_000)],
    ['suspended call, its whole life', life],
  ]
  for (const [name, act] of work) {
    await timed(50, (round) => act(1_000_000 + round))
    const { wallUs, cpuUs, commands, scripts, roundTrips } = await costOf(1_000, act)
    const cells = [roundTrips.toFixed(1), scripts.toFixed(1), commands.toFixed(1), cpuUs.toFixed(0), wallUs.toFixed(0)]
    const widths = [11, 7, 15, 19, 8]
    console.log([name.padEnd(33), ...cells.map((cell, index) => cell.padStart(widths[index]!))].join(' | '))
  }
  await store.close()
}

/** From `publish` on one store to the inbox of another, one event at a time, and ten at a time. */
async function latency(): Promise<void> {
  await ask(server.url, 'FLUSHALL')
  const [from, to] = [redisStore(), redisStore()]
  const publishedAt = new Map<string, number>()
  const delays: number[] = []
  await to.inbox('gw', (deliveries) => {
    for (const { event } of deliveries) delays.push(performance.now() - publishedAt.get(event.id)!)
  })
  await fill(to, 1_000)
  console.log('\nfrom publish on one store to the inbox of another, milliseconds\n')
  for (const atOnce of [1, 10]) {
    delays.length = 0
    for (let round = 0; round < 2_000 / atOnce; round++) {
      const some = Array.from({ length: atOnce }, (_, index) => eventFor((round * 31 + index) % 1_000))
      for (const event of some) publishedAt.set(event.id, performance.now())
      await Promise.all(some.map((event) => from.publish([event])))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
    delays.sort((a, b) => a - b)
    const at = (share: number) => delays[Math.floor(delays.length * share)]!.toFixed(2)
    console.log(`${atOnce} at a time: ${delays.length} deliveries, p50 ${at(0.5)}, p99 ${at(0.99)}`)
  }
  await from.close()
  await to.close()
}

async function fill(store: Store, size: number): Promise<void> {
  const transactions = Array.from({ length: Math.ceil(size / IN_TRANSACTION) }, (_, nth) => nth * IN_TRANSACTION)
  for (let next = 0; next < transactions.length; next += AT_ONCE) {
    const some = transactions.slice(next, next + AT_ONCE)
    await Promise.all(
      some.map((first) => {
        const count = Math.min(IN_TRANSACTION, size - first)
        const add = Array.from({ length: count }, (_, index) => subscriptionOf(first + index))
        return store.suspend({ transaction: transactionOf(`t${first}`), add, drop: [], since: '9000000000000000' })
      }),
    )
  }
}

function subscriptionOf(index: number): StoredSubscription {
  const filter = { aor: aorOf(index) }
  const owner = { transaction: `t${index}`, gateway: 'gw' }
  return { id: `s${index}`, event: 'contact.registered', filter, expiresAt: clock.now() + LIFE_MS, ...owner }
}

function transactionOf(id: string) {
  const state = 'x'.repeat(2_000)
  return { id, gateway: 'gw', rev: 1, callId: `${id}@call`, expiresAt: clock.now() + LIFE_MS, state }
}

function eventFor(index: number) {
  return registered(aorOf(index))
}

function aorOf(index: number): string {
  return `sip:user${index}@example.com`
}

/** @returns microseconds for each round */
async function timed(rounds: number, act: (round: number) => unknown): Promise<number> {
  const start = performance.now()
  for (let round = 0; round < rounds; round++) await act(round)
  return ((performance.now() - start) * 1_000) / rounds
}

/** What each round costs the server, as it counts itself. Its CPU is that of its main thread, system calls included. */
async function costOf(rounds: number, act: (round: number) => unknown) {
  const before = await redisCounters(server.url)
  const wallUs = await timed(rounds, act)
  const after = await redisCounters(server.url)
  const each = (name: keyof typeof before) => (after[name] - before[name]) / rounds
  return {
    wallUs,
    cpuUs: each('cpuUs'),
    commands: each('commands'),
    scripts: each('scripts'),
    roundTrips: each('roundTrips'),
  }
}
