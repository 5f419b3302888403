import type { Answer } from '../contract/actions.ts'
import type { Branch, RouteBudget } from '../contract/envelope.ts'
import type { Call } from './call.ts'
import type { CallEvent } from './event.ts'
import type { RouseStore } from './store.ts'

/** What a router's handlers know of their platform and of each other. */
export interface RouterTypes {
  /** Second argument of `fetch`. */
  env?: unknown
  /** Shape of `call.context`. */
  context?: object
}

export interface SipRouterOptions<Types extends RouterTypes = RouterTypes> {
  /**
   * The gateway's `WEBHOOK_SECRET`: `whsec_…`, two separated by a space while rotating. Invocations have to be signed with it, answers are.
   * Default `WEBHOOK_SECRET` of the environment that comes with each request; where there is none nobody may invoke over HTTP.
   */
  secret?: string
  /**
   * Takes invocations from whoever can reach it, signs nothing: for tests, and behind something else that checks who calls. Default false.
   * `FUNCTIONS_UNSIGNED=loopback` in the environment that comes with a request does so for requests to this machine itself.
   */
  unsigned?: boolean
  /**
   * Remembers a key for so many seconds and says whether that was the first time, for all processes together: a captured invocation is then
   * served by none a second time. Default: each process knows what it has seen itself.
   */
  once?(key: string, seconds: number): boolean | Promise<boolean>
  /** Where the functions are mounted, `/app`; default the root. */
  basePath?: string
  /**
   * Where `call.lookup` looks first, see `rouse/store`; a function is given the environment, `storeFromEnv` is one. Absent, and whenever it
   * does not answer: the gateway is asked.
   */
  store?: RouseStore | ((env: Types['env']) => RouseStore | undefined)
  /** Told of every error of a handler, once, and of a store that does not answer; default `console.error`. */
  onError?(error: unknown): void
  /** Milliseconds since the epoch, to check the age of signatures. */
  now?(): number
}

export interface DispatchOptions {
  env?: unknown
  /** Aborts when the answer is not wanted any more. */
  signal?: AbortSignal
  /** Told of errors of the handler in place of the router's own `onError`. */
  onError?: ((error: unknown) => void) | undefined
}

/** What an invocation came to: 200 with an answer, 204 without, else the body is a problem (RFC 9457). */
export interface DispatchResult {
  status: number
  body?: Answer | Record<string, unknown>
}

type ParamOf<Segment extends string> = Segment extends `:${infer Name}{${string}`
  ? Name
  : Segment extends `:${infer Name}?`
    ? Name
    : Segment extends `:${infer Name}`
      ? Name
      : never
/** The names of a path's parameters: `"domain" | "user"` for `/:domain/:user`. */
export type ParamsOf<Path extends string> = Path extends `${infer Segment}/${infer Rest}`
  ? ParamOf<Segment> | ParamsOf<Rest>
  : ParamOf<Path>

type CallOf<Types extends RouterTypes, Param extends string = string> = Call<
  Param,
  Types['env'],
  Types['context'] extends object ? Types['context'] : Record<string, unknown>
>
export type RouteHandler<Path extends string, Types extends RouterTypes = RouterTypes> = (
  call: CallOf<Types, ParamsOf<Path>>,
) => unknown
/** What a route, or a named handler, asks of the gateway. */
export interface RouteOptions {
  /**
   * How long the gateway waits for this handler's answer, its retry included: milliseconds or `"4s"`, from 100 ms to 30 s, and at most what
   * the gateway's `FUNCTIONS_BUDGET_MAX` says. Absent: the gateway's own, 2.5 s for an INVITE and 1.5 s for others. The first try gets a
   * little less than half of it.
   */
  budget?: RouteBudget
}
/** `handler`, or `options, handler`. */
export type RouteArguments<Path extends string, Types extends RouterTypes = RouterTypes> =
  | [handler: RouteHandler<Path, Types>]
  | [options: RouteOptions, handler: RouteHandler<Path, Types>]
export type EventHandler<Types extends RouterTypes = RouterTypes> = (call: CallOf<Types>, event: CallEvent) => unknown
export type BranchHandler<Types extends RouterTypes = RouterTypes> = (call: CallOf<Types>, branch: Branch) => unknown
export type CancelHandler<Types extends RouterTypes = RouterTypes> = (call: CallOf<Types>) => unknown
