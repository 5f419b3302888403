import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { type Counters, series } from '../observe/counters.ts'
import type { Log } from '../observe/log.ts'
import { cloudEvent, type Delivery } from './delivery.ts'
import type { Lane } from './lane.ts'
import { MAX_AGE_MS, pauseMs } from './schedule.ts'
import type { DeliveryOutcome, Sink, SubscriptionTarget } from './sink.ts'
import { liveSecrets } from './subscription.ts'

export interface TriesParts {
  sinks: readonly Sink[]
  clock: Clock
  /** From 0 to 1. */
  random(): number
  /** CloudEvents' source of events that came without one. */
  source: string
  counters: Counters
  log: Log
}

/** What becomes of a delivery that was tried. */
export interface TriesOwner {
  delivered(delivery: Delivery): void
  /** It is tried again later; its count and its time have changed. */
  postponed(delivery: Delivery): void
  givenUp(delivery: Delivery, why: string): Promise<void>
  /** The receiver wants no more of this subscription. */
  gone(lane: Lane, why: string): Promise<void>
}

/** Tries of all subscriptions at once. */
const PARALLEL = 256

const NOWHERE: Sink = {
  kind: 'url',
  deliver: async () => ({ outcome: 'failed', error: 'this gateway has no setting for such a target' }),
}

/** Takes what is due out of open lanes to where it goes, and tries again what fails, for as long as the lane is open. */
export class Tries {
  readonly #parts: TriesParts
  readonly #lanes: ReadonlyMap<string, Lane>
  readonly #owner: TriesOwner
  readonly #sinks: ReadonlyMap<string, Sink>
  readonly #timers = new Map<string, Timer>()
  #underWay = 0

  /** @param lanes those that are open, by subscription */
  constructor(parts: TriesParts, lanes: ReadonlyMap<string, Lane>, owner: TriesOwner) {
    this.#parts = parts
    this.#lanes = lanes
    this.#owner = owner
    this.#sinks = new Map(parts.sinks.map((sink) => [sink.kind, sink]))
    for (const sink of parts.sinks) sink.whenBack?.(() => this.#back(sink))
  }

  /** Begins what can begin now; what is due later is begun by itself. */
  pump(lane: Lane): void {
    if (!this.#isOpen(lane)) return
    const { clock } = this.#parts
    const { id, target } = lane.subscription
    const now = clock.now()
    const { due, at } = lane.due(now, PARALLEL - this.#underWay, this.#sinkOf(target).parallel)
    for (const delivery of due) void this.#try(lane, delivery)
    this.stop(id)
    if (at === undefined) return
    const timer = clock.after(Math.max(1, at - now), () => this.pump(lane))
    this.#timers.set(id, timer)
  }

  /** Nothing of that subscription begins by itself any more. */
  stop(subscription: string): void {
    this.#timers.get(subscription)?.cancel()
    this.#timers.delete(subscription)
  }

  stopAll(): void {
    for (const subscription of [...this.#timers.keys()]) this.stop(subscription)
  }

  #isOpen(lane: Lane): boolean {
    return this.#lanes.get(lane.subscription.id) === lane
  }

  #back(sink: Sink): void {
    for (const lane of this.#lanes.values()) {
      if (this.#sinkOf(lane.subscription.target) !== sink) continue
      lane.back()
      this.pump(lane)
    }
  }

  async #try(lane: Lane, delivery: Delivery): Promise<void> {
    const { clock, source } = this.#parts
    const { subscription } = lane
    const { target } = subscription
    const now = clock.now()
    this.#underWay++
    const outcome = await this.#sinkOf(target).deliver({
      ...{ id: delivery.messageId, type: delivery.event.type, target },
      ...{ body: cloudEvent(delivery, source), secret: liveSecrets(subscription, now) },
    })
    this.#underWay--
    // Somebody else leads, or it was deleted meanwhile.
    if (this.#isOpen(lane)) await this.#settle(lane, delivery, outcome, now)
    if (this.#underWay === PARALLEL - 1) for (const other of this.#lanes.values()) this.pump(other)
    else this.pump(lane)
  }

  async #settle(lane: Lane, delivery: Delivery, outcome: DeliveryOutcome, begunAt: number): Promise<void> {
    const { clock, random, counters, log } = this.#parts
    const { target, id: subscription } = lane.subscription
    counters.count(series('outbox_tries', { sink: kindOf(target), result: outcome.outcome }))
    if (outcome.outcome === 'delivered') {
      lane.succeeded()
      lane.settled(delivery, true)
      return this.#owner.delivered(delivery)
    }
    delivery.attempts++
    delivery.error = outcome.error
    if (outcome.outcome === 'gone') return this.#owner.gone(lane, outcome.error)
    const now = clock.now()
    lane.failed(now)
    const isTooOld = now - delivery.queuedAt > MAX_AGE_MS
    const pauseFor = isTooOld ? undefined : pauseMs(delivery.attempts, outcome.retryAfterMs, random())
    log.warn('a delivery has failed', {
      ...{ subscription, delivery: delivery.messageId, attempts: delivery.attempts, ms: now - begunAt },
      ...{ reason: outcome.error, nextInMs: pauseFor ?? 'given up' },
    })
    if (pauseFor === undefined) {
      lane.settled(delivery, true)
      return this.#owner.givenUp(delivery, outcome.error)
    }
    delivery.nextAt = now + pauseFor
    lane.settled(delivery, false)
    this.#owner.postponed(delivery)
  }

  #sinkOf(target: SubscriptionTarget): Sink {
    return this.#sinks.get(kindOf(target)) ?? NOWHERE
  }
}

function kindOf(target: SubscriptionTarget): keyof SubscriptionTarget {
  return target.url !== undefined ? 'url' : target.amqp !== undefined ? 'amqp' : 'sns'
}
