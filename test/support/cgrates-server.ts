import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { CgratesStandIn } from './cgrates.ts'

/** The stand-in on real sockets: JSON objects one after the other over TCP, as Go's encoder writes them, and over HTTP. */
export class CgratesServer {
  readonly #standIn: CgratesStandIn
  readonly #sockets = new Set<Socket>()
  readonly #tcp = createServer((socket) => this.#accept(socket))
  readonly #http = createHttpServer(async (request, response) => {
    const message = JSON.parse(await text(request)) as Record<string, unknown>
    const isAllowed = request.method === 'POST' && request.url === '/jsonrpc'
    if (!isAllowed) return void response.writeHead(404).end()
    this.#standIn.answer(message, (answer) => {
      response.end(`${JSON.stringify({ id: message.id, result: null, error: null, ...answer })}\n`)
    })
  })

  private constructor(standIn: CgratesStandIn) {
    this.#standIn = standIn
  }

  static async start(standIn: CgratesStandIn, { tcp, http }: { tcp?: number; http?: number }): Promise<CgratesServer> {
    const server = new CgratesServer(standIn)
    if (tcp !== undefined) await once(server.#tcp.listen(tcp, '127.0.0.1'), 'listening')
    if (http !== undefined) await once(server.#http.listen(http, '127.0.0.1'), 'listening')
    return server
  }

  /** As a crash would: nobody hears a word. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#http.closeAllConnections()
    const closed = [this.#tcp, this.#http].map((server) => new Promise((resolve) => server.close(resolve)))
    await Promise.all(closed)
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const line = this.#standIn.line({
      opened() {},
      // In two pieces, so that they may arrive as two.
      received: (octets) => {
        socket.write(octets.subarray(0, octets.length >> 1))
        setImmediate(
          () => socket.writable && socket.write(Buffer.concat([octets.subarray(octets.length >> 1), NEWLINE])),
        )
      },
      closed: () => void socket.destroy(),
    })
    let buffered = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      buffered += chunk
      for (let message = firstObject(buffered); message; message = firstObject(buffered)) {
        buffered = buffered.slice(message.length)
        this.#standIn.take(line, JSON.parse(message))
      }
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#standIn.closes(line)
    })
  }
}

const NEWLINE = Buffer.from('\n')

/** The shortest beginning that is JSON. */
function firstObject(buffered: string): string | undefined {
  for (let end = buffered.indexOf('}'); end >= 0; end = buffered.indexOf('}', end + 1)) {
    const text = buffered.slice(0, end + 1)
    try {
      JSON.parse(text)
      return text
    } catch {
      // Not yet complete.
    }
  }
  return undefined
}
