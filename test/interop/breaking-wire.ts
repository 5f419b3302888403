import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A way over TCP to a server on which every connection can be broken, as when a phone changes from one network to another. */
export class BreakingWire {
  readonly #server: Server
  readonly #open = new Set<Socket>()

  private constructor(to: { address: string; port: number }) {
    this.#server = createServer((near) => {
      const far = connect(to.port, to.address)
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(socket)
        socket.on('data', (octets) => other.write(octets))
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#open.delete(socket)
          other.destroy()
        })
      }
    })
  }

  static async open(
    at: { address: string; port: number },
    to: { address: string; port: number },
  ): Promise<BreakingWire> {
    const wire = new BreakingWire(to)
    wire.#server.listen(at.port, at.address)
    await once(wire.#server, 'listening')
    return wire
  }

  /** Every connection is reset; new ones are made as before. */
  breaks(): void {
    for (const socket of this.#open) socket.resetAndDestroy()
  }

  async stop(): Promise<void> {
    this.breaks()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
