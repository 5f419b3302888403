import { connectTcp, listenTcp } from './node-stream.ts'
import { type TlsIdentity, TlsStreams } from './node-tls.ts'
import { openUdp } from './node-udp.ts'
import { processLoop, Turns } from './turns.ts'
import type { Address, Network } from './types.ts'

export interface NodeNetwork extends Network {
  /** What the system granted each UDP socket, in octets; 8 MiB are asked for, and a stall loses datagrams when it is much less. */
  readonly receiveBuffers: readonly { local: Address; bytes: number }[]
  /** New TLS connections get this identity. Throws, and changes nothing, when it cannot be used, or when there was none before. */
  renewTls(identity: TlsIdentity): void
}

export interface NodeNetworkOptions {
  /** Absent: there is no TLS. */
  tls?: TlsIdentity | undefined
  /** Called for each TLS handshake that did not come about. */
  tlsFailed?(): void
}

/**
 * The operating system's sockets. No error of theirs ends the process: each is told to whom it concerns.
 * @throws when the TLS identity cannot be used
 */
export function createNodeNetwork({ tls, tlsFailed = () => {} }: NodeNetworkOptions = {}): NodeNetwork {
  const receiveBuffers: { local: Address; bytes: number }[] = []
  const turns = new Turns(processLoop)
  const secure = tls && new TlsStreams(tls, tlsFailed)
  const tlsStreams = (): TlsStreams => {
    if (!secure) throw new Error('there is no certificate for TLS')
    return secure
  }
  return {
    receiveBuffers,
    async udp(local, events) {
      const socket = await openUdp(local, events, turns)
      receiveBuffers.push({ local: socket.local, bytes: socket.receiveBufferBytes })
      return socket
    },
    renewTls: (identity) => tlsStreams().renew(identity),
    listen: async (local, accept, isSecure) =>
      isSecure ? tlsStreams().listen(local, accept) : listenTcp(local, accept),
    connect: (remote, localAddress, events, name) =>
      name === undefined
        ? connectTcp(remote, localAddress, events)
        : tlsStreams().connect(remote, localAddress, name, events),
  }
}
