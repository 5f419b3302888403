import { isIP } from 'node:net'
import { isIpv6, isLoopback, isWildcard } from './addresses.ts'
import type { Address, Listener, TransportName } from './types.ts'

/** The two ends that a message goes between. */
export interface Ends {
  transport: TransportName
  /** Of this process; for a stream the very end of its connection, not that of the listener. */
  local: Address
  remote: Address
}

/**
 * Whoever looks at the messages that go by: whole ones, as latin1 text, noise too, keep-alives not. What is sent is told as it goes out, over
 * a connection that is being opened once it is open, and never when it does not go out. Must not throw.
 */
export interface Tap {
  received(text: string, ends: Ends): void
  sent(text: string, ends: Ends): void
}

/** One that passes on to all of these; `undefined` when there is none. */
export function tapOf(taps: readonly Tap[]): Tap | undefined {
  if (taps.length < 2) return taps[0]
  return {
    received(text, ends) {
      for (const tap of taps) tap.received(text, ends)
    },
    sent(text, ends) {
      for (const tap of taps) tap.sent(text, ends)
    },
  }
}

/**
 * This end of what goes over a UDP listener. One that listens on every address is not told which of them a datagram came to: the advertised
 * address stands for it where that is an IP literal, and the loopback's towards the loopback.
 */
export function datagramEnds(listener: Listener, address: string, port: number): Ends {
  return { transport: 'udp', local: ownAddress(listener, address), remote: { address, port } }
}

function ownAddress({ address, port, advertisedHost }: Listener, remoteAddress: string): Address {
  if (!isWildcard(address)) return { address, port }
  if (isLoopback(remoteAddress)) return { address: isIpv6(remoteAddress) ? '::1' : '127.0.0.1', port }
  const advertised = advertisedHost.startsWith('[') ? advertisedHost.slice(1, -1) : advertisedHost
  return { address: isIP(advertised) === (isIpv6(address) ? 6 : 4) ? advertised : address, port }
}
