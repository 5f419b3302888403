import { type SessionName, writeParam } from './session-name.ts'
import type { MediaPolicy, MediaSession } from './types.ts'

export interface SessionFacts {
  name: SessionName
  /** Of SIP. */
  callId: string
  /** Who has called, and what the function has said; undefined after a restart. */
  caller: { tag: string; policy: MediaPolicy } | undefined
  /** This process has begun it, or has asked its rtpengine for it. */
  isKnown: boolean
}

/** See MediaSession. */
export class Session implements MediaSession {
  /** `engine` is '' before the first offer, and another one once that is away. */
  readonly name: SessionName
  readonly callId: string
  readonly caller: SessionFacts['caller']
  isKnown: boolean
  readonly #relay: { ended(session: Session): void }
  #dialogs = 0
  #isOver = false

  constructor(relay: { ended(session: Session): void }, { name, callId, caller, isKnown }: SessionFacts) {
    this.#relay = relay
    this.name = name
    this.callId = callId
    this.caller = caller
    this.isKnown = isKnown
  }

  get param(): string {
    return writeParam(this.name)
  }

  taken(): this {
    this.#dialogs++
    return this
  }

  end(): void {
    this.#dialogs--
    if (this.#isOver || this.#dialogs > 0) return
    this.#isOver = true
    this.#relay.ended(this)
  }
}
