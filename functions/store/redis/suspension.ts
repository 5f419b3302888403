import type { Delivery, Store, StoredSubscription, SuspendedTransaction } from '../store.ts'
import type { Call, Commands, Run } from './commands.ts'
import { missed, type RedisEvents } from './events.ts'
import { type Keys, rootOf } from './keys.ts'
import { NOTE, SUSPEND } from './suspension-scripts.ts'

type Step = Parameters<Store['suspend']>[0]

/** Records read in one go. */
const READ_AT_ONCE = 500

/** Suspended transactions with their subscriptions. */
export class RedisSuspension {
  readonly #commands: Commands
  readonly #keys: Keys
  readonly #events: RedisEvents

  constructor(commands: Commands, keys: Keys, events: RedisEvents) {
    this.#commands = commands
    this.#keys = keys
    this.#events = events
  }

  /**
   * First the transaction, then its subscriptions, then what is dropped: where it stops, nothing is lost. All the writing is one round
   * trip (in a cluster one after the other); dropping, which nobody waits for, takes a second.
   */
  suspend({ transaction, add, drop, since }: Step, now: number): Promise<Delivery[]> {
    const subscriptions = add.map((one) => ({ ...one, transaction: transaction.id }))
    return this.#commands.operation('suspend', async (run) => {
      const writing = this.#writeCalls(transaction, subscriptions, drop, now)
      const subscribing = this.#events.subscribeCalls(subscriptions, since, now)
      const [[gone], replies] = await this.#inOrder(run, writing, subscribing)
      await run(this.#events.unsubscribeCalls(goneOf(gone as string[], drop, subscriptions)))
      return missed(subscriptions, replies)
    })
  }

  /** First the subscriptions, then the transaction: when it stops between, it can be done again. */
  release(id: string): Promise<void> {
    const key = this.#keys.transaction(id)
    return this.#commands.operation('release', async (run) => {
      const { transaction, subscriptions } = await this.#read(run, id)
      if (!transaction) return
      const index = this.#keys.suspended(transaction.gateway)
      const forgetting: Call[] = [(p) => p.del(key), (p) => p.zrem(index, id)]
      await this.#inOrder(run, this.#events.unsubscribeCalls(subscriptions), forgetting)
    })
  }

  suspended(gateway: string, now: number): Promise<SuspendedTransaction[]> {
    const key = this.#keys.suspended(gateway)
    return this.#commands.operation('suspended', async (run) => {
      const [ids] = (await run([(p) => p.zrange(key, `(${now}`, '+inf', { byScore: true })])) as [string[]]
      const found: SuspendedTransaction[] = []
      for (let first = 0; first < ids.length; first += READ_AT_ONCE) {
        const keys = ids.slice(first, first + READ_AT_ONCE).map((id) => this.#keys.transaction(id))
        const records = (await run(keys.map((each) => (p) => p.hget(each, 'data')))) as (string | null)[]
        found.push(...records.flatMap((record) => (record === null ? [] : [JSON.parse(record)])))
      }
      return found.filter((one) => one.gateway === gateway && one.expiresAt > now)
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

  #writeCalls(transaction: SuspendedTransaction, add: StoredSubscription[], drop: string[], now: number): Call[] {
    const { id, gateway, rev, callId, expiresAt, state } = transaction
    const last = Math.max(expiresAt, ...add.map((subscription) => subscription.expiresAt))
    const data = JSON.stringify({ id, gateway, rev, callId, expiresAt, state })
    const added = add.flatMap((subscription) => [subscription.id, JSON.stringify(subscription)])
    const args = [now, rev, data, last, add.length, ...added, ...drop]
    return [
      { script: SUSPEND, key: this.#keys.transaction(id), args },
      { script: NOTE, key: this.#keys.suspended(gateway), args: [now, id, expiresAt] },
    ]
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

/** What has to leave the index: subscriptions dropped, and those whose successor is indexed under another root. */
function goneOf(records: string[], drop: string[], add: StoredSubscription[]): StoredSubscription[] {
  const gone = records.map((record) => JSON.parse(record) as StoredSubscription)
  const successors = new Map(add.map((subscription) => [subscription.id, subscription]))
  return gone.filter(({ id, event }) => {
    const successor = successors.get(id)
    return successor === undefined ? drop.includes(id) : rootOf(event) !== rootOf(successor.event)
  })
}
