import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** A way to a server on this machine on which every answer is later than it was given. */
export interface SlowRelay {
  readonly port: number
  /** Milliseconds that each answer takes longer. */
  delayMs: number
  close(): Promise<void>
}

export async function startSlowRelay(target: number): Promise<SlowRelay> {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (octets) => far.write(octets))
    // Each after the one before, also when the delay has become shorter meanwhile: a stream has an order.
    let before: Promise<unknown> = Promise.resolve()
    far.on('data', (octets) => {
      before = Promise.all([before, setTimeout(relay.delayMs)]).then(() => near.write(octets))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const relay: SlowRelay = {
    port: (server.address() as AddressInfo).port,
    delayMs: 0,
    async close() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return relay
}
