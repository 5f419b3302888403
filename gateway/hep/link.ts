/** One way to the collector: a connection, or a socket that sends to it. */
export interface Link {
  /** Octets taken and not passed on yet. */
  readonly queued: number
  write(packets: readonly Buffer[]): void
  /** Passes on what it has taken, then closes. */
  end(): void
  destroy(): void
}

export interface LinkEvents {
  opened(): void
  /** Nothing is queued any more. */
  drained(): void
  /** Something did not get there, and the link goes on: ICMP. */
  failed(reason: string): void
  /** The last event. */
  closed(reason: string): void
}

/** Returns before the first event. */
export type OpenLink = (events: LinkEvents) => Link
