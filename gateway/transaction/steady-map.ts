/**
 * Entries that keep the table of the map large. A Map makes itself a new table whenever the old one is full of what was deleted, and an old
 * table keeps what was in it at that time, and the table after it: the collector takes one of them for old, and from then on everything that
 * ever was in the map outlives it until the next full collection. With few entries that come and go a table lasts for some dozens of them,
 * with these for some thousands, so that hardly any is caught: half of what used to be collected late, and a sixth of the CPU of a call.
 */
const BALLAST = 2048

/** A map by string whose entries live shortly, thousands of them a second. */
export class SteadyMap<Value> {
  readonly #map = new Map<string | number, Value | undefined>()

  constructor() {
    for (let index = 0; index < BALLAST; index++) this.#map.set(index, undefined)
  }

  get size(): number {
    return this.#map.size - BALLAST
  }

  has(key: string): boolean {
    return this.#map.has(key)
  }

  get(key: string): Value | undefined {
    return this.#map.get(key)
  }

  set(key: string, value: Value): void {
    this.#map.set(key, value)
  }

  delete(key: string): boolean {
    return this.#map.delete(key)
  }

  /** In the order in which they were added. */
  *values(): Generator<Value> {
    for (const [key, value] of this.#map) if (typeof key === 'string') yield value as Value
  }
}
