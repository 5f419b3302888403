import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

export interface Address {
  host: string
  port: number
}

const RECEIVE_BUFFER_BYTES = 8 << 20

/** A UDP socket, mostly connected to the router under test: a connected send is the cheapest that Node has. */
export class Endpoint {
  /** `host:port` of this side. */
  readonly sentBy: string
  /** Datagrams the kernel refused, such as after the router's end. */
  refused = 0
  readonly #socket: Socket
  /** Where it sends to when it is not connected. */
  readonly #router: Address | undefined

  private constructor(socket: Socket, router?: Address) {
    this.#socket = socket
    this.#router = router
    const { address, port } = socket.address()
    this.sentBy = `${address}:${port}`
    socket.on('error', () => {
      this.refused++
    })
  }

  static async open(router: Address, port: number): Promise<Endpoint> {
    const socket = await bound(port)
    socket.connect(router.port, router.host)
    await once(socket, 'connect')
    return new Endpoint(socket)
  }

  /** Hears everybody, and sends to the router what it does not send to somebody else. */
  static async openToAll(router: Address, port: number): Promise<Endpoint> {
    return new Endpoint(await bound(port), router)
  }

  send(text: string, to = this.#router): void {
    const octets = Buffer.from(text, 'latin1')
    if (this.#router && to) this.#socket.send(octets, to.port, to.host)
    else this.#socket.send(octets)
  }

  onMessage(handler: (text: string, from: Address) => void): void {
    this.#socket.on('message', (octets: Buffer, { address: host, port }) => {
      handler(octets.toString('latin1'), { host, port })
    })
  }

  close(): void {
    this.#socket.close()
  }
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4' })
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
  return socket
}
