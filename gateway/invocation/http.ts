import type { Pool } from 'undici'
import type { Clock, IdSource } from '../../functions/contract/clock.ts'
import type { Invocation, Manifest } from '../../functions/contract/envelope.ts'
import type { Result } from '../../functions/contract/problem.ts'
import {
  type FunctionHost,
  type HostReply,
  type InvokeOptions,
  MANIFEST_PATH,
  MANIFEST_TIMEOUT_MS,
  MAX_RESPONSE_BYTES,
} from './host.ts'
import { type CheckAnswer, Exchange, type ExchangeHost, type ResponseBounds } from './invoker-exchange.ts'
import { manifestOfReply } from './invoker-manifest.ts'
import { PendingReply } from './invoker-pending.ts'
import { Connections } from './invoker-pool.ts'
import { unreachable, unsigned } from './invoker-reply.ts'
import { createSignatures, type Signatures } from './invoker-sign.ts'

export interface HttpHostOptions {
  /** http or https; its path is put before every routing key, its query is kept. */
  url: string
  clock: Clock
  ids: IdSource
  /** `whsec_…`, two separated by a space while rotating; absent: nothing is signed. */
  secret?: string | undefined
  /** Takes answers without a signature all the same; one that is there has to be right. Default false. */
  unsignedAnswers?: boolean
  /** Octets of a response body; default 1 MiB. */
  maxResponseBytes?: number
  /** Octets of a response's headers; default 16 KiB. */
  maxHeaderBytes?: number
  /** Header fields of a response; default 100. */
  maxHeaders?: number
  /** Interim responses (1xx) before a response; default 8. */
  maxInterim?: number
  /** Connections at most; default 256, from 1. Over HTTP/1.1 as many invocations run at once, over HTTP/2 a hundred times as many. */
  connections?: number
  /** Invocations that may wait for a connection; default 4096. Beyond it they fail at once. */
  maxWaiting?: number
  /** Milliseconds a connection may take to open; default 2000. */
  connectTimeoutMs?: number
  /** Milliseconds an idle connection is kept; default 30,000. */
  keepAliveMs?: number
}

/** Functions behind a URL. Redirects are not followed. */
export function createHttpHost(options: HttpHostOptions): FunctionHost {
  return new HttpHost(options)
}

class HttpHost implements FunctionHost, ExchangeHost {
  readonly bounds: ResponseBounds
  heard = 0
  readonly #clock: Clock
  readonly #ids: IdSource
  readonly #connections: Connections
  readonly #maxWaiting: number
  readonly #base: string
  readonly #query: string
  readonly #signatures: Signatures | undefined
  readonly #unsignedAnswers: boolean
  #waiting = 0

  constructor(options: HttpHostOptions) {
    const url = new URL(options.url)
    const { clock, ids, secret, unsignedAnswers, maxWaiting, ...bounds } = { ...DEFAULTS, ...options }
    this.bounds = {
      bodyBytes: bounds.maxResponseBytes,
      headerBytes: bounds.maxHeaderBytes,
      headers: bounds.maxHeaders,
      interim: bounds.maxInterim,
    }
    this.#clock = clock
    this.#ids = ids
    this.#connections = new Connections(url.origin, poolOptions(bounds), bounds.connectTimeoutMs)
    this.#maxWaiting = maxWaiting
    this.#base = url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname
    this.#query = url.search
    this.#signatures = secret ? createSignatures(secret) : undefined
    this.#unsignedAnswers = unsignedAnswers
  }

  async manifest(): Promise<Result<Manifest>> {
    const options = { signal: undefined, timeoutMs: MANIFEST_TIMEOUT_MS }
    const id = this.#ids.next('manifest')
    const headers = ['accept', 'application/json', 'webhook-id', id]
    this.#sign(headers, id, EMPTY)
    return manifestOfReply(await this.#exchange('GET', MANIFEST_PATH, headers, null, this.#check(id), options))
  }

  invoke(path: string, invocation: Invocation, options: InvokeOptions): Promise<HostReply> {
    const body = Buffer.from(JSON.stringify(invocation))
    const { id, traceparent } = invocation
    const headers = ['content-type', 'application/cloudevents+json', 'accept', 'application/json', 'webhook-id', id]
    if (traceparent) headers.push('traceparent', traceparent)
    this.#sign(headers, id, body)
    return this.#exchange('POST', path, headers, body, this.#check(id), options)
  }

  close(): Promise<void> {
    return this.#connections.destroy()
  }

  started(): void {
    this.#waiting--
  }

  silent(): void {
    this.#connections.renew()
  }

  #exchange(
    method: 'GET' | 'POST',
    path: string,
    headers: string[],
    body: Buffer | null,
    check: CheckAnswer | undefined,
    options: InvokeOptions,
  ) {
    const pending = new PendingReply()
    pending.watch(this.#clock, options)
    if (this.#waiting >= this.#maxWaiting) pending.settle(OVERLOADED)
    if (pending.settled) return pending.promise
    this.#waiting++
    const exchange = new Exchange(pending, this, check)
    this.#connections.pool.dispatch({ method, path: this.#base + path + this.#query, headers, body }, exchange)
    return pending.promise
  }

  /** Adds to a flat list of names and values: what undici takes without another copy. */
  #sign(headers: string[], id: string, body: Buffer): void {
    if (!this.#signatures) return
    const timestamp = Math.floor(this.#clock.now() / 1000)
    const signature = this.#signatures.sign(id, timestamp, body)
    headers.push('webhook-timestamp', String(timestamp), 'webhook-signature', signature)
  }

  /** What decides about a call has to be signed, with the id of what it answers: no other answer can be put in its place. */
  #check(id: string): CheckAnswer | undefined {
    const signatures = this.#signatures
    if (!signatures) return undefined
    return (header, body) => {
      const signature = header('webhook-signature')
      if (signature === '') return this.#unsignedAnswers ? undefined : NOT_SIGNED
      const received = { id: header('webhook-id'), timestamp: header('webhook-timestamp'), signature }
      return received.id === id && signatures.isGenuine(received, body, this.#clock.now()) ? undefined : NOT_GENUINE
    }
  }
}

const EMPTY = Buffer.alloc(0)

const DEFAULTS = {
  unsignedAnswers: false,
  maxResponseBytes: MAX_RESPONSE_BYTES,
  maxHeaderBytes: 16_384,
  maxHeaders: 100,
  maxInterim: 8,
  connections: 256,
  maxWaiting: 4096,
  connectTimeoutMs: 2000,
  keepAliveMs: 30_000,
}

const OVERLOADED: HostReply = { ...unreachable('too many invocations wait for a connection to the function') }
const NOT_SIGNED = unsigned(
  'the answer is not signed: sign it with WEBHOOK_SECRET as functions/contract/README.md says, or see FUNCTIONS_UNSIGNED',
)
const NOT_GENUINE = unsigned(
  'the signature of the answer is not right: check WEBHOOK_SECRET and the clock on both sides, and that webhook-id is that of the invocation',
)

/** No time-outs of undici's own: the deadline of each exchange covers headers and body. */
function poolOptions(options: Omit<typeof DEFAULTS, 'unsignedAnswers' | 'maxWaiting'>): Pool.Options {
  return {
    connections: options.connections,
    maxHeaderSize: options.maxHeaderBytes,
    keepAliveTimeout: options.keepAliveMs,
    keepAliveMaxTimeout: options.keepAliveMs,
    headersTimeout: 0,
    bodyTimeout: 0,
  }
}
