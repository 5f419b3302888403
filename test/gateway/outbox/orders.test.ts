import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery, Store } from '../../../functions/store/store.ts'
import type { Outbox } from '../../../gateway/outbox/outbox.ts'
import { settled } from '../../support/fake-clock.ts'
import { Life } from '../../support/life.ts'
import { seeded } from '../../support/random.ts'
import { Scene } from './scene.ts'

/** Two gateways deliver through random trouble of theirs, of the store and of the receivers: nothing is lost, and the order stays. */

const FIRST_SEED = Number(process.env.FIRST_SEED ?? 1)
const SEEDS = Number(process.env.SEEDS ?? 40)

const A = 'https://a.example/'
const B = 'https://b.example/'
const GATEWAYS = ['one', 'other']
/** Events about the same call are delivered in order. */
const CALLS = ['k0', 'k1', 'k2']
/** As with Redis: what was taken over less than this before its reader ended is handed over again. Milliseconds. */
const REPEAT_MS = 5000
/** Longer than the pauses that failures in this test lead to. */
const ALL_IS_WELL_MS = 2 * 3_600_000

/** The store of a scene as one that is elsewhere: it can be away, and what nobody has taken over is handed over to the next reader. */
class Elsewhere {
  isAway = false
  readonly link: Store
  readonly #scene: Scene
  readonly #handed: { met: Delivery; takenAt: number | undefined }[] = []

  constructor(scene: Scene) {
    this.#scene = scene
    const { store } = scene
    const reached = (name: keyof Store) => {
      const act = store[name] as (...args: unknown[]) => Promise<unknown>
      return async (...args: unknown[]) => {
        if (this.isAway) throw new Error('the store is away')
        return act.apply(store, args)
      }
    }
    this.link = new Proxy(store, {
      get: (_, name: keyof Store) => (name === 'inbox' ? this.#inbox : reached(name)),
    })
  }

  readonly #inbox: Store['inbox'] = async (gateway, receive, lost) => {
    const { clock, store } = this.#scene
    const isDue = ({ takenAt }: { takenAt: number | undefined }) => clock.now() - (takenAt ?? clock.now()) < REPEAT_MS
    const again = this.#handed.filter(isDue).map(({ met }) => met)
    if (again.length > 0) void receive(again)
    let isClosed = false
    const take = async (mets: Delivery[]) => {
      const entries = mets.map((met) => ({ met, takenAt: undefined as number | undefined }))
      this.#handed.push(...entries)
      await receive(mets)
      if (!isClosed) for (const entry of entries) entry.takenAt = clock.now()
    }
    const inbox = await store.inbox(gateway, take, lost)
    const close = () => {
      isClosed = true
      return inbox.close()
    }
    return { close }
  }
}

async function play(seed: number, told: string[]): Promise<void> {
  const random = seeded(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const s = new Scene()
  const elsewhere = new Elsewhere(s)
  const begunAt = s.clock.now()
  const tell = (what: string) => told.push(`${s.clock.now() - begunAt} ms: ${what}`)

  let fails = false
  let silence: PromiseWithResolvers<void> | undefined
  const speak = () => {
    silence?.resolve()
    silence = undefined
  }
  const fallSilent = () => {
    silence = Promise.withResolvers()
  }
  s.receivers.answer = async () => {
    await silence?.promise
    return fails ? { outcome: 'failed', error: 'answered 500' } : { outcome: 'delivered' }
  }

  const running = new Map<string, { life: Life; outbox: Outbox }>()
  const start = async (name: string) => {
    if (elsewhere.isAway) return
    const life = new Life()
    running.set(name, { life, outbox: await s.outbox([], elsewhere.link, life) })
  }
  const stop = async (name: string) => {
    const { life, outbox } = running.get(name)!
    running.delete(name)
    let isDone = false
    void outbox.stop().then(() => (isDone = true))
    while (!isDone) await s.pass(100)
    life.end()
  }
  const kill = (name: string) => {
    running.get(name)!.life.end()
    running.delete(name)
  }

  const raised = new Map<string, number[]>()
  const subscribe = async (url: string) => {
    const [gateway] = running.values()
    if (!gateway || elsewhere.isAway || raised.has(url)) return
    tell(`a subscription of ${url}`)
    await gateway.outbox.book.create(s.wish(url))
    await settled(20)
    raised.set(url, [])
  }
  let events = 0
  const raise = async () => {
    if (elsewhere.isAway) return
    const n = ++events
    const callId = CALLS[below(CALLS.length)]!
    tell(`event ${n} of ${callId}`)
    for (const numbers of raised.values()) numbers.push(n)
    const event = { id: `event-${n}`, type: 'pickup', time: s.clock.now(), attributes: { n, callId } }
    await s.store.publish([event])
    if (below(3) > 0) await settled(20)
  }
  const turns: (() => unknown)[] = [
    () => (elsewhere.isAway = !elsewhere.isAway),
    () => (fails = !fails),
    () => (silence ? speak() : fallSilent()),
    ...GATEWAYS.flatMap((name) => [
      () => (running.has(name) ? stop(name) : start(name)),
      () => (running.has(name) ? kill(name) : start(name)),
    ]),
  ]
  const names = ['the store comes or goes', 'receivers fail or do not', 'receivers are silent or speak']
  for (const name of GATEWAYS) names.push(`gateway ${name} starts or stops`, `gateway ${name} starts or is killed`)

  for (const name of GATEWAYS) await start(name)
  await subscribe(A)
  for (let steps = 5 + below(40); steps > 0; steps--) {
    if (below(5) < 3) await s.pass(below(below(2) === 0 ? 1000 : 30_000))
    const what = below(10)
    if (what < 6) await raise()
    else if (what === 6) await subscribe(B)
    else {
      const turn = below(turns.length)
      tell(names[turn]!)
      await turns[turn]!()
    }
  }

  tell('all is well')
  elsewhere.isAway = false
  fails = false
  speak()
  for (const name of GATEWAYS) if (!running.has(name)) await start(name)
  await s.pass(ALL_IS_WELL_MS)

  for (const [url, numbers] of raised) {
    const delivered = s.receivers.delivered
      .filter((each) => each.target.url === url)
      .map(({ body }) => JSON.parse(body))
    const firsts = new Map(delivered.toReversed().map((event) => [Number(event.data.n), event]))
    assert.deepEqual([...firsts.keys()].toSorted(ascending), numbers, `what came to ${url}`)
    for (const callId of CALLS) {
      const ofCall = [
        ...new Set(delivered.filter(({ data }) => data.callId === callId).map(({ data }) => Number(data.n))),
      ]
      assert.deepEqual(ofCall, ofCall.toSorted(ascending), `the order of ${callId} at ${url}`)
      const sequences = ofCall.map((n) => Number(firsts.get(n).sequence))
      assert.deepEqual(sequences, sequences.toSorted(ascending), `the numbers of ${callId} at ${url}`)
    }
  }
  for (const name of GATEWAYS) await stop(name)
}

const ascending = (one: number, other: number) => one - other

test('what a subscription matches is delivered, in the order of each call, whatever fails meanwhile', async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const told: string[] = []
    await play(seed, told).catch((error) => {
      throw new Error([`FIRST_SEED=${seed}`, ...told, String(error)].join('\n'))
    })
  }
})
