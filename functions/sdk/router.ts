import { Hono } from 'hono'
import { CONTRACT, type Invocation, type InvocationData, type Manifest, RouteBudget } from '../contract/envelope.ts'
import { PROBLEMS, type Problem, problemDetails } from '../contract/problem.ts'
import { Routes } from '../contract/routes.ts'
import { SeenMessages } from '../contract/seen.ts'
import { SIGNATURE_TOLERANCE_SECONDS } from '../contract/sign.ts'
import { createTrust } from '../contract/trust.ts'
import { type Begun, begunBy, newJournal, takenUp } from './beginning.ts'
import { Call } from './call.ts'
import { callEvent } from './event.ts'
import { type Conclusion, Execution, type ExecutionOptions } from './execution.ts'
import { type Asked, type Reply, type Served, serveInvocations } from './http.ts'
import { handlerOf, instanceOf, readContext } from './journal.ts'
import { type Lookup, lookups } from './lookup.ts'
import type {
  BranchHandler,
  CancelHandler,
  DispatchOptions,
  DispatchResult,
  EventHandler,
  RouteArguments,
  RouteOptions,
  RouterTypes,
  SipRouterOptions,
} from './router-types.ts'
import { TaskMemory } from './task-memory.ts'

type AnyHandler = (call: Call, cause?: unknown) => unknown

/** A handler that was found for an invocation. */
interface Found {
  handler: AnyHandler
  /** Named handler; undefined for a route. */
  name: string | undefined
  /** For people: `INVITE /:domain/:user`, `on late-fork`. */
  label: string
  param(name: string): string | undefined
}

