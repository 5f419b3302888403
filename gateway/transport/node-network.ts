import { connectTcp, listenTcp } from './node-stream.ts'
import { type TlsIdentity, TlsStreams } from './node-tls.ts'
import { openUdp } from './node-udp.ts'
import { type WebSocketOptions, WebSocketStreams } from './node-websocket.ts'
import { processLoop, Turns } from './turns.ts'
import type { Address, Network } from './types.ts'

export interface NodeNetwork extends Network {
  /** What the system granted each UDP socket, in octets; 8 MiB are asked for, and a stall loses datagrams when it is much less. */
  readonly receiveBuffers: readonly { local: Address; bytes: number }[]
  /** New TLS connections get this identity. Throws, and changes nothing, when it cannot be used, or when there was none before. */
  renewTls(identity: TlsIdentity): void
}

export interface NodeNetworkOptions {
  /** Absent: there is neither TLS nor `wss`. */
  tls?: TlsIdentity | undefined
  /** Called for each TLS handshake that did not come about. */
  tlsFailed?(): void
  /** Absent: there is neither `ws` nor `wss`. */
  webSocket?: WebSocketOptions
}

/**
 * The operating system's sockets. No error of theirs ends the process: each is told to whom it concerns.
 * @throws when the TLS identity cannot be used
 */
export function createNodeNetwork({ tls, tlsFailed = () => {}, webSocket }: NodeNetworkOptions = {}): NodeNetwork {
  const receiveBuffers: { local: Address; bytes: number }[] = []
  const turns = new Turns(processLoop)
  const secure = tls && new TlsStreams(tls, tlsFailed)
  const webSockets = webSocket && new WebSocketStreams(webSocket, tlsFailed)
  return {
    receiveBuffers,
    async udp(local, events) {
      const socket = await openUdp(local, events, turns)
      receiveBuffers.push({ local: socket.local, bytes: socket.receiveBufferBytes })
      return socket
    },
    renewTls(identity) {
      const streams = there(secure)
      streams.renew(identity)
      webSockets?.renew(streams.context)
    },
    async listen(local, accept, transport = 'tcp') {
      if (transport === 'tcp') return listenTcp(local, accept)
      if (transport === 'tls') return there(secure).listen(local, accept)
      return there(webSockets).listen(local, accept, transport === 'wss' ? there(secure).context : undefined)
    },
    connect: (remote, localAddress, events, name) =>
      name === undefined
        ? connectTcp(remote, localAddress, events)
        : there(secure).connect(remote, localAddress, name, events),
  }
}

/** A listener was asked for without what it needs: settings are read such that this is a bug. */
function there<Streams>(streams: Streams | undefined): Streams {
  if (streams === undefined) throw new Error('this transport was not set up')
  return streams
}
