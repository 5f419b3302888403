import type { FramingLimits } from './framing.ts'

/** Bounds and times of the transport layer. */
export interface TransportOptions extends FramingLimits {
  /** Octets of headers of one message on a stream, 513 above it; default 64 KiB. */
  maxHeaderBytes: number
  /** Octets of a body on a stream, 513 above it; default 1 MiB. */
  maxBodyBytes: number
  /** Octets written to one connection that its peer has not taken; the connection is dropped above it; default 1 MiB. */
  maxQueuedBytes: number
  /** Connections of all stream listeners; the one unused for longest makes room; default 20,000. */
  maxConnections: number
  /** A connection is closed after this many milliseconds without a message or keep-alive; default 10 minutes. */
  idleMs: number
  /** Milliseconds from the first octet of a message on a stream to its last; default 30,000. */
  messageMs: number
  /** Milliseconds a connection may take to open; default 4,000. */
  connectMs: number
  /** Milliseconds a connection we have ended waits for its peer to do the same; default 5,000. */
  lingerMs: number
}

export const defaultTransportOptions: TransportOptions = {
  maxHeaderBytes: 64 * 1024,
  maxBodyBytes: 1024 * 1024,
  maxQueuedBytes: 1024 * 1024,
  maxConnections: 20_000,
  idleMs: 600_000,
  messageMs: 30_000,
  connectMs: 4_000,
  lingerMs: 5_000,
}

/** What the layer counts: one name per thing that happened, no addresses. `tcp` is every stream, those over TLS too. */
export type TransportCounter =
  | 'udp.received'
  | 'udp.sent'
  | 'tcp.received'
  | 'tcp.sent'
  | 'keep-alive'
  | 'send.failed'
  | 'tcp.accepted'
  | 'tcp.connected'
  | 'tcp.closed'
  | 'tcp.broken'
  | 'tcp.idle'
  | 'tcp.slow'
  | 'tcp.evicted'
  | 'tcp.queue full'
  | 'tls.failed'

export type CountTransport = (name: TransportCounter) => void