const HANDLER_NAME = /^[A-Za-z0-9_.:-]{1,96}$/
const METHOD = /^[A-Z0-9\-.!%*_+`'~]{1,32}$/
const noParam = () => undefined

/**
 * Routes SIP requests to handlers. Paths are `/domain/user` and match in order, as in Hono.
 *
 *     const sip = new SipRouter()
 *     sip.invite('/:domain/:user', (call) => call.fork(call.contacts))
 *     export default sip
 */
export class SipRouter<Types extends RouterTypes = RouterTypes> {
  /** Your own HTTP routes: webhooks, health. Everything that is not an invocation goes here. */
  readonly http: Hono = new Hono()
  readonly #routes = new Routes<AnyHandler>()
  readonly #handlers = new Map<string, AnyHandler>()
  readonly #handlerBudgets: Record<string, RouteBudget> = {}
  readonly #cancelHandlers: AnyHandler[] = []
  readonly #onError: (error: unknown) => void
  readonly #lookupOf: (env: unknown) => Lookup | undefined
  readonly #tasks: TaskMemory
  readonly #served: Served

  constructor(options: SipRouterOptions<Types> = {}) {
    this.#onError = options.onError ?? ((error) => console.error(error))
    this.#lookupOf = lookups(options.store, this.#onError)
    // A router is made by the application itself: what it does not pass in comes from the platform.
    const now = options.now ?? Date.now
    this.#tasks = new TaskMemory(now)
    const { basePath = '', once } = options
    this.#served = serveInvocations({
      router: this,
      trust: createTrust(options),
      isFirst: firstTime(now, once, this.#onError),
      now,
      basePath,
    })
  }

  /** Initial INVITEs. */
  invite<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('INVITE', path, ...route)
  }
  /** REGISTER; without such a route the gateway's registrar serves it by itself. */
  register<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('REGISTER', path, ...route)
  }
  message<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('MESSAGE', path, ...route)
  }
  options<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('OPTIONS', path, ...route)
  }
  /** SIP's SUBSCRIBE; to react to the router's events use `call.subscribe`. */
  subscribe<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('SUBSCRIBE', path, ...route)
  }
  notify<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('NOTIFY', path, ...route)
  }
  /** SIP's PUBLISH; to raise an event use `call.publish`. */
  publish<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('PUBLISH', path, ...route)
  }
  refer<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('REFER', path, ...route)
  }
  info<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.method('INFO', path, ...route)
  }

  /** Any other method: `sip.method("FOO", path, handler)`. */
  method<Path extends string>(method: string, path: Path, ...route: RouteArguments<Path, Types>): this {
    const name = method.toUpperCase()
    if (!METHOD.test(name) || name === 'ON')
      throw new TypeError(`method "${method}": expected the name of a SIP method`)
    return this.#add(name, path, route)
  }

  /** Every method. */
  all<Path extends string>(path: Path, ...route: RouteArguments<Path, Types>): this {
    return this.#add('*', path, route)
  }

  /** A named handler, for `call.subscribe(event, filter, name)` and for `onFailed` of a fork. */
  on(name: string, options: RouteOptions, handler: EventHandler<Types>): this
  on(name: string, options: RouteOptions, handler: BranchHandler<Types>): this
  on(name: string, handler: EventHandler<Types>): this
  on(name: string, handler: BranchHandler<Types>): this
  on(name: string, ...args: readonly unknown[]): this {
    if (!HANDLER_NAME.test(name)) {
      throw new TypeError(`handler "${name}": expected up to 96 letters, digits and _ . : -`)
    }
    if (this.#handlers.has(name)) throw new TypeError(`handler "${name}" is registered twice`)
    const { handler, budget } = routeOf(args, `on ${name}`)
    this.#handlers.set(name, handler)
    if (budget !== undefined) this.#handlerBudgets[name] = budget
    return this
  }

  /** Told when a caller gives up. The transaction has ended: nothing can be waited for any more. */
  onCancel(handler: CancelHandler<Types>): this {
    this.#cancelHandlers.push(requireHandler(handler, 'onCancel'))
    return this
  }

  /** What `GET /.well-known/rouse` answers. */
  manifest(): Manifest {
    const manifest: Manifest = {
      contract: CONTRACT,
      routes: this.#routes.list.map((route) => ({ ...route })),
      handlers: [...this.#handlers.keys()],
    }
    if (Object.keys(this.#handlerBudgets).length > 0) manifest.handlerBudgets = { ...this.#handlerBudgets }
    if (this.#cancelHandlers.length > 0) manifest.wants = ['transaction.cancelled']
    return manifest
  }

  /** Serves invocations, the manifest, and `http`: for Node, Lambda, Workers, Bun, Deno. */
  readonly fetch = (request: Request, env?: Types['env'], ctx?: unknown): Promise<Response> =>
    this.#served.fetch(request, env, ctx)

  /** An invocation for a server that has no objects of `fetch`, which cost more than the rest; undefined for what `fetch` has to serve. */
  readonly answer = (asked: Asked, env?: Types['env']): Promise<Reply> | undefined => this.#served.answer(asked, env)

  /**
   * The same as `fetch` with a POST, without JSON and HTTP: for a gateway in the same process. The invocation is trusted and not
   * changed.
   * @param path `/invite/example.com/bob` or `/on/late-fork`, escaped as in a URL
   */
  async dispatch(path: string, invocation: Invocation, options: DispatchOptions = {}): Promise<DispatchResult> {
    if (invocation.type === 'transaction.cancelled') return this.#cancelled(invocation, options)
    const isTakenUp = invocation.type === 'wait.resumed' || invocation.type === 'wait.timed_out'
    const resumed = isTakenUp ? handlerOf(instanceOf(invocation.data.wait?.name ?? '')) : undefined
    const found = resumed === undefined ? this.#find(path) : this.#named(resumed)
    if (found === undefined) return { status: 204 }
    if ('code' in found) return refused(found)
    const begun = isTakenUp ? takenUp(invocation) : begunBy(found.name, invocation)
    if (begun === undefined) return forgotten(invocation.data)
    return this.#run(found, begun, invocation, options)
  }

  #add(method: string, path: string, route: readonly unknown[]): this {
    const { handler, ...options } = routeOf(route, `${method} ${path}`)
    this.#routes.add(method, path, handler, options)
    return this
  }

  #find(path: string): Found | Problem | undefined {
    const slash = path.indexOf('/', 1)
    if (slash < 0) return undefined
    const method = path.slice(1, slash).toUpperCase()
    const rest = path.slice(slash)
    if (method === 'ON') return this.#named(rest.slice(1))
    const match = this.#routes.match(method, rest)
    if (!match) return undefined
    const { handler, route, param } = match
    return { handler, name: undefined, label: `${method} ${route.path}`, param }
  }

  #named(segment: string): Found | Problem {
    const name = segment.includes('%') ? safelyDecoded(segment) : segment
    const handler = this.#handlers.get(name)
    if (handler) return { handler, name, label: `on ${name}`, param: noParam }
    const known = [...this.#handlers.keys()].join(', ') || 'none'
    return { code: 'handler.unknown', detail: `no handler is registered under this name; registered are: ${known}` }
  }

  async #cancelled(invocation: Invocation, options: DispatchOptions): Promise<DispatchResult> {
    if (this.#cancelHandlers.length === 0) return { status: 204 }
    const everyHandler = async (call: Call) => {
      for (const handler of this.#cancelHandlers) await handler(call)
    }
    const found: Found = { handler: everyHandler, name: undefined, label: 'onCancel', param: noParam }
    const begun: Begun = { instance: 'cancel', journal: newJournal({ time: invocation.time }), canWait: false }
    return this.#run(found, begun, invocation, options)
  }

  #run(found: Found, begun: Begun, { id, data }: Invocation, options: DispatchOptions) {
    const { instance, journal, canWait } = begun
    const { env, onError = this.#onError } = options
    const once: ExecutionOptions['once'] = (task, perform) =>
      this.#tasks.once(`${data.transaction.id} ${data.transaction.seq} ${id}`, task, perform)
    const execution = new Execution({ data, instance, handler: found.name, journal, canWait, once, onLate: onError })
    const lookup = () => this.#lookupOf(env)
    const call = new Call({ data, execution, env, signal: () => options.signal, param: found.param, lookup })
    const { event, branch } = journal.start
    const conclusion = execution.run(() => found.handler(call, event ? callEvent(event) : branch))
    return conclusion instanceof Promise
      ? conclusion.then((late) => this.#result(late, found, call, onError))
      : this.#result(conclusion, found, call, onError)
  }

  #result(conclusion: Conclusion, { label }: Found, call: Call, onError: (error: unknown) => void): DispatchResult {
    switch (conclusion.kind) {
      case 'answer': {
        const { actions, context } = conclusion
        // A call that keeps something, or waits, is one of a kind: what its handler says of caching is for when it does not.
        if (context === undefined)
          return { status: 200, body: call.caching ? { actions, ...call.caching } : { actions } }
        return { status: 200, body: { actions, context } }
      }
      case 'diverged':
        return refused({
          code: 'replay.diverged',
          detail: `${label}: ${conclusion.detail}`,
          diff: conclusion.diff,
        })
      case 'threw':
        onError(conclusion.error)
        return refused({ code: 'handler.threw', detail: `the handler of ${label} threw; see the function's own log` })
    }
  }
}

