import type { Clock } from '../contract/clock.ts'

export interface Credential {
  value: string
  /** Milliseconds since the epoch: from then on another one is made. */
  renewAt: number
}

/** A credential that is used again until it is to be renewed; however many ask meanwhile, one renewal is under way. */
export class Renewed {
  readonly #clock: Clock
  readonly #make: () => Promise<Credential>
  #current: Credential | undefined
  #making: Promise<string> | undefined

  constructor(clock: Clock, make: () => Promise<Credential>) {
    this.#clock = clock
    this.#make = make
  }

  /** @param refused the one that is not taken any more, when that is why another is wanted */
  async get(refused?: string): Promise<string> {
    const current = this.#current
    if (current && current.value !== refused && current.renewAt > this.#clock.now()) return current.value
    this.#making ??= this.#renew().finally(() => {
      this.#making = undefined
    })
    return this.#making
  }

  async #renew(): Promise<string> {
    this.#current = await this.#make()
    return this.#current.value
  }
}
