import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { RouseEvent } from '../../functions/contract/events.ts'
import { recordWatcher } from '../support/event-watcher.ts'
import type { Phone } from '../support/phone.ts'
import { seeded } from '../support/random.ts'
import type { WireMessage } from '../support/wire.ts'
import { A, B, Pool } from './pool.ts'

/**
 * One call of a pool of two, while its gateways are killed, stopped and started in random order, but never both away: whoever has it, it is
 * answered, goes on, ends when somebody hangs up, and is told of once.
 */

const FIRST_SEED = Number(process.env.FIRST_SEED ?? 1)
const SEEDS = Number(process.env.SEEDS ?? 60)
/** By then another gateway has the calls of one that has gone. */
const ADOPTED_MS = 9000
/** By then whoever looks on has found out whether a call is talked on. */
const SETTLED_MS = 60_000

const suspended = new SipRouter().invite('/:domain/:user', (call) => {
  call.fork(call.contacts)
  call.halt('120s')
})

const plain = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))
/** By then a call that only rings is in the store. */
const KEPT_MS = 600

const isBye = ({ isRequest, method }: WireMessage) => isRequest && method === 'BYE'

class Stage {
  readonly pool: Pool
  readonly #up = new Set([A.id, B.id])
  readonly #random: () => number

  constructor(pool: Pool, random: () => number) {
    this.pool = pool
    this.#random = random
  }

  of<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)]!
  }

  /** The load balancer sends what comes to another one that is there, or to the same. */
  balance(): void {
    const up = [A, B].filter(({ id }) => this.#up.has(id))
    this.pool.to = this.of(up).address
  }

  /** Unless nobody would be left. */
  async ends(id: string, isKilled: boolean): Promise<void> {
    if (this.#up.size < 2) return
    this.#up.delete(id)
    const { w } = this.pool
    if (isKilled) await (id === A.id ? w.kill() : this.pool.b.kill())
    else await this.#within(this.#stop(id))
    this.balance()
  }

  async starts(id: string): Promise<void> {
    this.#up.add(id)
    if (id === A.id) return this.pool.revive()
    const starting = this.pool.w.process(B)
    await this.#within(starting)
    this.pool.b = await starting
  }

  async turn(id: string): Promise<void> {
    if (this.#up.has(id)) await this.ends(id, this.of([true, true, false]))
    else await this.starts(id)
  }

  async allStart(): Promise<void> {
    for (const id of [A.id, B.id]) if (!this.#up.has(id)) await this.starts(id)
  }

  /** Whoever has gone is known to have. */
  async adopts(): Promise<void> {
    await this.pool.w.advance(this.#up.size < 2 ? ADOPTED_MS : 0)
  }

  async #stop(id: string): Promise<void> {
    const { w, b } = this.pool
    await (id === A.id ? w.gateway : b.gateway).drain(2000)
    if (id === A.id) return w.halt()
    await b.stop()
    b.kill()
  }

  async #within(work: Promise<unknown>): Promise<void> {
    let isDone = false
    const done = () => (isDone = true)
    void work.then(done, done)
    while (!isDone) await this.pool.w.advance(100)
  }
}

async function play(seed: number, told: string[]): Promise<void> {
  const records: RouseEvent[] = []
  const random = seeded(seed)
  const pool = await Pool.start(random() < 0.5 ? suspended : plain, {
    watchers: [recordWatcher((record) => void records.push(record))],
  })
  const { w, alice, bob } = pool
  const stage = new Stage(pool, random)
  const begunAt = w.clock.now()
  const tell = (what: string) => told.push(`${w.clock.now() - begunAt} ms: ${what}, the balancer sends to ${pool.to}`)
  const rings = () => bob.incoming.some(({ state }) => state === 'ringing')
  let answeredAt = 0
  const answer = async () => {
    tell('bob answers')
    await bob.answers()
    answeredAt = w.clock.now()
  }

  await bob.registers()
  await alice.invites('bob')
  await w.advance(KEPT_MS)
  for (let steps = stage.of([2, 4, 6, 8, 10]); steps > 0; steps--) {
    await w.advance(stage.of([0, 10, 300, 3000, 9000]))
    const what = stage.of([A.id, B.id, 'balance', 'dtmf'])
    tell(what)
    if (what === 'balance') stage.balance()
    else if (what !== 'dtmf') await stage.turn(what)
    else if (answeredAt > 0) await stage.of([alice, bob]).presses('5')
    if (answeredAt > 0 || stage.of([true, false])) continue
    await stage.adopts()
    if (rings()) await answer()
  }
  await w.advance(ADOPTED_MS)
  if (answeredAt === 0) await answer()
  assert.equal(alice.finalStatus, 200)
  await w.advance(stage.of([0, 100, 5000, SETTLED_MS]))
  assert.equal(
    [alice, bob].some(({ received }) => received.some(isBye)),
    false,
  )

  const [one, other] = stage.of<[Phone, Phone]>([
    [alice, bob],
    [bob, alice],
  ])
  tell('hung up')
  const duration = Math.round((w.clock.now() - answeredAt) / 1000)
  await one.hangsUp()
  await w.advance(2000)
  assert.equal(other.received.filter(isBye).length, 1)
  await stage.allStart()
  await w.advance(SETTLED_MS)
  assert.deepEqual(
    records.map(({ attributes }) => [attributes.result, attributes.duration]),
    [['answered', duration]],
  )
  await pool.end()
}

test('a call is answered, goes on, ends and is told once, whichever gateways are killed, stopped and started meanwhile', async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const told: string[] = []
    await play(seed, told).catch((error) => {
      throw new Error([`FIRST_SEED=${seed}`, ...told, String(error)].join('\n'))
    })
  }
})
