import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { Store } from '../../functions/store/store.ts'
import { type Counters, series } from '../observe/counters.ts'
import type { Log } from '../observe/log.ts'

/** Another system that the gateway talks with: off until its setting is present, from then on started and stopped with the gateway. */
export interface Integration {
  /** As readiness, metrics and logs call it: `amqp`, `freeswitch`, … */
  readonly name: string
  /**
   * Begins to reach the other side, and goes on trying for as long as it is away: its absence is no reason to reject, nor to wait. Rejects
   * with a sentence that names the setting when that cannot be done at all, such as an address that cannot be listened on.
   */
  start(): void | Promise<void>
  /** How it is with the other side, in a few words for people: `connected`, `away: connect ECONNREFUSED`. No credentials. */
  readonly health: { isUp: boolean; text: string }
  /** Hands over what it still holds, within seconds, and lets go of every socket and timer. */
  stop(): void | Promise<void>
}

/** What an integration has of the gateway besides what it is for. */
export interface IntegrationParts {
  clock: Clock
  ids: IdSource
  /** From 0 to 1. */
  random(): number
  store: Store
  counters: Counters
  log: Log
}

/** All integrations of one gateway. What is away is told, and never makes the gateway unready: calls go on without it. */
export class Integrations {
  readonly #all: readonly Integration[]

  constructor(all: readonly Integration[], counters: Counters) {
    this.#all = all
    for (const each of all)
      counters.gauge(series('integration_up', { name: each.name }), () => (each.health.isUp ? 1 : 0))
  }

  /** One that cannot be started stops those before it, and rejects. */
  async start(): Promise<void> {
    const started: Integration[] = []
    try {
      for (const each of this.#all) {
        await each.start()
        started.push(each)
      }
    } catch (error) {
      for (const each of started.reverse()) await each.stop()
      throw error
    }
  }

  /** For readiness: how each is, by its name. */
  get checks(): Record<string, string> {
    return Object.fromEntries(this.#all.map(({ name, health }) => [name, health.text]))
  }

  /** In turn, the last first; one that fails keeps none of the others. */
  async stop(): Promise<void> {
    for (const each of [...this.#all].reverse()) await Promise.resolve(each.stop()).catch(() => {})
  }
}
