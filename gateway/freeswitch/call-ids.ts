import { Channels, isChannel } from './channels.ts'
import type { SwitchEvent } from './event.ts'

export interface CallIdParts {
  /** The Call-ID of a channel; '' when it has none, undefined when nobody says. */
  ask(uuid: string): Promise<string | undefined>
  /** An event, and the Call-ID of its channel, '' when it has none. */
  found(event: SwitchEvent, callId: string): void
  /** Too many events wait for their Call-ID. */
  dropped(event: SwitchEvent): void
}

/** Events that wait for the Call-ID of their channel at most, at one FreeSWITCH. */
const MAX_WAITING = 10_000

/** A channel whose Call-ID is asked for. */
interface Asked {
  /** They wait for it. */
  events: SwitchEvent[]
  /** What one of its events has said meanwhile. */
  said: string | undefined
  isGone: boolean
  answered: Promise<void>
}

/** Finds the SIP call of each event, and keeps those of one channel in their order while its call is asked for. */
export class CallIds {
  readonly channels = new Channels()
  readonly #parts: CallIdParts
  readonly #asked = new Map<string, Asked>()
  #waiting = 0

  constructor(parts: CallIdParts) {
    this.#parts = parts
  }

  /** @param isWanted whether it is more than a way to learn of its channel */
  take(event: SwitchEvent, isWanted: boolean): void {
    const uuid = event.get('Unique-ID')
    const said = event.get('variable_sip_call_id')
    const isKnown = isChannel(uuid)
    if (isKnown && said !== '') this.#learn(uuid, said)
    if (isWanted) this.#find(event, said || this.channels.callId(uuid), isKnown ? uuid : undefined)
    if (event.name === 'CHANNEL_UUID') this.#forget(event.get('Old-Unique-ID'))
    if (event.name === 'CHANNEL_DESTROY') this.#forget(uuid)
  }

  /** Waits until no event waits for its Call-ID. */
  async settled(): Promise<void> {
    await Promise.all([...this.#asked.values()].map(({ answered }) => answered))
  }

  #find(event: SwitchEvent, callId: string | undefined, uuid: string | undefined): void {
    const asked = uuid === undefined ? undefined : this.#asked.get(uuid)
    if (!asked && (callId !== undefined || uuid === undefined)) return this.#parts.found(event, callId ?? '')
    if (this.#waiting >= MAX_WAITING) return this.#parts.dropped(event)
    this.#waiting++
    if (asked) asked.events.push(event)
    else this.#ask(uuid!, event)
  }

  /** One that is older than the connection. */
  #ask(uuid: string, event: SwitchEvent): void {
    const answered = this.#parts.ask(uuid).then((answer) => this.#answered(uuid, answer))
    this.#asked.set(uuid, { events: [event], said: undefined, isGone: false, answered })
  }

  #answered(uuid: string, answer: string | undefined): void {
    const { events, said, isGone } = this.#asked.get(uuid)!
    this.#asked.delete(uuid)
    this.#waiting -= events.length
    const callId = said ?? answer
    if (callId !== undefined && !isGone) this.channels.learn(uuid, callId)
    for (const event of events) this.#parts.found(event, event.get('variable_sip_call_id') || (callId ?? ''))
  }

  #learn(uuid: string, callId: string): void {
    this.channels.learn(uuid, callId)
    const asked = this.#asked.get(uuid)
    if (asked) asked.said = callId
  }

  #forget(uuid: string): void {
    this.channels.forget(uuid)
    const asked = this.#asked.get(uuid)
    if (asked) asked.isGone = true
  }
}
