import { isRefusal, openLink, type RedisAddress, type RedisLink } from './redis-link.ts'
import type { Reply } from './resp.ts'

/** Octets that may wait for a reader that is slow; one that is slower is let go. */
const WAITING_OCTETS = 4 * 1024 * 1024

/** Streams of server-sent events, each with a connection of its own. */
export class Subscriptions {
  readonly #address: RedisAddress
  readonly #ends = new Set<() => void>()

  constructor(address: RedisAddress) {
    this.#address = address
  }

  /**
   * @returns once the Redis has subscribed, so that nothing published afterwards is missed: `data: subscribe,channel,1`, then
   * `data: message,channel,text` per message; rejects with RedisAway
   */
  async open(verb: 'SUBSCRIBE' | 'PSUBSCRIBE', channel: string): Promise<ReadableStream<Uint8Array>> {
    let link: RedisLink | undefined
    let controller!: ReadableStreamDefaultController<Uint8Array>
    let isOpen = true
    const first = Promise.withResolvers<void>()
    const leave = () => {
      isOpen = false
      first.resolve()
      this.#ends.delete(end)
      link?.close()
    }
    const end = () => {
      if (!isOpen) return
      leave()
      controller.close()
    }
    const onPush = (reply: Reply) => {
      if (!isOpen) return
      controller.enqueue(eventOf(reply))
      first.resolve()
      if (controller.desiredSize! < 0) end()
    }
    const stream = new ReadableStream<Uint8Array>(
      {
        start(given) {
          controller = given
        },
        cancel: leave,
      },
      { highWaterMark: WAITING_OCTETS, size: (event) => event.length },
    )
    this.#ends.add(end)
    link = await openLink(this.#address, { onPush, onEnd: end })
    link.post([verb, channel])
    await first.promise
    return stream
  }

  close(): void {
    for (const end of this.#ends) end()
  }
}

/** A text of several lines is several `data:` lines of one event. */
function eventOf(reply: Reply): Uint8Array {
  const lines = textOf(reply).split(/\r\n|\r|\n/)
  return Buffer.from(`${lines.map((line) => `data: ${line}`).join('\n')}\n\n`)
}

function textOf(reply: Reply): string {
  if (isRefusal(reply)) return reply.error
  return Array.isArray(reply) ? reply.map(textOf).join(',') : String(reply ?? '')
}
