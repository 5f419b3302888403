import v8 from 'node:v8'
import vm from 'node:vm'
import { createMemoryStore } from '../../functions/store/memory.ts'
import type { StoredSubscription } from '../../functions/store/store.ts'

/**
 * What one publish costs while more and more subscriptions are live, each to an AOR of its own. "Hot" are always the same hundred AORs:
 * the work, which has to stay the same. "Cold" are AORs drawn from all: the work and the memory's own latency, since a million
 * subscriptions are in no cache. "Miss" matches nobody. Run `node test/bench/events.ts`; the largest store needs about 1 GB.
 */

const SIZES = [100, 10_000, 100_000, 1_000_000]
const EVENTS = 20_000
const ROUNDS = 7

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc') as () => void
const clock = { now: () => 0, after: () => ({ cancel: () => {} }) }
let ids = 0
const idSource = { next: (kind: string) => `${kind}${++ids}` }

await measure(await filled(1000))
console.log('live subscriptions |  miss, µs |   hot, µs |  cold, µs | hot, next to 100')
let floor = 0
for (const size of SIZES) {
  const store = await filled(size)
  const { miss, hot, cold } = await measure(store)
  floor ||= hot
  const figures = [miss, hot, cold].map((figure) => figure.toFixed(2).padStart(9)).join(' | ')
  console.log(`${String(size).padStart(18)} | ${figures} | ${(100 * (hot / floor - 1)).toFixed(0).padStart(3)} %`)
  await store.store.close()
}

interface Filled {
  store: ReturnType<typeof createMemoryStore>
  size: number
}

async function filled(size: number): Promise<Filled> {
  const store = createMemoryStore({ clock, ids: idSource })
  await store.inbox('gw', () => {})
  for (let index = 0; index < size; index++) {
    const transaction = { id: `t${index}`, gateway: 'gw', rev: 1, callId: `c${index}`, expiresAt: 60_000, state: '' }
    await store.suspend({ transaction, add: [subscriptionOf(index)], drop: [], since: '0' })
  }
  return { store, size }
}

function subscriptionOf(index: number): StoredSubscription {
  const filter = { aor: aorOf(index) }
  const owner = { transaction: `t${index}`, gateway: 'gw' }
  return { id: `s${index}`, event: 'contact.registered', filter, expiresAt: 60_000, ...owner }
}

function aorOf(index: number): string {
  return `sip:user${index}@example.com`
}

/** Medians of several rounds, in microseconds of this thread's CPU for each publish: others on the machine do not count. */
async function measure({ store, size }: Filled): Promise<{ miss: number; hot: number; cold: number }> {
  const rounds: { miss: number; hot: number; cold: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const miss = await timed(store, (random) => size + Math.floor(random * 100), 0)
    const hot = await timed(store, (random) => Math.floor(random * 100), 1)
    const cold = await timed(store, (random) => Math.floor(random * size), 1)
    rounds.push({ miss, hot, cold })
  }
  const of = (kind: 'miss' | 'hot' | 'cold') => median(rounds.map((round) => round[kind]))
  return { miss: of('miss'), hot: of('hot'), cold: of('cold') }
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
  collectGarbage()
  let count = 0
  const start = process.threadCpuUsage().user
  for (const event of events) count += await store.publish(event)
  const elapsed = process.threadCpuUsage().user - start
  if (count !== expected * EVENTS) throw new Error(`${count} matches instead of ${expected * EVENTS}`)
  return elapsed / EVENTS
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}
