import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { Manifest } from '../../functions/contract/envelope.ts'
import type { Problem, Result } from '../../functions/contract/problem.ts'
import { validateManifest } from '../../functions/contract/validate.ts'
import type { Log } from '../observe/log.ts'
import type { FunctionHost, HostReply } from './host.ts'

/** What the gateway knows of the function. Until a manifest was read, everything is taken to have a route. */
export interface ManifestCache {
  /** Reads the manifest, again and again; resolves after the first try, whatever came of it. */
  start(): Promise<void>
  stop(): void
  /** Whether some route serves this SIP method (`INVITE`). */
  routes(method: string): boolean
  /** Whether the function serves `/on/<name>`; `undefined` when its manifest is not known. */
  hasHandler(name: string): boolean | undefined
  /** The function wants to hear of `transaction.cancelled`. */
  readonly wantsCancelled: boolean
  /** The last manifest read, for people who look. */
  readonly current: Manifest | undefined
}

export interface ManifestOptions {
  host: Pick<FunctionHost, 'manifest'>
  clock: Clock
  /** Milliseconds between two reads once a manifest is known; default 30,000. */
  refreshMs?: number
  /** Milliseconds between two tries until one is known; default 1000, doubled after each failure up to `refreshMs`. */
  firstRetryMs?: number
  count(series: string): void
  log: Log
}

const NONE: Problem = { code: 'not_found', detail: 'the function has no manifest at /.well-known/rouse' }

export function createManifest(options: ManifestOptions): ManifestCache {
  return new Cache(options)
}

/** A manifest out of the reply to `GET /.well-known/rouse`. A function without one answers 404: problem `not_found`. */
export function manifestOfReply(reply: HostReply): Result<Manifest> {
  if (reply.kind === 'problem') return { ok: false, problem: reply.status === 404 ? NONE : reply.problem }
  return validateManifest(reply.kind === 'answer' ? reply.answer : undefined)
}

class Cache implements ManifestCache {
  current: Manifest | undefined
  readonly #options: Required<ManifestOptions>
  #methods = new Set<string>()
  #handlers = new Set<string>()
  #timer: Timer | undefined
  #retryMs: number
  #stopped = false
  /** The last failure that was logged: the same one is not repeated every half minute. */
  #fault = ''

  constructor(options: ManifestOptions) {
    this.#options = { refreshMs: 30_000, firstRetryMs: 1000, ...options }
    this.#retryMs = this.#options.firstRetryMs
  }

  routes(method: string): boolean {
    return !this.current || this.#methods.has(method) || this.#methods.has('*')
  }

  hasHandler(name: string): boolean | undefined {
    return this.current ? this.#handlers.has(name) : undefined
  }

  get wantsCancelled(): boolean {
    return this.current?.wants?.includes('transaction.cancelled') ?? false
  }

  async start(): Promise<void> {
    const read = await this.#options.host.manifest()
    if (this.#stopped) return
    if (read.ok) this.#learn(read.value)
    else this.#fail(read.problem)
    this.#timer = this.#options.clock.after(this.#pause(), () => void this.start())
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #learn(manifest: Manifest): void {
    const changed = JSON.stringify(manifest) !== JSON.stringify(this.current)
    this.current = manifest
    this.#methods = new Set(manifest.routes.map(({ method }) => method.toUpperCase()))
    this.#handlers = new Set(manifest.handlers)
    this.#fault = ''
    this.#options.count('manifest_read')
    if (changed)
      this.#options.log.info('manifest read', { routes: manifest.routes.length, handlers: manifest.handlers })
  }

  /** A function that is away for a moment keeps what is known of it. */
  #fail(problem: Problem): void {
    this.#options.count('manifest_failed')
    const fault = `${problem.code} ${problem.detail}`
    if (fault !== this.#fault)
      this.#options.log[problem.code === 'not_found' ? 'info' : 'warn'](consequence(this), { ...problem })
    this.#fault = fault
  }

  #pause(): number {
    if (this.current) return this.#options.refreshMs
    const pause = Math.min(this.#retryMs, this.#options.refreshMs)
    this.#retryMs = pause * 2
    return pause
  }
}

function consequence(cache: ManifestCache): string {
  return cache.current
    ? 'manifest not refreshed, going on with the last one'
    : 'no manifest yet, every method goes to the function'
}
