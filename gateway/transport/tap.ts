import type { Address, Listener, TransportLayer } from './types.ts'

/**
 * Whoever looks at the messages that go by: whole ones, as latin1 text, keep-alives and noise too. `by` is the listener whose socket or
 * connection it is, undefined when none can send there. Must not throw.
 */
export interface Tap {
  received(text: string, from: Address, by: Listener | undefined): void
  sent(text: string, to: Address, by: Listener | undefined): void
}

/** The same layer, with somebody who looks. */
export function tapped(layer: TransportLayer, tap: Tap): TransportLayer {
  const addressOf = ({ remoteAddress, remotePort }: { remoteAddress: string; remotePort: number }): Address => {
    return { address: remoteAddress, port: remotePort }
  }
  return {
    start: (receive, broken) =>
      layer.start(
        (text, flow) => {
          tap.received(text, addressOf(flow), flow.listener)
          receive(text, flow)
        },
        (text, flow, status, reason) => {
          tap.received(text, addressOf(flow), flow.listener)
          broken(text, flow, status, reason)
        },
      ),
    send(text, destination, failed) {
      tap.sent(text, addressOf(destination), destination.listener ?? layer.listenerFor(destination))
      layer.send(text, destination, failed)
    },
    isAlive: (flow) => layer.isAlive(flow),
    listenerFor: (destination) => layer.listenerFor(destination),
    listeners: layer.listeners,
    stop: () => layer.stop(),
  }
}
