import type { Clock } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Integration, IntegrationParts } from '../integration/integration.ts'
import type { InvocationSeen, ReactionSeen, Watcher } from '../observe/watcher.ts'
import type { Ends, Tap } from '../transport/tap.ts'
import type { Address, TransportName } from '../transport/types.ts'
import type { OpenLink } from './link.ts'
import { correlationOf, eventText, invocationText, reactionText } from './log-text.ts'
import { type Capture, PacketEncoder } from './packet.ts'
import { Sender } from './sender.ts'
import type { HepSettings } from './settings.ts'
import { captured } from './sip-text.ts'

export interface HepParts extends Pick<IntegrationParts, 'clock' | 'random' | 'counters' | 'log'> {
  settings: HepSettings
  /** How the collector is reached. */
  open: OpenLink
  /** Where events are drawn: what the gateway itself is reached at. */
  own: Address
  /** And its functions. */
  functions: Address
}

/** Every message, event and invocation of this gateway for Homer: those of a call under its Call-ID, so that they are one timeline. */
export class Hep implements Integration, Tap, Watcher {
  readonly name = 'hep'
  readonly #parts: HepParts
  readonly #encoder: PacketEncoder
  readonly #sender: Sender
  readonly #stamps: Stamps

  constructor(parts: HepParts) {
    const { settings, counters, clock } = parts
    const { url, agentId: id, authKey, node, maxBytes } = settings
    const host = url.host.includes(':') ? `[${url.host}]` : url.host
    this.#parts = parts
    this.#encoder = new PacketEncoder({ id, authKey, node, maxBytes }, () => counters.count('hep_truncated'))
    this.#sender = new Sender({
      ...parts,
      target: `${url.transport}://${host}:${url.port}`,
      isConfirmed: url.transport !== 'udp',
    })
    this.#stamps = new Stamps(clock)
  }

  get health(): { isUp: boolean; text: string } {
    return this.#sender.health
  }

  start(): void {
    this.#sender.start()
  }

  stop(): Promise<void> {
    return this.#sender.stop()
  }

  received(text: string, { transport, remote, local }: Ends): void {
    this.#message(text, transport, remote, local)
  }

  sent(text: string, { transport, remote, local }: Ends): void {
    this.#message(text, transport, local, remote)
  }

  events(events: readonly RouseEvent[], callId?: string): void {
    for (const event of events) this.#log(this.#parts.own, correlationOf(event, callId), eventText(event))
  }

  invoked(invocation: InvocationSeen): void {
    this.#log(this.#parts.functions, invocation.callId, invocationText(invocation))
  }

  reacted(reaction: ReactionSeen): void {
    this.#log(this.#parts.own, reaction.callId, reactionText(reaction))
  }

  #message(text: string, transport: TransportName, source: Address, destination: Address): void {
    const message = captured(text)
    if (!message) return
    const { callId: correlationId, text: payload } = message
    this.#send({ protocol: 'sip', transport, source, destination, at: this.#stamps.next(), correlationId, payload })
  }

  #log(destination: Address, correlationId: string, payload: string): void {
    const { own: source } = this.#parts
    const at = this.#stamps.next()
    this.#send({ protocol: 'log', transport: 'tcp', source, destination, at, correlationId, payload })
  }

  #send(capture: Capture): void {
    this.#sender.send(this.#encoder.encode(capture))
  }
}

/**
 * Microseconds since the epoch. The clock tells milliseconds: within one, each moment is a microsecond after the one before, so that a
 * collector that sorts by time keeps the order.
 */
class Stamps {
  readonly #clock: Clock
  #ms = 0
  #micros = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  next(): number {
    const ms = this.#clock.now()
    this.#micros = ms === this.#ms ? Math.min(999, this.#micros + 1) : 0
    this.#ms = ms
    return ms * 1000 + this.#micros
  }
}
