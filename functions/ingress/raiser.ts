import type { RouseEvent } from '../contract/events.ts'
import type { Problem, Result } from '../contract/problem.ts'
import type { IngressLog } from './log.ts'
import type { Once } from './once.ts'
import type { PostedEvent } from './posted-event.ts'

export interface RaiserParts {
  publish(event: RouseEvent): Promise<number>
  once: Once
  log: IngressLog
}

export interface RaisedEvent {
  id: string
  /** How many waits and subscriptions it matched. */
  matched: number
}

/** Raises the events of requests, each once. */
export class Raiser {
  readonly #parts: RaiserParts

  constructor(parts: RaiserParts) {
    this.#parts = parts
  }

  /**
   * All in one turn, so that they travel together. Problem when one of them could not be raised: the others are, and will not be again when
   * the request is repeated.
   */
  async raise(events: readonly PostedEvent[], sender: string): Promise<Result<RaisedEvent[]>> {
    const running = new Map<string, Promise<Result<number>>>()
    for (const posted of events) {
      const { id } = posted.event
      if (!running.has(id)) running.set(id, this.#raiseOne(posted, sender))
    }
    const raised: RaisedEvent[] = []
    let problem: Problem | undefined
    for (const { event } of events) {
      const result = await running.get(event.id)!
      if (result.ok) raised.push({ id: event.id, matched: result.value })
      else problem ??= result.problem
    }
    return problem ? { ok: false, problem } : { ok: true, value: raised }
  }

  /** Never rejects but for a bug. */
  async #raiseOne({ event, isNamed }: PostedEvent, sender: string): Promise<Result<number>> {
    const publish = () => this.#publish(event, sender)
    try {
      return isNamed ? await this.#parts.once.raise(event.id, publish) : { ok: true, value: await publish() }
    } catch (error) {
      if (error instanceof StoreAway) return { ok: false, problem: AWAY }
      throw error
    }
  }

  async #publish(event: RouseEvent, sender: string): Promise<number> {
    const { publish, log } = this.#parts
    const { id, type } = event
    try {
      const matched = await publish(event)
      log.info('POST /events', { eventId: id, type, matched, sender })
      return matched
    } catch (error) {
      log.warn('store unavailable', { eventId: id, type, sender, error })
      throw new StoreAway()
    }
  }
}

/** The store did not take an event: expected trouble. */
class StoreAway extends Error {}

const AWAY: Problem = { code: 'store.unavailable', detail: 'the store does not answer; try again' }
