/** A way to send datagrams to one program, and to get its answers: from nobody else. Texts are octets as latin1. */
export interface Link {
  send(datagram: string): void
  /** IP address of the other side, once it is known. */
  readonly address: string | undefined
  close(): void
}

export interface LinkEvents {
  receive(datagram: string): void
  /** The other side cannot be reached just now: its name is not found, or nobody listens there. */
  failed(why: string): void
}

export type OpenLink = (host: string, port: number, events: LinkEvents) => Link

/** A socket for what others send unasked. */
export interface Ear {
  /** As bound: port 0 has become a real one. */
  readonly port: number
  close(): void
}

/** Rejects when it cannot listen there. */
export type OpenEar = (host: string, port: number, receive: (datagram: string, from: string) => void) => Promise<Ear>
