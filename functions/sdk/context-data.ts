import type { Journal } from './journal.ts'

type Data = Record<string, unknown>

/**
 * `call.context`: data that the handlers of one call share. While a handler replays, it sees what it saw then, and what it writes
 * is dropped, as it was kept the first time; from the newest result on it reads and writes the call's own.
 * It is one object from first to last, so a handler may hold on to it over an await.
 */
export class ContextData {
  readonly #current: Data | undefined
  readonly #journal: Journal
  #object: Data | undefined
  #isLive = false
  #epoch = 0

  constructor(current: Data | undefined, journal: Journal) {
    this.#current = current
    this.#journal = journal
  }

  get object(): Data {
    if (this.#object === undefined) {
      this.#object = {}
      if (this.#isLive) this.#takeCurrent()
      else this.#takeSeen()
    }
    return this.#object
  }

  /** A result of the journal is handed out: what the handler sees may have changed. */
  at(epoch: number): void {
    this.#epoch = epoch
    if (this.#object && !this.#isLive) this.#takeSeen()
  }

  /** The replay has caught up. */
  goLive(epoch: number): void {
    this.#epoch = epoch
    this.#isLive = true
    if (this.#object) this.#takeCurrent()
  }

  /** What the call keeps: `undefined` for nothing. Plain JSON data, whatever the handler put in. */
  toStore(): Data | undefined {
    if (this.#object === undefined || !this.#isLive) return this.#current
    const data = copied(this.#object)
    return Object.keys(data).length > 0 ? data : undefined
  }

  #takeCurrent(): void {
    const data = copied(this.#current ?? {})
    this.#fill(data)
    this.#journal.seen.context ??= []
    const seen = this.#journal.seen.context
    if (!seen.some(([epoch]) => epoch === this.#epoch)) seen.push([this.#epoch, copied(data)])
  }

  #takeSeen(): void {
    const seen = this.#journal.seen.context?.find(([epoch]) => epoch === this.#epoch)
    if (seen) this.#fill(copied(seen[1] as Data))
  }

  #fill(data: Data): void {
    const object = this.#object!
    for (const name of Object.keys(object)) delete object[name]
    Object.assign(object, data)
  }
}

function copied(data: Data): Data {
  return JSON.parse(JSON.stringify(data))
}
