import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Result } from '../contract/problem.ts'
import type { Asked, Reply } from '../sdk/http.ts'
import { MAX_INVOCATION_BYTES } from '../sdk/read-text.ts'

/** What is served. */
export interface App {
  fetch(request: Request, env?: unknown): Response | Promise<Response>
  /** See `SipRouter.answer`. */
  answer?(asked: Asked, env?: unknown): Promise<Reply> | undefined
}

const HOST = /^[\w.:[\]-]+$/
const BYTE_ORDER_MARK = 0xfeff

/** Serves an app on Node: invocations as `node:http` has read them, the rest by the objects of `fetch`, which cost more than all of an invocation. */
export function listenerOf(app: App, env: unknown): RequestListener {
  const rest = getRequestListener((request) => app.fetch(request, env))
  return (incoming, outgoing) => {
    const replying = isPlain(incoming) ? app.answer?.(new NodeAsked(incoming, outgoing), env) : undefined
    if (replying) void send(replying, incoming, outgoing)
    else void rest(incoming, outgoing)
  }
}

/** There is nothing about it that needs care. */
function isPlain({ method, url, headers }: IncomingMessage): boolean {
  const length = headers['content-length'] ?? ''
  const isBounded = /^\d{1,9}$/.test(length) && Number(length) <= MAX_INVOCATION_BYTES
  return method === 'POST' && isBounded && url!.startsWith('/') && HOST.test(headers.host ?? '')
}

class NodeAsked implements Asked {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  #aborts: AbortController | undefined

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming
    this.#outgoing = outgoing
  }

  get method(): string {
    return this.#incoming.method!
  }

  get url(): string {
    return `http://${this.#incoming.headers.host}${this.#incoming.url}`
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  text(): Promise<Result<string>> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      this.#incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      this.#incoming.on('end', () => resolve({ ok: true, value: textOf(chunks) }))
      this.#incoming.on('error', reject)
    })
  }

  get signal(): AbortSignal {
    if (!this.#aborts) {
      const aborts = new AbortController()
      this.#aborts = aborts
      this.#outgoing.on('close', () => this.#outgoing.writableFinished || aborts.abort())
    }
    return this.#aborts.signal
  }
}

/** As `Request.text` reads it. */
function textOf(chunks: readonly Buffer[]): string {
  const text = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString()
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text
}

async function send(replying: Promise<Reply>, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const { status, headers, body } = await replying
    const length = body === null ? undefined : { 'content-length': Buffer.byteLength(body) }
    outgoing.writeHead(status, { ...headers, ...length }).end(body ?? undefined)
  } catch (error) {
    // Who asked has gone.
    if (incoming.destroyed && !incoming.complete) return
    console.error(error)
    if (!outgoing.headersSent) outgoing.writeHead(500)
    outgoing.end()
  }
}
