import { octetsOf, textOf } from '../../gateway/transport/octets.ts'
import type {
  Address,
  Flow,
  Listener,
  Stream,
  StreamEvents,
  TransportFailure,
  TransportName,
} from '../../gateway/transport/types.ts'
import type { MemoryNetwork, MemoryStream } from './memory-network.ts'

export function listener(transport: TransportName, address: string, port: number): Listener {
  const advertisedHost = address.includes(':') ? `[${address}]` : address
  return { transport, address, port, advertisedHost, advertisedPort: port }
}

/** A whole message whose Call-ID is `id`. */
export function message(id: string, body = ''): string {
  return `MESSAGE sip:bob@example.com SIP/2.0\r\nCall-ID: ${id}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** The far end of a connection in a test: what it heard, and whether it was closed. */
export class StreamPeer implements StreamEvents {
  heard = ''
  isOpen = false
  end: { failure: TransportFailure | undefined } | undefined
  stream!: MemoryStream

  static connect(network: MemoryNetwork, from: string, to: Address): StreamPeer {
    const peer = new StreamPeer()
    peer.stream = network.connect(to, from, peer)
    return peer
  }

  /** A listening far end: the peers it accepted, in order. */
  static async listen(network: MemoryNetwork, local: Address): Promise<StreamPeer[]> {
    const peers: StreamPeer[] = []
    await network.listen(local, (stream: Stream) => {
      const peer = new StreamPeer()
      peer.stream = stream as MemoryStream
      peers.push(peer)
      return peer
    })
    return peers
  }

  says(text: string): void {
    this.stream.write(octetsOf(text))
  }

  opened(): void {
    this.isOpen = true
  }

  receive(octets: Uint8Array): void {
    this.heard += textOf(octets)
  }

  closed(failure?: TransportFailure): void {
    this.end = { failure }
  }
}

/** What a transport layer handed up. */
export class Received {
  readonly messages: { text: string; flow: Flow }[] = []
  readonly broken: { text: string; status: number; reason: string }[] = []

  readonly message = (text: string, flow: Flow): void => {
    this.messages.push({ text, flow })
  }

  readonly brokenStream = (text: string, _flow: Flow, status: number, reason: string): void => {
    this.broken.push({ text, status, reason })
  }
}
