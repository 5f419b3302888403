import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

export interface Address {
  host: string
  port: number
}

const RECEIVE_BUFFER_BYTES = 8 << 20

/** A UDP socket connected to the router under test: a connected send is the cheapest that Node has. */
export class Endpoint {
  /** `host:port` of this side. */
  readonly sentBy: string
  /** Datagrams the kernel refused, such as after the router's end. */
  refused = 0
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    const { address, port } = socket.address()
    this.sentBy = `${address}:${port}`
    socket.on('error', () => {
      this.refused++
    })
  }

  static async open(router: Address, port: number): Promise<Endpoint> {
    const socket = createSocket({ type: 'udp4' })
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    socket.connect(router.port, router.host)
    await once(socket, 'connect')
    return new Endpoint(socket)
  }

  send(text: string): void {
    this.#socket.send(Buffer.from(text, 'latin1'))
  }

  onMessage(handler: (text: string) => void): void {
    this.#socket.on('message', (octets: Buffer) => handler(octets.toString('latin1')))
  }

  close(): void {
    this.#socket.close()
  }
}
