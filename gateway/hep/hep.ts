import { isIP } from 'node:net'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { Integration, IntegrationParts } from '../integration/integration.ts'
import { series } from '../observe/counters.ts'
import { redacted } from '../observe/redact.ts'
import type { InvocationSeen, Watcher } from '../observe/watcher.ts'
import { isWildcard } from '../transport/addresses.ts'
import type { Tap } from '../transport/tap.ts'
import type { Address, Listener, Network } from '../transport/types.ts'
import { shownMessage } from './message.ts'
import { encodePacket, type Packet } from './packet.ts'
import { Sender } from './sender.ts'
import type { HepSettings } from './settings.ts'

export interface HepParts extends Omit<IntegrationParts, 'store' | 'ids'> {
  network: Network
  /** An address of a name. */
  resolve(host: string): Promise<string>
  /** Where the gateway is, for what is no message. */
  self: Address
}

const RESULTS = {
  sent: series('hep_packets', { result: 'sent' }),
  dropped: series('hep_packets', { result: 'dropped' }),
}

/** Shows Homer, or whatever else collects HEP, each SIP message, and what happens to calls besides. */
export class Hep implements Integration, Tap, Watcher {
  readonly name = 'hep'
  readonly #settings: HepSettings
  readonly #parts: HepParts
  readonly #sender: Sender
  #trouble: string | undefined = 'not yet reached'

  constructor(settings: HepSettings, parts: HepParts) {
    this.#settings = settings
    this.#parts = parts
    const { network, resolve, clock, random, counters } = parts
    this.#sender = new Sender({
      ...{ collector: settings.collector, network, resolve, clock, random },
      count: (result) => counters.count(RESULTS[result]),
      onState: (trouble) => this.#told(trouble),
    })
  }

  get health(): { isUp: boolean; text: string } {
    const trouble = this.#trouble
    const there = this.#settings.collector.transport === 'udp' ? 'sent by UDP, unheard' : 'connected'
    return { isUp: trouble === undefined, text: trouble === undefined ? there : `away: ${trouble}` }
  }

  start(): void {
    this.#sender.start()
  }

  stop(): Promise<void> {
    return this.#sender.stop()
  }

  received(text: string, from: Address, by: Listener | undefined): void {
    if (by) this.#message(text, by, from, localOf(by))
  }

  sent(text: string, to: Address, by: Listener | undefined): void {
    if (by) this.#message(text, by, localOf(by), to)
  }

  events(events: readonly RouseEvent[]): void {
    for (const { id, type, time, attributes } of events) {
      const { callId, aor } = attributes
      this.#log(String(callId ?? aor ?? ''), { event: type, id, time, ...attributes })
    }
  }

  invoked({ callId, ...rest }: InvocationSeen): void {
    this.#log(callId, rest)
  }

  #message(text: string, { transport }: Listener, source: Address, destination: Address): void {
    const shown = shownMessage(text)
    if (!shown) return
    const carrier = transport === 'udp' ? 'udp' : 'tcp'
    const { callId: correlation, octets: payload } = shown
    this.#send({ kind: 'sip', transport: carrier, source, destination, at: this.#now, correlation, payload })
  }

  /** Between the gateway and itself. */
  #log(correlation: string, what: object): void {
    const { self } = this.#parts
    const payload = Buffer.from(JSON.stringify(redacted(what)))
    this.#send({ kind: 'log', transport: 'tcp', source: self, destination: self, at: this.#now, correlation, payload })
  }

  #send(packet: Packet): void {
    this.#sender.send(encodePacket(packet, this.#settings.agent))
  }

  get #now(): number {
    return this.#parts.clock.now()
  }

  #told(trouble: string | undefined): void {
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    const { host, port, transport } = this.#settings.collector
    this.#parts.log.warn(trouble === undefined ? 'the HEP collector is there' : 'the HEP collector is away', {
      collector: `${transport}://${host}:${port}`,
      ...(trouble === undefined ? {} : { reason: trouble }),
    })
  }
}

/** A listener on every address is shown as what it advertises, if that is an address. */
function localOf({ address, port, advertisedHost }: Listener): Address {
  const advertised = advertisedHost.replace(/^\[(.*)\]$/, '$1')
  return { address: isWildcard(address) && isIP(advertised) !== 0 ? advertised : address, port }
}
