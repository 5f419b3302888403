import v8 from 'node:v8'
import vm from 'node:vm'
import { createMemoryStore } from '../../functions/store/memory.ts'
import type { StoredSubscription } from '../../functions/store/store.ts'

/**
 * What one publish costs while more and more subscriptions are live, each to an AOR of its own. "Hot" are always the same hundred AORs:
 * the work, which has to stay the same. "Cold" are AORs drawn from all: the work and the memory's own latency, since a million
 * subscriptions are in no cache. "Miss" matches nobody. Run `node test/bench/events.ts`; it needs about 1.5 GB.
 */

const SIZES = [100, 10_000, 100_000, 1_000_000]
const EVENTS = 20_000
const ROUNDS = 15

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc') as (options?: { type: 'minor' }) => void
const clock = { now: () => 0, after: () => ({ cancel: () => {} }) }
let ids = 0
const idSource = { next: (kind: string) => `${kind}${++ids}` }

const stores: Filled[] = []
for (const size of SIZES) stores.push(await filled(size))
await measureAll()
for (const { rounds } of stores) rounds.length = 0
// The sizes take turns, so that whatever else the machine does meets them all alike.
for (let round = 0; round < ROUNDS; round++) await measureAll()

console.log('live subscriptions |  miss, µs |   hot, µs |  cold, µs | hot, next to 100')
const floor = quartileOf(stores[0]!, 'hot')
for (const filled of stores) {
  const figures = (['miss', 'hot', 'cold'] as const).map((kind) => quartileOf(filled, kind).toFixed(2).padStart(9))
  const change = (100 * (quartileOf(filled, 'hot') / floor - 1)).toFixed(0).padStart(3)
  console.log(`${String(filled.size).padStart(18)} | ${figures.join(' | ')} | ${change} %`)
}

/** Microseconds of this thread's CPU for each publish: others on the machine do not count. */
interface Round {
  miss: number
  hot: number
  cold: number
}

interface Filled {
  store: ReturnType<typeof createMemoryStore>
  size: number
  rounds: Round[]
}

async function filled(size: number): Promise<Filled> {
  const store = createMemoryStore({ clock, ids: idSource })
  await store.inbox('gw', () => {})
  for (let index = 0; index < size; index++) {
    const transaction = { id: `t${index}`, gateway: 'gw', rev: 1, callId: `c${index}`, expiresAt: 60_000, state: '' }
    await store.suspend({ transaction, add: [subscriptionOf(index)], drop: [], since: '0' })
  }
  return { store, size, rounds: [] }
}

function subscriptionOf(index: number): StoredSubscription {
  const filter = { aor: aorOf(index) }
  const owner = { transaction: `t${index}`, gateway: 'gw' }
  return { id: `s${index}`, event: 'contact.registered', filter, expiresAt: 60_000, ...owner }
}

function aorOf(index: number): string {
  return `sip:user${index}@example.com`
}

async function measureAll(): Promise<void> {
  collectGarbage()
  for (const { store, size, rounds } of stores) {
    const miss = await timed(store, (random) => size + Math.floor(random * 100), 0)
    const hot = await timed(store, (random) => Math.floor(random * 100), 1)
    const cold = await timed(store, (random) => Math.floor(random * size), 1)
    rounds.push({ miss, hot, cold })
  }
}

async function timed(store: Filled['store'], pick: (random: number) => number, expected: number): Promise<number> {
  const events = Array.from({ length: EVENTS }, (_, index) => {
    const attributes = {
      aor: aorOf(pick(Math.random())),
      contact: 'sip:x@192.0.2.1',
      instance: '',
      kind: 'new',
      expires: 60,
      gateway: 'gw',
    }
    return [{ id: `e${index}`, type: 'contact.registered', time: 0, attributes }]
  })
  // Twenty thousand events fit into an empty young generation: no collection falls into one column and not into another.
  collectGarbage({ type: 'minor' })
  let count = 0
  const start = process.threadCpuUsage().user
  for (const event of events) count += await store.publish(event)
  const elapsed = process.threadCpuUsage().user - start
  if (count !== expected * EVENTS) throw new Error(`${count} matches instead of ${expected * EVENTS}`)
  return elapsed / EVENTS
}

/** The lower quartile: rounds that a neighbour fell into do not count. */
function quartileOf({ rounds }: Filled, kind: keyof Round): number {
  const values = rounds.map((round) => round[kind]).sort((a, b) => a - b)
  return values[values.length >> 2]!
}
