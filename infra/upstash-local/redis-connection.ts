import { type LinkOptions, openLink, type RedisAddress, type RedisLink } from './redis-link.ts'
import type { Command, Reply } from './resp.ts'

/**
 * The one connection all requests share, opened when it is needed: whoever asks after it was lost has it opened again, so no
 * timer runs while nobody asks.
 */
export class RedisConnection {
  readonly #address: RedisAddress
  readonly #options: LinkOptions
  #link: Promise<RedisLink> | undefined

  constructor(address: RedisAddress, options: Omit<LinkOptions, 'onPush' | 'onEnd'> = {}) {
    this.#address = address
    this.#options = options
  }

  /**
   * Sends all at once, in order.
   * @returns one reply each, errors of Redis among them; rejects with RedisAway, and what was in flight may or may not have
   *          been done: nothing is sent twice
   */
  async send(commands: readonly Command[]): Promise<Reply[]> {
    const link = await this.#opened()
    return link.send(commands)
  }

  async close(): Promise<void> {
    const link = await this.#link?.catch(() => undefined)
    link?.close()
  }

  #opened(): Promise<RedisLink> {
    if (this.#link) return this.#link
    const forget = () => {
      if (this.#link === link) this.#link = undefined
    }
    const link = openLink(this.#address, { ...this.#options, onEnd: forget })
    link.catch(forget)
    this.#link = link
    return link
  }
}
