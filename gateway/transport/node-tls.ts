import { isIP } from 'node:net'
import {
  checkServerIdentity,
  createSecureContext,
  createServer,
  connect as openSecure,
  type PeerCertificate,
  rootCertificates,
  type SecureContextOptions,
  type Server,
} from 'node:tls'
import { acceptSocket, HANDSHAKE_MS, listening, MAX_SOCKETS, SocketStream, STREAM_OPTIONS } from './node-stream.ts'
import type { Address, Stream, StreamEvents, StreamServer } from './types.ts'

/** What a gateway shows of itself over TLS, and whom it trusts; all as PEM. */
export interface TlsIdentity {
  /** Its certificate, then those that lead to a root. */
  cert: string
  key: string
  /** Roots besides those that come with Node. */
  ca?: string | undefined
}

/** The TLS listeners and connections of one process, with one identity, which may be renewed while they live. */
export class TlsStreams {
  readonly #servers = new Set<Server>()
  readonly #failed: () => void
  #options: SecureContextOptions

  /**
   * @param failed called for each handshake that did not come about
   * @throws when certificate and key cannot be used together
   */
  constructor(identity: TlsIdentity, failed: () => void) {
    this.#options = contextOf(identity)
    this.#failed = failed
  }

  /** From now on new connections get this one. Throws, and changes nothing, when it cannot be used. */
  renew(identity: TlsIdentity): void {
    this.#options = contextOf(identity)
    for (const server of this.#servers) server.setSecureContext(this.#options)
  }

  /** For other servers with the same identity. */
  get context(): SecureContextOptions {
    return this.#options
  }

  /** Rejects with the system's error when it cannot listen. */
  async listen(local: Address, accept: (stream: Stream) => StreamEvents): Promise<StreamServer> {
    const server = createServer({ ...STREAM_OPTIONS, ...this.#options, handshakeTimeout: HANDSHAKE_MS })
    server.maxConnections = MAX_SOCKETS
    server.on('secureConnection', (socket) => acceptSocket(socket, accept))
    server.on('tlsClientError', () => this.#failed())
    await listening(server, local)
    server.on('error', () => {})
    this.#servers.add(server)
    const { address, port } = server.address() as { address: string; port: number }
    const close = () => {
      this.#servers.delete(server)
      server.close()
    }
    return { local: { address, port }, close }
  }

  /**
   * Opens a connection to a peer whose certificate has to have `name`, a domain or an IP literal (RFC 5922 7.2).
   * @param localAddress '' for any
   */
  connect({ address: host, port }: Address, localAddress: string, name: string, events: StreamEvents): Stream {
    const socket = openSecure({
      ...STREAM_OPTIONS,
      ...this.#options,
      ...{ host, port, localAddress: localAddress || undefined },
      // An IP literal is never sent as a server name (RFC 6066 3); it is compared with the certificate all the same.
      servername: isIP(name) === 0 ? name : '',
      checkServerIdentity: (_host, certificate) =>
        isSipDomain(name, certificate) ? undefined : checkServerIdentity(name, certificate),
    })
    const stream = new SocketStream(socket, { address: host, port })
    socket.once('secureConnect', () => events.opened())
    socket.once('error', () => {
      if (!socket.authorized) this.#failed()
    })
    stream.attach(events)
    return stream
  }
}

/** Certificates of SIP servers may name their domains as URIs, `sip:example.com` (RFC 5922 7.1). */
function isSipDomain(name: string, { subjectaltname = '' }: PeerCertificate): boolean {
  return subjectaltname.toLowerCase().split(', ').includes(`uri:sip:${name.toLowerCase()}`)
}

/** @throws when certificate and key cannot be used together */
function contextOf({ cert, key, ca }: TlsIdentity): SecureContextOptions {
  const options: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2' }
  if (ca !== undefined) options.ca = [...rootCertificates, ca]
  createSecureContext(options)
  return options
}
