import type { Agreement, Description } from './exchange.ts'
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

/** Far ends of a branch, as a forking proxy has them, of which it is known what was agreed with each. */
const MAX_AGREEMENTS = 8

/** See MediaSession. */
export class Session implements MediaSession {
  /** `engine` is '' before the first offer, and another one once that is away. */
  readonly name: SessionName
  readonly callId: string
  readonly caller: SessionFacts['caller']
  isKnown: boolean
  readonly #relay: { ended(session: Session): void }
  /** A response had the offer: the answer is in its ACK. */
  offered: Description | undefined
  /** Settled when the rtpengine goes by what was agreed again; undefined: it does. */
  restoring: Promise<void> | undefined
  /** By the tags of both ends. */
  readonly #agreed = new Map<string, Agreement>()
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

  /** Its rtpengine has let go of it. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** What both ends go by from now on. */
  agree(offer: Description, answer: Description): void {
    const key = tagsOf(answer)
    if (!this.#agreed.has(key) && this.#agreed.size >= MAX_AGREEMENTS) return
    this.#agreed.set(key, { offer, answer })
  }

  /** What the ends of an offer went by before it. */
  agreedBefore(offer: Description): Agreement | undefined {
    return this.#agreed.get(tagsOf(offer))
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

function tagsOf({ exchange: { offerer, answerer } }: Description): string {
  return [offerer, answerer].sort().join(' ')
}
