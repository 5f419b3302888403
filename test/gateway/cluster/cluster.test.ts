import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pause } from '../../../functions/contract/clock.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import type { Store } from '../../../functions/store/store.ts'
import { Cluster, type ClusterParts, joinCluster } from '../../../gateway/cluster/cluster.ts'
import { FlowTokens } from '../../../gateway/cluster/flow-token.ts'
import { LivePeers } from '../../../gateway/cluster/peers.ts'
import { silentLog } from '../../../gateway/observe/log.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'

/** Whose calls are whose while they move, which may take longer than a lease. */

/** Longer than a lease, and than two. */
const LONG_MS = 12_000

interface Member {
  cluster: Cluster
  die(): void
}

class Stage {
  readonly clock = new FakeClock()
  readonly ids = new CountingIds()
  readonly store: Store = createMemoryStore({ clock: this.clock, ids: this.ids })
  /** What has become of whose calls, in order: `b takes c`, `a has a`. */
  readonly all: string[] = []
  /** How long an answer of the store is on its way. */
  stepMs = 0
  /** Comes before a gateway has its own calls. */
  beforeIt: (cluster: Cluster) => Promise<void> = async () => {}
  takeMs = 0
  /** The calls cannot be had. */
  fails = false
  letGoMs = 0
  buryMs = 0
  #isBroken = false

  /** Of calls that are somebody else's. */
  get told(): string[] {
    return this.all.filter((line) => line[0] !== line.at(-1))
  }

  /** Its calls are its own when it has joined. */
  async starts(name: string, pool = 'east'): Promise<Member> {
    let isDead = false
    const leases: Store['leases'] = async (step) => {
      if (isDead) return new Promise(() => {})
      if (this.#isBroken) throw new Error('away')
      const done = await this.store.leases(step)
      if (this.stepMs > 0) await pause(this.clock, this.stepMs)
      return done
    }
    const self = { id: name, life: this.ids.next('life'), pool, sockets: [] }
    const parts: ClusterParts = {
      store: { leases },
      clock: this.clock,
      self,
      secret: 's',
      count: () => {},
      log: silentLog,
    }
    await this.#until(joinCluster(parts))
    /** Whose calls it has, as far as they have come. */
    const has = new Set<string>()
    const tell = (what: string, gateway: string) => this.all.push(`${name} ${what} ${gateway}`)
    const cluster: Cluster = new Cluster(parts, new LivePeers(pool, [], new FlowTokens('s')), {
      takeOver: async (gateway) => {
        tell('takes', gateway)
        if (this.fails) throw new Error('away')
        if (gateway === name) await this.beforeIt(cluster)
        if (this.takeMs > 0) await pause(this.clock, this.takeMs)
        has.add(gateway)
        tell('has', gateway)
      },
      letGo: async (gateway, isTaken) => {
        tell(isTaken ? 'has lost' : 'lets go of', gateway)
        if (this.letGoMs > 0) await pause(this.clock, this.letGoMs)
        has.delete(gateway)
        tell('is without', gateway)
      },
      bury: async (gateway) => {
        tell('buries', gateway)
        if (this.fails) throw new Error('away')
        if (this.buryMs > 0) await pause(this.clock, this.buryMs)
        tell('has buried', gateway)
      },
      hasCallsOf: (gateway) => has.has(gateway),
      replaced: () => {},
    })
    await this.#until(cluster.start())
    return { cluster, die: () => (isDead = true) }
  }

  /** As somebody sees them who has none. */
  leases() {
    const step = { life: 'nobody', isStart: false, take: [], leave: [], forget: [] }
    return this.store.leases({ ...step, ttlMs: 1, secret: 's' })
  }

  /** The store cannot be asked for leases for so long. */
  async away(ms: number): Promise<void> {
    this.#isBroken = true
    await this.clock.advance(ms)
    this.#isBroken = false
  }

  async #until<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = () => (isDone = true)
    void work.then(done, done)
    while (!isDone) await this.clock.advance(250)
    return work
  }
}

/** C has died, and A or B is about to notice. */
async function dying(): Promise<{ stage: Stage; a: Member; b: Member }> {
  const stage = new Stage()
  const [a, b, c] = [await stage.starts('a'), await stage.starts('b'), await stage.starts('c')]
  await stage.clock.advance(7000)
  c.die()
  return { stage, a, b }
}

test('calls that take longer than a lease to come are adopted once, and cost nobody his own', async () => {
  const { stage } = await dying()
  stage.takeMs = LONG_MS
  await stage.clock.advance(3 * LONG_MS)
  assert.equal(stage.told.length, 2)
  assert.match(stage.told.join(), /^([ab]) takes c,\1 has c$/)
})

test('calls that take longer than a lease to go are given back whole: nobody goes on with them before', async () => {
  const { stage } = await dying()
  await stage.clock.advance(8000)
  stage.all.length = 0
  stage.letGoMs = LONG_MS
  const back = stage.starts('c')
  await back
  assert.match(stage.told.join(), /^([ab]) lets go of c,\1 is without c$/)
  await stage.clock.advance(LONG_MS)
  assert.equal(stage.told.length, 2)
})

test('calls that are wanted back while they still come are given back when they have come', async () => {
  const { stage } = await dying()
  stage.takeMs = LONG_MS
  await stage.clock.advance(8000)
  assert.equal(stage.told.length, 1)
  await stage.starts('c')
  assert.match(stage.told.join(), /^([ab]) takes c,\1 has c,\1 lets go of c,\1 is without c$/)
})

