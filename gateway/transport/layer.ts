import type { Clock } from '../../functions/contract/clock.ts'
import { reasonOf } from '../../functions/contract/reason.ts'
import { chooseListener, isSendable, sameAddress } from './addresses.ts'
import { fail } from './failure.ts'
import { type CountTransport, defaultTransportOptions, type TransportOptions } from './options.ts'
import { StreamTransport } from './stream.ts'
import type { Tap } from './tap.ts'
import type {
  Destination,
  Flow,
  Listener,
  Network,
  OnTransportFailure,
  ReceiveBroken,
  ReceiveMessage,
  TransportLayer,
} from './types.ts'
import { UdpTransport } from './udp.ts'

export interface TransportParts {
  network: Network
  clock: Clock
  /** Any number of each transport and family. Port 0 asks the system for one: `layer.listeners` has it after `start`. */
  listeners: readonly Listener[]
  options?: Partial<TransportOptions>
  count?: CountTransport
  /** Sees every message as it comes and goes; absent: nobody looks. */
  tap?: Tap | undefined
}

/** How long `stop` waits for answers that are queued on connections, in milliseconds. */
const FLUSH_MS = 500

/**
 * Sends and receives whole messages over every listener (RFC 3261 18). It knows no SIP beyond framing.
 * `start` rejects when a listener cannot be opened, naming it, and leaves none open.
 */
export function createTransportLayer(parts: TransportParts): TransportLayer {
  return new Layer(parts)
}

class Layer implements TransportLayer {
  readonly listeners: readonly Listener[]
  readonly #udp: UdpTransport
  readonly #streams: StreamTransport
  readonly #count: CountTransport

  constructor({ network, clock, listeners, options, count = () => {}, tap }: TransportParts) {
    this.listeners = listeners.map((listener) => ({ ...listener }))
    this.#count = count
    this.#udp = new UdpTransport(network, count, tap)
    this.#streams = new StreamTransport(network, clock, { ...defaultTransportOptions, ...options }, count, tap)
  }

  async start(receive: ReceiveMessage, broken: ReceiveBroken): Promise<void> {
    this.#streams.receive = receive
    this.#streams.broken = broken
    for (const listener of this.listeners) {
      try {
        const udp = listener.transport === 'udp'
        takePort(listener, await (udp ? this.#udp.open(listener, receive) : this.#streams.open(listener)))
      } catch (error) {
        await this.stop()
        const { transport, address, port } = listener
        throw new Error(
          `SIP_LISTEN: ${transport}://${address}:${port} cannot be opened: ${reasonOf(error)}; choose an address of this machine and a port that is free`,
        )
      }
    }
  }

  send(text: string, destination: Destination, failed?: OnTransportFailure): void {
    const { remoteAddress, remotePort } = destination
    if (!isSendable(remoteAddress, remotePort)) return this.#fail(failed, 'unreachable')
    if (destination.transport !== 'udp' && destination.connection) {
      return this.#streams.sendOver(destination as Flow, text, failed)
    }
    const listener = this.listenerFor(destination)
    if (!listener) return this.#fail(failed, 'no listener')
    if (destination.transport === 'udp') return this.#udp.send(text, listener, remoteAddress, remotePort, failed)
    this.#streams.reach(listener, destination.listener !== undefined, destination, text, failed)
  }

  isAlive(flow: Flow): boolean {
    return flow.transport === 'udp' || this.#streams.find(flow) !== undefined
  }

  listenerFor(destination: Destination): Listener | undefined {
    const { listener } = destination
    return listener ? this.#own(listener) : chooseListener(this.listeners, destination)
  }

  async stop(): Promise<void> {
    this.#udp.close()
    await this.#streams.close(FLUSH_MS)
  }

  /** A flow that was stored and read again names its listener by value. */
  #own(listener: Listener): Listener | undefined {
    if (this.listeners.includes(listener)) return listener
    return this.listeners.find((own) => own.transport === listener.transport && sameAddress(own, listener))
  }

  #fail(failed: OnTransportFailure | undefined, failure: 'unreachable' | 'no listener'): void {
    this.#count('send.failed')
    fail(failed, failure)
  }
}

function takePort(listener: Listener, port: number): void {
  if (listener.advertisedPort === 0) listener.advertisedPort = port
  listener.port = port
}
