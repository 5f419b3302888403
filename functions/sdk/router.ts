import { Hono } from 'hono'
import type { Invocation, InvocationData, Manifest } from '../contract/envelope.ts'
import { CONTRACT } from '../contract/envelope.ts'
import { PROBLEMS, type Problem, problemDetails } from '../contract/problem.ts'
import { createSigner, type Signer } from '../contract/sign.ts'
import { type Begun, begunBy, newJournal, takenUp } from './beginning.ts'
import { Call } from './call.ts'
import { callEvent } from './event.ts'
import { type Conclusion, Execution, type ExecutionOptions } from './execution.ts'
import { serveInvocations } from './http.ts'
import { handlerOf, instanceOf, readContext } from './journal.ts'
import { type Lookup, lookups } from './lookup.ts'
import type {
  BranchHandler,
  CancelHandler,
  DispatchOptions,
  DispatchResult,
  EventHandler,
  RouteHandler,
  RouterTypes,
  SipRouterOptions,
} from './router-types.ts'
import { Routes } from './routes.ts'
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
  readonly #cancelHandlers: AnyHandler[] = []
  readonly #onError: (error: unknown) => void
  readonly #lookupOf: (env: unknown) => Lookup | undefined
  readonly #tasks: TaskMemory
  readonly #serve: (request: Request, env: unknown, ctx: unknown) => Promise<Response>

  constructor(options: SipRouterOptions<Types> = {}) {
    this.#onError = options.onError ?? ((error) => console.error(error))
    this.#lookupOf = lookups(options.store, this.#onError)
    const signer: Signer | undefined = options.secret ? createSigner(options.secret) : undefined
    // A router is made by the application itself: what it does not pass in comes from the platform.
    const now = options.now ?? Date.now
    this.#tasks = new TaskMemory(now)
    this.#serve = serveInvocations({ router: this, signer, now, basePath: options.basePath ?? '' })
  }

  /** Initial INVITEs. */
  invite<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('INVITE', path, handler)
  }
  /** REGISTER; without such a route the gateway's registrar serves it by itself. */
  register<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('REGISTER', path, handler)
  }
  message<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('MESSAGE', path, handler)
  }
  options<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('OPTIONS', path, handler)
  }
  /** SIP's SUBSCRIBE; to react to the router's events use `call.subscribe`. */
  subscribe<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('SUBSCRIBE', path, handler)
  }
  notify<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('NOTIFY', path, handler)
  }
  /** SIP's PUBLISH; to raise an event use `call.publish`. */
  publish<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('PUBLISH', path, handler)
  }
  refer<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('REFER', path, handler)
  }
  info<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    return this.method('INFO', path, handler)
  }

  /** Any other method: `sip.method("FOO", path, handler)`. */
  method<Path extends string>(method: string, path: Path, handler: RouteHandler<Path, Types>): this {
    const name = method.toUpperCase()
    if (!METHOD.test(name) || name === 'ON')
      throw new TypeError(`method "${method}": expected the name of a SIP method`)
    this.#routes.add(name, path, requireHandler(handler, `${name} ${path}`))
    return this
  }

  /** Every method. */
  all<Path extends string>(path: Path, handler: RouteHandler<Path, Types>): this {
    this.#routes.add('*', path, requireHandler(handler, `* ${path}`))
    return this
  }

  /** A named handler, for `call.subscribe(event, filter, name)` and for `onFailed` of a fork. */
  on(name: string, handler: EventHandler<Types>): this
  on(name: string, handler: BranchHandler<Types>): this
  on(name: string, handler: EventHandler<Types> | BranchHandler<Types>): this {
    if (!HANDLER_NAME.test(name)) {
      throw new TypeError(`handler "${name}": expected up to 96 letters, digits and _ . : -`)
    }
    if (this.#handlers.has(name)) throw new TypeError(`handler "${name}" is registered twice`)
    this.#handlers.set(name, requireHandler(handler, `on ${name}`))
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
    if (this.#cancelHandlers.length > 0) manifest.wants = ['transaction.cancelled']
    return manifest
  }

  /** Serves invocations, the manifest, and `http`: for Node, Lambda, Workers, Bun, Deno. */
  readonly fetch = (request: Request, env?: Types['env'], ctx?: unknown): Promise<Response> =>
    this.#serve(request, env, ctx)

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
    const { env, signal, onError = this.#onError } = options
    const once: ExecutionOptions['once'] = (task, perform) =>
      this.#tasks.once(`${data.transaction.id} ${data.transaction.seq} ${id}`, task, perform)
    const execution = new Execution({ data, instance, handler: found.name, journal, canWait, once, onLate: onError })
    const lookup = () => this.#lookupOf(env)
    const call = new Call({ data, execution, env, signal, param: found.param, lookup })
    const { event, branch } = journal.start
    const conclusion = execution.run(() => found.handler(call, event ? callEvent(event) : branch))
    return conclusion instanceof Promise
      ? conclusion.then((late) => this.#result(late, found, onError))
      : this.#result(conclusion, found, onError)
  }

  #result(conclusion: Conclusion, { label }: Found, onError: (error: unknown) => void): DispatchResult {
    switch (conclusion.kind) {
      case 'answer': {
        const { actions, context } = conclusion
        return { status: 200, body: context === undefined ? { actions } : { actions, context } }
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

/** A wait of a handler that has ended meanwhile is nothing to do; a context that was lost is a fault. */
function forgotten({ context, wait }: InvocationData): DispatchResult {
  if (readContext(context)) return { status: 200, body: { actions: [], context } }
  const detail = `the context holds no journal for ${wait?.name ?? 'this wait'}; it must be echoed as the function gave it`
  return refused({ code: 'replay.diverged', detail })
}

function refused(problem: Problem): DispatchResult {
  return { status: PROBLEMS[problem.code].http, body: problemDetails(problem) }
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
