import type { Clock } from '../../functions/contract/clock.ts'
import type { Store } from '../../functions/store/store.ts'
import type { SipMessage } from '../sip/message.ts'
import type { Dialog } from './dialog.ts'

/** By then whoever has the calls of a gateway that has gone has taken them up. Milliseconds. */
const KEPT_MS = 600_000
/** Anybody can send a BYE of a dialog that there never was: so many are noted in that time, each with names of so many characters. */
export const MOST = 20_000
const LONGEST = 1024

/** A BYE of a dialog that nobody followed. */
export interface Goodbye {
  /** From tag of its sender. */
  from: string
  /** Milliseconds since the epoch. */
  at: number
}

/** BYEs that passed here while the gateway of their call was gone: whoever goes on with the call hears of them. */
export class Goodbyes {
  readonly #store: Pick<Store, 'remember' | 'recall'>
  readonly #clock: Clock
  readonly #failed: (error: unknown) => void
  #noted = 0
  #since = Number.NEGATIVE_INFINITY

  constructor(store: Pick<Store, 'remember' | 'recall'>, clock: Clock, failed: (error: unknown) => void) {
    this.#store = store
    this.#clock = clock
    this.#failed = failed
  }

  note({ callId, fromTag, toTag }: SipMessage): void {
    const now = this.#clock.now()
    if (now - this.#since >= KEPT_MS) [this.#since, this.#noted] = [now, 0]
    if (callId.length + fromTag.length + toTag.length > LONGEST || ++this.#noted > MOST) return
    const goodbye: Goodbye = { from: fromTag, at: now }
    this.#store.remember(keyOf(callId, fromTag, toTag), JSON.stringify(goodbye), KEPT_MS).catch(this.#failed)
  }

  async of({ callId, caller, callee }: Dialog): Promise<Goodbye | undefined> {
    try {
      const text = await this.#store.recall(keyOf(callId, caller.tag, callee.tag))
      return text === undefined ? undefined : (JSON.parse(text) as Goodbye)
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }
}

function keyOf(callId: string, ...tags: string[]): string {
  return `bye/${[callId, ...tags.sort()].map(encodeURIComponent).join('/')}`
}
