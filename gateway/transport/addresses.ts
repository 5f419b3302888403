import { isIPv6, SocketAddress } from 'node:net'
import type { Address, Destination, Listener, TransportName } from './types.ts'

const BROADCAST = '255.255.255.255'

/** Whether a message may be sent there at all: a port that exists and an address of one host. */
export function isSendable(address: string, port: number): boolean {
  return Number.isInteger(port) && port > 0 && port <= 65_535 && address !== BROADCAST && !isUnspecified(address)
}

/** 0.0.0.0 or ::, however it is spelled, or nothing at all. */
function isUnspecified(address: string): boolean {
  for (let at = 0; at < address.length; at++) {
    const character = address[at]
    if (character !== '0' && character !== ':' && character !== '.') return false
  }
  return true
}

export function isIpv6(address: string): boolean {
  return address.includes(':')
}

/** The one spelling of an IPv6 literal (RFC 5952), so that equal addresses are equal text; others come back as they are. */
export function canonicalAddress(address: string): string {
  if (!isIpv6(address) || !isIPv6(address)) return address
  return new SocketAddress({ address, family: 'ipv6' }).address
}

/** Text that names one remote end, for use as a key. */
export function endOf(address: string, port: number): string {
  return `${address}|${port}`
}

export function sameAddress(one: Address, other: Address): boolean {
  return one.port === other.port && one.address === other.address
}

export function isWebSocket(transport: TransportName): boolean {
  return transport === 'ws' || transport === 'wss'
}

/** What goes over it is encrypted. */
export function isEncrypted(transport: TransportName): boolean {
  return transport === 'tls' || transport === 'wss'
}

/** Listens on every address of its family. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/**
 * The listener to send from: of the same transport and family, and on the loopback exactly when the destination is;
 * when none fits that well, the first of that transport and family.
 */
export function chooseListener(listeners: readonly Listener[], destination: Destination): Listener | undefined {
  let first: Listener | undefined
  const wantsLoopback = isLoopback(destination.remoteAddress)
  for (const listener of listeners) {
    if (listener.transport !== destination.transport) continue
    if (isIpv6(listener.address) !== isIpv6(destination.remoteAddress)) continue
    if (isWildcard(listener.address) || isLoopback(listener.address) === wantsLoopback) return listener
    first ??= listener
  }
  return first
}

/** An address of this machine that no other one reaches. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
