import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Clock } from '../../functions/contract/clock.ts'

export interface ServeOptions {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Where the address comes from, for the sentence when it cannot be had; default `HTTP_LISTEN`. */
  setting?: string
  clock: Clock
}

export interface ApiServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  /** Takes no new requests, lets running ones end for `deadlineMs` (default 2000), then closes every connection. */
  close(deadlineMs?: number): Promise<void>
}

/** Milliseconds a client may take for its headers, and for its whole request. */
const TIMEOUTS = { headersTimeout: 10_000, requestTimeout: 20_000, keepAliveTimeout: 5000 }

/** Serves an app over HTTP. Rejects with a sentence when the address cannot be had. */
export async function serveApi(
  app: { fetch(request: Request): Response | Promise<Response> },
  options: ServeOptions,
): Promise<ApiServer> {
  const server = createAdaptorServer({ fetch: app.fetch, serverOptions: TIMEOUTS }) as Server
  await listening(server, options)
  const { address, port, family } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: (deadlineMs = 2000) => closing(server, options.clock, deadlineMs),
  }
}

function listening(server: Server, { host, port, setting = 'HTTP_LISTEN' }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new Error(
          `${setting}: cannot listen on ${host}:${port} (${error.code ?? error.message}); choose another address or port`,
        ),
      )
    })
    server.listen(port, host, resolve)
  })
}

/** `close` alone would wait for as long as clients keep their connections. */
function closing(server: Server, clock: Clock, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const deadline = clock.after(deadlineMs, () => server.closeAllConnections())
    server.close(() => {
      deadline.cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}
