import { connectTcp, listenTcp } from './node-stream.ts'
import { openUdp } from './node-udp.ts'
import { processLoop, Turns } from './turns.ts'
import type { Address, Network } from './types.ts'

export interface NodeNetwork extends Network {
  /** What the system granted each UDP socket, in octets; 8 MiB are asked for, and a stall loses datagrams when it is much less. */
  readonly receiveBuffers: readonly { local: Address; bytes: number }[]
}

/** The operating system's sockets. No error of theirs ends the process: each is told to whom it concerns. */
export function createNodeNetwork(): NodeNetwork {
  const receiveBuffers: { local: Address; bytes: number }[] = []
  const turns = new Turns(processLoop)
  return {
    receiveBuffers,
    async udp(local, events) {
      const socket = await openUdp(local, events, turns)
      receiveBuffers.push({ local: socket.local, bytes: socket.receiveBufferBytes })
      return socket
    },
    listen: listenTcp,
    connect: connectTcp,
  }
}
