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
  /** Verifies the gateway's signature: `whsec_…`, two separated by a space while rotating. Absent: everybody may invoke. */
  secret?: string
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