/** What this process has seen it knows by itself; what others have seen, `once` knows. When that fails the call goes on. */
function firstTime(now: () => number, once: SipRouterOptions['once'], onError: (error: unknown) => void) {
  const seen = new SeenMessages()
  const everywhere = async (key: string, timestamp: number) => {
    try {
      // As long as the signature is good, and a second for what was rounded.
      return await once!(key, timestamp + SIGNATURE_TOLERANCE_SECONDS + 1 - Math.floor(now() / 1000))
    } catch (error) {
      onError(error)
      return true
    }
  }
  return (key: string, timestamp: number): boolean | Promise<boolean> =>
    seen.first(key, timestamp, now()) && (once === undefined || everywhere(key, timestamp))
}

/** A wait of a handler that has ended meanwhile, or was told before how it ended, is nothing to do; a context that was lost is a fault. */
function forgotten({ context, wait }: InvocationData): DispatchResult {
  if (readContext(context)) return { status: 200, body: { actions: [], context } }
  const detail = `the context holds no journal for ${wait?.name ?? 'this wait'}; it must be echoed as the function gave it`
  return refused({ code: 'replay.diverged', detail })
}

function refused(problem: Problem): DispatchResult {
  return { status: PROBLEMS[problem.code].http, body: problemDetails(problem) }
}

/** `[handler]` or `[options, handler]`. */
function routeOf(args: readonly unknown[], where: string): { handler: AnyHandler; budget?: RouteBudget } {
  const [options, handler] = args.length > 1 ? args : [{}, args[0]]
  const { budget } = options as RouteOptions
  if (budget === undefined) return { handler: requireHandler(handler, where) }
  const read = RouteBudget.safeParse(budget)
  if (!read.success) throw new TypeError(`${where}: budget: ${read.error.issues[0]!.message}, got ${String(budget)}`)
  return { handler: requireHandler(handler, where), budget }
}

function requireHandler(handler: unknown, where: string): AnyHandler {
  if (typeof handler !== 'function') throw new TypeError(`${where}: expected a handler function, got ${typeof handler}`)
  return handler as AnyHandler
}

function safelyDecoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
