/** Channels that are remembered at most: those not heard of for longest are forgotten. */
const MAX_CHANNELS = 100_000

/** What a channel may be called: its name goes into commands. It is no UUID where FreeSWITCH is told to take the Call-ID. */
const NAME = /^[!-~]{1,256}$/

export function isChannel(uuid: string): boolean {
  return NAME.test(uuid)
}

/** Which SIP call each channel of FreeSWITCH is a leg of: few events say so themselves. */
export class Channels {
  /** Call-ID by the channel's UUID, in the order in which they were heard of; '' of one that is no SIP call's. */
  readonly #callIds = new Map<string, string>()
  readonly #uuids = new Map<string, Set<string>>()

  get size(): number {
    return this.#callIds.size
  }

  callId(uuid: string): string | undefined {
    return this.#callIds.get(uuid)
  }

  /** The channels of a call, newest last. */
  uuids(callId: string): string[] {
    return [...(this.#uuids.get(callId) ?? [])]
  }

  learn(uuid: string, callId: string): void {
    this.forget(uuid)
    this.#callIds.set(uuid, callId)
    if (callId !== '') {
      const uuids = this.#uuids.get(callId) ?? new Set()
      this.#uuids.set(callId, uuids.add(uuid))
    }
    if (this.#callIds.size > MAX_CHANNELS) this.forget(this.#callIds.keys().next().value!)
  }

  forget(uuid: string): void {
    const callId = this.#callIds.get(uuid)
    if (callId === undefined) return
    this.#callIds.delete(uuid)
    const uuids = this.#uuids.get(callId)
    uuids?.delete(uuid)
    if (uuids?.size === 0) this.#uuids.delete(callId)
  }
}
