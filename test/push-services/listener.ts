import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What the stand-ins for HTTP/1.1 services have in common: a listener on loopback, and trouble by script. */

const TLS = new URL('../support/tls/', import.meta.url)
/** The certificate of the TLS listeners, for 127.0.0.1. It signs itself: pass it as `ca`. */
export const CA = readFileSync(new URL('cert.pem', TLS), 'utf8')
export const TLS_FILES = { cert: CA, key: readFileSync(new URL('key.pem', TLS), 'utf8') }

/** Milliseconds since the epoch. */
export type Now = () => number

export interface Asked {
  method: string
  /** with its query */
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
}

export interface Answer {
  status: number
  headers?: Record<string, string>
  body?: string
}

/** `hang`: the service never answers. `reset`: it drops the connection. */
export type Silence = 'hang' | 'reset'

export interface Listening {
  /** `http(s)://127.0.0.1:port`, no slash at the end */
  url: string
  close(): Promise<void>
}

/** @param answer decides about one whole request; what it throws is a bug, and the client sees the connection reset */
export async function listen(
  answer: (asked: Asked) => Answer | Silence,
  { tls = false }: { tls?: boolean } = {},
): Promise<Listening> {
  const serve: RequestListener = async (request, response) => {
    try {
      const body = await buffer(request)
      const { method = '', url: path = '', headers } = request
      const decided = answer({ method, path, headers, body })
      if (decided === 'hang') return
      if (decided === 'reset') return void request.socket.destroy()
      response.writeHead(decided.status, decided.headers).end(decided.body)
    } catch (error) {
      console.error(error)
      request.socket.destroy()
    }
  }
  const server = tls ? createTlsServer(TLS_FILES, serve) : createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