test('a gateway whose own calls were taken is certain of them once they have come back', async () => {
  const stage = new Stage()
  const a = await stage.starts('a')
  await stage.starts('b')
  await stage.clock.advance(7000)
  assert.equal(a.cluster.isCertain, true)
  // B takes A's lease, as after a time when A could not renew it.
  const lease = { gateway: 'a', holder: 'b', life: 'life-of-b', pool: 'east', sockets: [] }
  const step = { life: 'life-of-b', isStart: true, leave: [], forget: [], ttlMs: 1500, secret: 's' }
  stage.takeMs = LONG_MS
  await stage.away(6000)
  const { taken } = await stage.store.leases({ ...step, take: [lease] })
  assert.deepEqual(taken, ['a'])
  await stage.clock.advance(1000)
  assert.equal(a.cluster.isCertain, false)
  await stage.clock.advance(LONG_MS - 1000)
  assert.equal(a.cluster.isCertain, false)
  await stage.clock.advance(3000)
  assert.equal(a.cluster.isCertain, true)
  assert.deepEqual(stage.all.slice(-4), ['a has lost a', 'a is without a', 'a takes a', 'a has a'])
})

test('calls of its own that take longer than a lease to come are nobody else’s meanwhile, and come before those of others', async () => {
  const { stage, a, b } = await dying()
  await stage.clock.advance(8000)
  for (const member of [a, b]) member.die()
  stage.all.length = 0
  stage.takeMs = LONG_MS
  await stage.starts('d')
  await stage.clock.advance(2000)
  assert.deepEqual(stage.all.slice(0, 2), ['d takes d', 'd has d'])
  assert.deepEqual(stage.told.toSorted(), ['d takes a', 'd takes b', 'd takes c'])
})

test('calls of its own that cannot be had keep a gateway from starting', async () => {
  const stage = new Stage()
  stage.fails = true
  await assert.rejects(stage.starts('a'), /away/)
})

test('a gateway that has no time for beats keeps its lease, whatever beat is under way', async () => {
  const stage = new Stage()
  stage.stepMs = 20
  for (const readMs of [500, 1010]) {
    let leftMs = 0
    stage.beforeIt = async (cluster) => {
      await pause(stage.clock, readMs)
      await cluster.busyFor(10_000)
      const { seen } = await stage.leases()
      leftMs = seen.find(({ holder }) => holder === `busy-${readMs}`)!.leftMs
    }
    await stage.starts(`busy-${readMs}`)
    assert.ok(leftMs >= 10_000, `${leftMs} ms are left for a turn of 10 s`)
    await stage.clock.advance(1500)
    const { seen } = await stage.leases()
    assert.ok(seen.find(({ holder }) => holder === `busy-${readMs}`)!.leftMs <= 5000)
  }
})

test('who rests keeps what he has, and takes and gives nothing', async () => {
  const { stage, a, b } = await dying()
  await Promise.all([a.cluster.rest(), b.cluster.rest()])
  await stage.clock.advance(10_000)
  assert.deepEqual(stage.told, [])
  const { seen } = await stage.leases()
  assert.deepEqual(
    seen.filter(({ leftMs }) => leftMs > 0).map(({ gateway }) => gateway),
    ['a', 'b'],
  )
})

test('who leaves while calls still come leaves them when they have come', async () => {
  const { stage, a, b } = await dying()
  stage.takeMs = LONG_MS
  await stage.clock.advance(8000)
  const adopter = stage.told[0]!.startsWith('a') ? a : b
  let hasLeft = false
  void adopter.cluster.leave().then(() => (hasLeft = true))
  await stage.clock.advance(1000)
  assert.equal(hasLeft, false)
  await stage.clock.advance(LONG_MS)
  assert.equal(hasLeft, true)
})

/** W, of another pool, has been gone for an hour. */
async function lost(prepare: (stage: Stage) => void): Promise<{ stage: Stage; a: Member; b: Member }> {
  const stage = new Stage()
  const [a, b, w] = [await stage.starts('a'), await stage.starts('b'), await stage.starts('w', 'west')]
  w.die()
  prepare(stage)
  await stage.clock.advance(3_600_000 + 10_000)
  return { stage, a, b }
}

test('calls that take longer than a lease to settle are settled once, cost nobody his own, and are forgotten', async () => {
  const { stage } = await lost((stage) => (stage.buryMs = LONG_MS))
  await stage.clock.advance(LONG_MS)
  assert.match(stage.told.join(), /^([ab]) buries w,\1 has buried w$/)
  const { seen } = await stage.leases()
  assert.deepEqual(seen.map(({ gateway }) => gateway).toSorted(), ['a', 'b'])
  assert.deepEqual(stage.all.slice(-1), [stage.told.at(-1)])
})

test('a gateway that comes back while its calls are settled has its place when they are', async () => {
  const { stage } = await lost((stage) => (stage.buryMs = LONG_MS))
  await stage.starts('w', 'west')
  assert.match(stage.all.slice(-4).join(), /^([ab]) buries w,\1 has buried w,w takes w,w has w$/)
  await stage.clock.advance(LONG_MS)
  const { seen } = await stage.leases()
  assert.deepEqual(seen.filter(({ leftMs }) => leftMs > 0).length, 3)
})

test('calls that cannot be settled are tried again after another hour', async () => {
  const { stage } = await lost((stage) => (stage.fails = true))
  stage.fails = false
  assert.deepEqual(stage.told.length, 1)
  await stage.clock.advance(3_600_000 + 10_000)
  assert.match(stage.told.join(), /^[ab] buries w,([ab]) buries w,\1 has buried w$/)
})
