import type { Delivery, DroppedSubscription, Store, StoredSubscription, SuspendedTransaction } from '../store.ts'
import type { Call, Commands, Run } from './commands.ts'
import { missed, type RedisEvents } from './events.ts'
import { type Keys, rootOf } from './keys.ts'
import { NOTE, RELEASE, RESUME, SUSPEND } from './suspension-scripts.ts'
import type { WriteCounts } from './write-counts.ts'

type Step = Parameters<Store['suspend']>[0]
type ResumeStep = Parameters<Store['resume']>[0]
type Held = NonNullable<Parameters<Store['release']>[2]>

/** Records read in one go. */
const READ_AT_ONCE = 500

/** Suspended transactions with their subscriptions. */
export class RedisSuspension {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #events: RedisEvents
  readonly #writes: WriteCounts

  constructor(commands: Commands, keys: Keys, events: RedisEvents, writes: WriteCounts) {
    this.#commands = commands
    this.#keys = keys
    this.#events = events
    this.#writes = writes
  }

  /**
   * First the transaction, then its subscriptions, then what is dropped and the note that all of it is there: where it stops, nothing is
   * lost. All of it is one round trip (in a cluster one after the other), but for a subscription whose successor is to events of another root.
   */
  suspend({ transaction, add, drop, since }: Step, now: number): Promise<Delivery[]> {
    const subscriptions = add.map((one) => ({ ...one, transaction: transaction.id }))
    return this.#commands.operation('suspend', async (run) => {
      const writing = this.#writeCall(transaction, subscriptions, drop, now)
      const noting = this.#noteCall(transaction, now)
      const subscribing = this.#events.subscribeCalls(subscriptions, since, now)
      const dropping = this.#events.unsubscribeCalls(drop)
      const [[replaced], replies] = await this.#inOrder(run, [writing], [...subscribing, ...dropping, noting])
      this.#writes.written(transaction.gateway, Number(replies.pop()))
      await run(this.#events.unsubscribeCalls(movedOf(replaced as string[], subscriptions)))
      return missed(subscriptions, replies)
    })
  }

  /** One round trip, and one script in one slot for what matters. */
  resume({ transaction, claim, ttlMs }: ResumeStep, now: number): Promise<boolean> {
    const { id, gateway, rev, expiresAt } = transaction
    const args = [now, rev, dataOf(transaction), expiresAt, claim, Math.ceil(ttlMs)]
    return this.#commands.operation('resume', async (run) => {
      const resuming = { script: RESUME, key: this.#keys.transaction(id), args }
      const [won, writes] = await run([resuming, this.#noteCall(transaction, now)])
      this.#writes.written(gateway, Number(writes))
      return won === 1
    })
  }

  /**
   * First the subscriptions, then the transaction: when it stops between, it can be done again. One round trip (in a cluster two), and one
   * before it when it is not said what is held. A write that was given up, with its connection, may reach Redis after all this.
   */
  release(id: string, rev: number, held: Held | undefined): Promise<void> {
    return this.#commands.operation('release', async (run) => {
      const known = held ?? (await this.#held(run, id))
      const forgetting: Call[] = [{ script: RELEASE, key: this.#keys.transaction(id), args: [rev] }]
      if (known) forgetting.push((p) => p.zrem(this.#keys.suspended(known.gateway), id))
      await this.#inOrder(run, this.#events.unsubscribeCalls(known?.subscriptions ?? []), forgetting)
    })
  }

  lastSeen(gateway: string): Promise<number> {
    return this.#commands.operation('lastSeen', async (run) => {
      const [seen] = await run([(p) => p.get(this.#keys.seen(gateway))])
      return Number(seen ?? 0)
    })
  }

  /** Thousands of calls may take longer than an operation has: each part of them is one. */
  async suspended(gateway: string, now: number): Promise<SuspendedTransaction[]> {
    const key = this.#keys.suspended(gateway)
    const ids = await this.#commands.operation('suspended', async (run) => {
      const [found] = await run([(p) => p.zrange(key, `(${now}`, '+inf', { byScore: true })])
      return found as string[]
    })
    const found: SuspendedTransaction[] = []
    for (let first = 0; first < ids.length; first += READ_AT_ONCE)
      found.push(...(await this.#transactions(ids.slice(first, first + READ_AT_ONCE))))
    return found.filter((one) => one.gateway === gateway && one.expiresAt > now)
  }

  #transactions(ids: readonly string[]): Promise<SuspendedTransaction[]> {
    return this.#commands.operation('suspended', async (run) => {
      const records = await run(ids.map((id) => (p) => p.hget(this.#keys.transaction(id), 'data')))
      return records.flatMap((record) => (record === null ? [] : [JSON.parse(record as string)]))
    })
  }

  subscriptions(id: string, now: number): Promise<StoredSubscription[]> {
    return this.#commands.operation('subscriptions', async (run) => {
      const { transaction, subscriptions } = await this.#read(run, id)
      if (!transaction || transaction.expiresAt <= now) return []
      return subscriptions.filter((subscription) => subscription.expiresAt > now)
    })
  }

  /** One server takes all in order; several are asked one after the other. */
  async #inOrder(run: Run, first: Call[], then: Call[]): Promise<[unknown[], unknown[]]> {
    if (this.#commands.isCluster) return [await run(first), await run(then)]
    const replies = await run([...first, ...then])
    return [replies.slice(0, first.length), replies.slice(first.length)]
  }

  #writeCall(
    transaction: SuspendedTransaction,
    add: StoredSubscription[],
    drop: DroppedSubscription[],
    now: number,
  ): Call {
    const { id, rev, expiresAt } = transaction
    const last = Math.max(expiresAt, ...add.map((subscription) => subscription.expiresAt))
    const added = add.flatMap((subscription) => [subscription.id, JSON.stringify(subscription)])
    const args = [now, rev, dataOf(transaction), last, add.length, ...added, ...drop.map((one) => one.id)]
    return { script: SUSPEND, key: this.#keys.transaction(id), args }
  }

  #noteCall({ id, gateway, expiresAt }: SuspendedTransaction, now: number): Call {
    return { script: NOTE, key: this.#keys.suspended(gateway), args: [now, id, expiresAt] }
  }

  async #held(run: Run, id: string): Promise<Held | undefined> {
    const { transaction, subscriptions } = await this.#read(run, id)
    return transaction && { gateway: transaction.gateway, subscriptions }
  }

  async #read(run: Run, id: string) {
    const [flat] = (await run([(p) => p.hgetall(this.#keys.transaction(id))])) as [string[] | null]
    const fields = new Map(
      Array.from({ length: (flat?.length ?? 0) / 2 }, (_, at) => [flat![2 * at]!, flat![2 * at + 1]!]),
    )
    const data = fields.get('data')
    const subscriptions = [...fields].filter(([name]) => name.startsWith('s')).map(([, json]) => JSON.parse(json))
    return {
      transaction: data === undefined ? undefined : (JSON.parse(data) as SuspendedTransaction),
      subscriptions: subscriptions as StoredSubscription[],
    }
  }
}

function dataOf({ id, gateway, rev, callId, expiresAt, state }: SuspendedTransaction): string {
  return JSON.stringify({ id, gateway, rev, callId, expiresAt, state })
}

/** What stands in the index where its successor does not replace it. */
function movedOf(records: string[], add: StoredSubscription[]): StoredSubscription[] {
  const replaced = records.map((record) => JSON.parse(record) as StoredSubscription)
  const roots = new Map(add.map(({ id, event }) => [id, rootOf(event)]))
  return replaced.filter(({ id, event }) => rootOf(event) !== roots.get(id))
}
