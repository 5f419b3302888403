import { Pool } from 'undici'
import type { Clock } from '../../functions/contract/clock.ts'
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
import { Exchange } from './invoker-exchange.ts'
import { manifestOfReply } from './invoker-manifest.ts'
import { PendingReply } from './invoker-pending.ts'
import { unreachable } from './invoker-reply.ts'
import { createSign, type Sign } from './invoker-sign.ts'

export interface HttpHostOptions {
  /** http or https; its path is put before every routing key, its query is kept. */
  url: string
  clock: Clock
  /** `whsec_…`, two separated by a space while rotating; absent: invocations are not signed. */
  secret?: string | undefined
  /** Octets of a response body; default 1 MiB. */
  maxResponseBytes?: number
  /** Octets of a response's headers; default 16 KiB. */
  maxHeaderBytes?: number
  /** Connections at most, so invocations running at once; default 256, from 1. Further ones wait within their budget. */
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

class HttpHost implements FunctionHost {
  readonly #options: Required<Omit<HttpHostOptions, 'secret'>>
  readonly #pool: Pool
  readonly #base: string
  readonly #query: string
  readonly #sign: Sign | undefined
  #waiting = 0
  readonly #started = (): void => {
    this.#waiting--
  }

  constructor(options: HttpHostOptions) {
    const { secret, ...rest } = options
    const url = new URL(options.url)
    this.#options = { ...DEFAULTS, ...rest }
    this.#pool = new Pool(url.origin, poolOptions(this.#options))
    this.#base = url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname
    this.#query = url.search
    this.#sign = secret ? createSign(secret) : undefined
  }

  async manifest(): Promise<Result<Manifest>> {
    const options = { signal: undefined, timeoutMs: MANIFEST_TIMEOUT_MS }
    return manifestOfReply(await this.#exchange('GET', MANIFEST_PATH, ['accept', 'application/json'], null, options))
  }

  invoke(path: string, invocation: Invocation, options: InvokeOptions): Promise<HostReply> {
    const body = Buffer.from(JSON.stringify(invocation))
    return this.#exchange('POST', path, this.#headers(invocation, body), body, options)
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  #exchange(method: 'GET' | 'POST', path: string, headers: string[], body: Buffer | null, options: InvokeOptions) {
    const pending = new PendingReply()
    pending.watch(this.#options.clock, options)
    if (this.#waiting >= this.#options.maxWaiting) pending.settle(OVERLOADED)
    if (pending.settled) return pending.promise
    this.#waiting++
    const exchange = new Exchange(pending, this.#options.maxResponseBytes, this.#started)
    this.#pool.dispatch({ method, path: this.#base + path + this.#query, headers, body }, exchange)
    return pending.promise
  }

  /** A flat list of names and values: what undici takes without another copy. */
  #headers(invocation: Invocation, body: Buffer): string[] {
    const headers = [
      'content-type',
      'application/cloudevents+json',
      'accept',
      'application/json',
      'webhook-id',
      invocation.id,
    ]
    if (invocation.traceparent) headers.push('traceparent', invocation.traceparent)
    if (!this.#sign) return headers
    const timestamp = Math.floor(this.#options.clock.now() / 1000)
    headers.push(
      'webhook-timestamp',
      String(timestamp),
      'webhook-signature',
      this.#sign(invocation.id, timestamp, body),
    )
    return headers
  }
}

const DEFAULTS = {
  maxResponseBytes: MAX_RESPONSE_BYTES,
  maxHeaderBytes: 16_384,
  connections: 256,
  maxWaiting: 4096,
  connectTimeoutMs: 2000,
  keepAliveMs: 30_000,
}

const OVERLOADED: HostReply = { ...unreachable('too many invocations wait for a connection to the function') }

/** No time-outs of undici's own: the deadline of each exchange covers headers and body. HTTP/1.1 only: one exchange per connection. */
function poolOptions(options: Required<Omit<HttpHostOptions, 'secret'>>): Pool.Options {
  return {
    connections: options.connections,
    connectTimeout: options.connectTimeoutMs,
    maxHeaderSize: options.maxHeaderBytes,
    keepAliveTimeout: options.keepAliveMs,
    keepAliveMaxTimeout: options.keepAliveMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
  }
}
