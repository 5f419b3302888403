/** A TCP connection to an event socket, as far as it is used. */
export interface Wire {
  write(text: string): void
  /** Nothing is received until `resume`: the system's buffers fill up, and FreeSWITCH keeps the rest. */
  pause(): void
  resume(): void
  /** Sends what is written, then closes. */
  end(): void
  /** At once; nothing is heard of it any more. */
  destroy(): void
}

export interface WireEvents {
  received(octets: Uint8Array): void
  /** The last event, unless it was destroyed. @param why for people */
  closed(why: string): void
}

/** Opens a connection; a name is looked up anew for each. */
export type Connect = (host: string, port: number, events: WireEvents) => Wire
