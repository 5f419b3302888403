import assert from 'node:assert/strict'
import { createRedisStore } from '../../functions/store/redis/tcp.ts'
import type { Store } from '../../functions/store/store.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'
import { Gateway } from './gateway.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Callers, Phones, untilAll } from './udp-peers.ts'

/** How long a thing may take that Redis has to come back for: nothing is waited for longer than it takes. */
const PATIENCE_MS = 40_000

/** Two gateways over one Redis: calls come to the first, phones may register at either. */
export class RedisStage {
  readonly callers: Callers
  /** Phones that register at the first gateway, and at the second. */
  readonly here: Phones
  readonly there: Phones
  readonly first: Gateway
  readonly second: Gateway
  /** Looks at what Redis holds. */
  readonly #store: Store

  private constructor(first: Gateway, second: Gateway, store: Store) {
    this.first = first
    this.second = second
    this.#store = store
    this.callers = new Callers(first.router)
    this.here = new Phones(first.router)
    this.there = new Phones(second.router)
  }

  /**
   * @param url  how the first gateway reaches Redis
   * @param seen how everybody else does
   */
  static async open(url: string, seen = url): Promise<RedisStage> {
    const start = (id: string, address: string, redisUrl: string) =>
      Gateway.start({
        address,
        functions: 'test/interop/restart-app.ts',
        domains: [host(1), host(2), 'example.com'],
        env: { REDIS_URL: redisUrl, GATEWAY_ID: id, LOG_LEVEL: 'warn' },
      })
    const first = await start('gw-1', host(1), url)
    const second = await start('gw-2', host(2), seen)
    const store = createRedisStore({ url: seen, clock: systemClock, ids: createRandomIds() })
    const stage = new RedisStage(first, second, store)
    for (const peer of stage.#peers) await peer.open()
    return stage
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.close()
    await this.#store.close()
    // What one of them has to complain of leaves nobody running.
    const stopped = await Promise.allSettled([this.first.stop(), this.second.stop()])
    for (const each of stopped) if (each.status === 'rejected') throw each.reason
  }

  get #peers() {
    return [this.callers, this.here, this.there]
  }

  /** The sum of a metric of the first gateway. */
  metric(name: string): Promise<number> {
    return this.first.metric(name)
  }

  metricIs(name: string, isWanted: (value: number) => boolean): Promise<unknown> {
    return eventually(`${name} to be right`, async () => isWanted(await this.metric(name)) || undefined, PATIENCE_MS)
  }

  async isReady(ready: boolean): Promise<void> {
    const status = async () => (await fetch(this.first.url('/readyz'))).status
    const wanted = ready ? 200 : 503
    await eventually(`/readyz to say ${wanted}`, async () => (await status()) === wanted || undefined, PATIENCE_MS)
    assert.equal((await fetch(this.first.url('/healthz'))).status, 200, 'alive all the while')
  }

  /** Until Redis holds so many suspended calls of the first gateway. */
  areStored(count: number): Promise<void> {
    return this.#until(count, () => false)
  }

  /** @param isUnsettled whether something else has to happen first */
  async #until(count: number, isUnsettled: () => boolean): Promise<void> {
    let held = 'nothing'
    const probe = async () => {
      try {
        const calls = await this.#store.suspended('gw-1')
        held = String(calls.length)
        return (!isUnsettled() && calls.length === count) || undefined
      } catch (error) {
        held = String(error)
        return undefined
      }
    }
    // Twice, since what a caller hears is on its way when the call is released.
    const isSettled = async () => ((await probe()) && (await probe())) || undefined
    await eventually(`${count} calls to be stored`, isSettled, PATIENCE_MS).catch((error) => {
      throw new Error(`${error.message}: ${held}`)
    })
  }

  /** Everybody is called. */
  async call(users: readonly string[]): Promise<void> {
    await untilAll(
      'every INVITE to be on its way',
      users,
      (user) => this.callers.trying.has(user),
      (user) => this.callers.invite(user),
    )
  }

  /** Everybody is called, nobody is registered, and Redis holds them all. On a busy machine also 503 may be heard: that is called again. */
  async wait(users: readonly string[], held = users.length): Promise<void> {
    await this.call(users)
    const redial = () => {
      const failed = users.filter((user) => this.callers.statusesOf(user).includes(503))
      for (const user of failed) this.callers.redial(user)
      return failed.length > 0
    }
    await this.#until(held, redial)
  }

  async register(users: readonly string[], phones: Phones): Promise<void> {
    await untilAll(
      'every phone to be registered',
      users,
      (user) => phones.registered.has(user),
      (user) => phones.register(user),
    )
  }

  /** Every caller has heard 200 and nothing else, each phone rang once, and all of them hang up. */
  async areConnected(users: readonly string[], phones: Phones): Promise<void> {
    const isAnswered = (user: string) => this.callers.statusesOf(user).includes(200)
    await eventually('every caller to hear 200', () => users.every(isAnswered) || undefined, PATIENCE_MS)
    for (const user of users) {
      assert.deepEqual([...new Set(this.callers.statusesOf(user))], [200], user)
      assert.equal(phones.rang.get(user)?.size, 1, `${user} rings once`)
    }
    await this.callers.hangUp(users)
  }
}
