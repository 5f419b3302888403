import type { Clock, Timer } from '../../functions/contract/clock.ts'
import type { Manifest } from '../../functions/contract/envelope.ts'
import type { Problem, Result } from '../../functions/contract/problem.ts'
import { validateManifest } from '../../functions/contract/validate.ts'
import type { Log } from '../observe/log.ts'
import type { FunctionHost, HostReply } from './host.ts'
import { cutBudgets, declaresBudgets, RouteBudgets } from './route-budgets.ts'

/** What the gateway knows of the function. Until a manifest was read, everything is taken to have a route. */
export interface ManifestCache {
  /** Reads the manifest, again and again; resolves after the first try, whatever came of it. */
  start(): Promise<void>
  /** Reads it now, out of turn: the function is known to have changed. */
  refresh(): Promise<void>
  stop(): void
  /** Whether some route serves this SIP method (`INVITE`). */
  routes(method: string): boolean
  /** Whether the function serves `/on/<name>`; `undefined` when its manifest is not known. */
  hasHandler(name: string): boolean | undefined
  /** What the route or handler under this routing key asks for, as far as it gets it; undefined: what its method has. Milliseconds. */
  budgetMs(path: string): number | undefined
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
  /** The budget that a route gets at most, whatever it asks for; default 10,000 ms. */
  maxBudgetMs?: number
  count(series: string): void
  log: Log
}

export const DEFAULT_MAX_BUDGET_MS = 10_000

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
  #budgets: RouteBudgets | undefined
  #timer: Timer | undefined
  #retryMs: number
  #stopped = false
  /** The last failure that was logged: the same one is not repeated every half minute. */
  #fault = ''

  constructor(options: ManifestOptions) {
    this.#options = { refreshMs: 30_000, firstRetryMs: 1000, maxBudgetMs: DEFAULT_MAX_BUDGET_MS, ...options }
    this.#retryMs = this.#options.firstRetryMs
  }

  routes(method: string): boolean {
    return !this.current || this.#methods.has(method) || this.#methods.has('*')
  }

  hasHandler(name: string): boolean | undefined {
    return this.current ? this.#handlers.has(name) : undefined
  }

  budgetMs(path: string): number | undefined {
    return this.#budgets?.of(path)
  }

  get wantsCancelled(): boolean {
    return this.current?.wants?.includes('transaction.cancelled') ?? false
  }

  async start(): Promise<void> {
    await this.refresh()
    if (!this.#stopped) this.#timer = this.#options.clock.after(this.#pause(), () => void this.start())
  }

  async refresh(): Promise<void> {
    const read = await this.#options.host.manifest()
    if (this.#stopped) return
    if (read.ok) this.#learn(read.value)
    else this.#fail(read.problem)
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
    if (!changed) return
    this.#budgets = this.#budgetsOf(manifest)
    this.#options.log.info('manifest read', { routes: manifest.routes.length, handlers: manifest.handlers })
  }

  /** Most manifests ask for nothing, and then no path is compared with any. */
  #budgetsOf(manifest: Manifest): RouteBudgets | undefined {
    if (!declaresBudgets(manifest)) return undefined
    const { maxBudgetMs, log } = this.#options
    const cut = cutBudgets(manifest, maxBudgetMs)
    if (cut.length > 0)
      log.warn('routes ask for more than FUNCTIONS_BUDGET_MAX and get just that', { cut, maxBudgetMs })
    try {
      return new RouteBudgets(manifest, maxBudgetMs)
    } catch (error) {
      log.warn('budgets of routes are left out: a path could not be read', { error: String(error) })
      return undefined
    }
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
