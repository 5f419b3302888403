import type { Clock } from '../../functions/contract/clock.ts'
import { endOf } from './addresses.ts'
import type { Destination } from './types.ts'

/** Milliseconds a destination that failed is tried last; RFC 3263 4.3 leaves it to us. */
const DEAD_MS = 30_000
const MAX_DEAD = 10_000

/** Remembers which destinations just failed, so that the next request does not wait for them again (RFC 3263 4.3). */
export class DeadTargets {
  readonly #clock: Clock
  readonly #deadMs: number
  /** Milliseconds since the epoch until which each is avoided, in that order. */
  readonly #until = new Map<string, number>()

  constructor(clock: Clock, deadMs = DEAD_MS) {
    this.#clock = clock
    this.#deadMs = deadMs
  }

  add(destination: Destination): void {
    const key = keyOf(destination)
    this.#until.delete(key)
    this.#until.set(key, this.#clock.now() + this.#deadMs)
    if (this.#until.size > MAX_DEAD) this.#until.delete(this.#until.keys().next().value!)
  }

  /** It answered: nothing is held against it. */
  remove(destination: Destination): void {
    if (this.#until.size > 0) this.#until.delete(keyOf(destination))
  }

  has(destination: Destination): boolean {
    if (this.#until.size === 0) return false
    const until = this.#until.get(keyOf(destination))
    return until !== undefined && until > this.#clock.now()
  }

  /** The same destinations, the dead ones last: when all are dead, they are still tried. */
  order(destinations: Destination[]): Destination[] {
    if (this.#until.size === 0 || destinations.length < 2) return destinations
    const dead = destinations.filter((destination) => this.has(destination))
    return [...destinations.filter((destination) => !dead.includes(destination)), ...dead]
  }
}

function keyOf({ transport, remoteAddress, remotePort }: Destination): string {
  return `${transport}|${endOf(remoteAddress, remotePort)}`
}
