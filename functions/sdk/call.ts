import type { Action, ActionOf } from '../contract/actions.ts'
import type { Duration } from '../contract/duration.ts'
import type { Branch, Contact, Credentials, EventData, InvocationData, WaitOutcome } from '../contract/envelope.ts'
import type { Filter } from '../contract/events.ts'
import {
  annotate,
  type CancelOptions,
  type ChallengeOptions,
  cancel,
  challenge,
  type ForkOptions,
  fork,
  type HangupOptions,
  halt,
  hangup,
  publish,
  push,
  type ReactionAction,
  type ReplyOptions,
  redirect,
  remove,
  reply,
  type SaveOptions,
  type SendOptions,
  save,
  send,
  type TargetLike,
  type Targets,
  unsubscribe,
  type Values,
} from './actions.ts'
import { Address } from './address.ts'
import { type AuthenticateOptions, checkCredentials } from './authenticate.ts'
import { type CallEvent, callEvent } from './event.ts'
import type { Execution } from './execution.ts'
import { longName } from './header-name.ts'

/** One condition of a wait: an event with its filter, or the outcome of the fork of that id. */
export type WaitCondition = { event: string; filter?: Filter } | { fork: string }

/** What came of a fork: `status` is the best final response's, 408 when time was over. */
export interface RingOutcome {
  answered: boolean
  status: number
}

export interface RingOptions extends ForkOptions {
  /** How long to wait for an answer; what still rings then is cancelled. */
  for: Duration
}

export interface SubscribeOptions {
  /** Names it for `call.unsubscribe`. */
  name?: string
  /** How long it lives at most. */
  for?: Duration
  /** Until the final response, or until the call has ended. Default `ended` for `dtmf` and `call.*`, else `answered`. */
  until?: 'answered' | 'ended'
}

/** What a Call is made of. */
export interface CallParts {
  data: InvocationData
  execution: Execution
  env: unknown
  signal: AbortSignal | undefined
  /** Path parameters. */
  param(name: string): string | undefined
}

/**
 * One call, as a handler sees it. Its verbs record actions, which the gateway performs in this order once the handler has
 * returned or can only wait. `wait`, `ring`, `lookup`, `run` and `authenticate` are durable: the handler comes back to them.
 */
export class Call<Param extends string = string, Env = unknown, Context extends object = Record<string, unknown>> {
  readonly #parts: CallParts
  readonly #data: InvocationData
  readonly #execution: Execution
  #from: Address | undefined
  #to: Address | undefined
  #requested: Address | undefined

  constructor(parts: CallParts) {
    this.#parts = parts
    this.#data = parts.data
    this.#execution = parts.execution
  }

  /** The SIP Call-ID: the attribute `callId` of events. */
  get id(): string {
    return this.#data.call.id
  }
  /** The SIP Call-ID. */
  get callId(): string {
    return this.#data.call.callId
  }
  /** `INVITE`, `REGISTER`, … */
  get method(): string {
    return this.#data.request.method
  }
  /** The request as the gateway tells it. */
  get request(): Readonly<InvocationData['request']> {
    return this.#data.request
  }
  /** Whether the Request-URI is in a domain of this router. True when the gateway does not say. */
  get isLocal(): boolean {
    return this.#data.request.isLocal !== false
  }
  /** The Request-URI as received. */
  get uri(): string {
    return this.#data.request.uri
  }
  /** The address-of-record that is called, or registered. */
  get aor(): string {
    return this.#data.request.aor
  }
  /** User part of the Request-URI, unescaped; `''` when there is none. */
  get user(): string {
    return this.#requestUri().user
  }
  /** Host of the Request-URI, lower case. */
  get domain(): string {
    return this.#requestUri().host
  }
  get from(): Address {
    this.#from ??= new Address(this.#data.request.from)
    return this.#from
  }
  get to(): Address {
    this.#to ??= new Address(this.#data.request.to)
    return this.#to
  }
  /** Every header of the request in order, with repeats. */
  get headers(): readonly (readonly [string, string])[] {
    return this.#data.request.headers
  }
  /** The body as text; `''` when it is not UTF-8, see `bodyBase64`. */
  get body(): string {
    return this.#data.request.body
  }
  /** A body that is not UTF-8. */
  get bodyBase64(): string | undefined {
    return this.#data.request.bodyBase64
  }
  /** Where the request came from. */
  get received(): Readonly<InvocationData['received']> {
    return this.#data.received
  }
  /** Digest credentials of the request, if any. To check them use `authenticate`. */
  get auth(): Readonly<Credentials> | undefined {
    return this.#data.auth
  }
  /** The registered contacts of the AOR, best first; `[]` when nobody is registered. Fresh after each await. */
  get contacts(): readonly Readonly<Contact>[] {
    return this.#execution.observe('contacts', this.#data.contacts)
  }
  /** The branches of the call so far. Fresh after each await. */
  get branches(): readonly Readonly<Branch>[] {
    return this.#execution.observe('branches', this.#data.transaction.branches)
  }
  /** `proceeding`, `answered` or `ended`. Fresh after each await. */
  get state(): InvocationData['transaction']['state'] {
    return this.#execution.observe('state', this.#data.transaction.state)
  }
  /** The event a named handler was invoked for. */
  get event(): CallEvent | undefined {
    const { event } = this.#execution.journal.start
    return event && callEvent(event)
  }
  /** The branch that failed, in a handler named by `onFailed`. */
  get branch(): Readonly<Branch> | undefined {
    return this.#execution.journal.start.branch
  }
  /** When the handler was invoked first: the same after every await, unlike the wall clock. */
  get time(): Date {
    return new Date(this.#execution.journal.start.time)
  }
  /** JSON data kept with the call and shared by its handlers. */
  get context(): Context {
    return this.#execution.context.object as Context
  }
  /** Aborts when the answer is not wanted any more (CANCEL). */
  get signal(): AbortSignal | undefined {
    return this.#parts.signal
  }
  /** Bindings of the platform the function runs on: the second argument of `fetch`. */
  get env(): Env {
    return this.#parts.env as Env
  }

  /** A parameter of the route's path, unescaped: `call.param("user")` for `/:domain/:user`. */
  param(name: Param): string {
    return this.#parts.param(name) ?? ''
  }

  /** The first header of that name, in any case, long or compact. */
  header(name: string): string | undefined {
    return this.headersNamed(name)[0]
  }

  /** Every header of that name, in order. */
  headersNamed(name: string): string[] {
    const wanted = longName(name)
    return this.headers.filter(([header]) => longName(header) === wanted).map(([, value]) => value)
  }

  /** Answers the request: `call.reply(486)`, `call.reply(200, "OK", { body })`. */
  reply(status: number, reason?: string, options?: ReplyOptions): void {
    this.#record(reply(status, reason, options))
  }

  /** Sends the caller elsewhere; 302 when `status` is not given. */
  redirect(targets: Targets, status?: 300 | 301 | 302 | 305): void {
    this.#record(redirect(targets, status))
  }

  /** Asks for digest credentials: 401 to a REGISTER, else 407, unless `proxy` says otherwise. */
  challenge(realm: string, options?: ChallengeOptions): void {
    this.#record(challenge(realm, { proxy: this.method !== 'REGISTER', ...options }))
  }

  /** Lets the built-in registrar process and answer this REGISTER. */
  save(options?: SaveOptions): void {
    this.#record(save(options))
  }

  /** Removes one binding of an AOR, or all of them. */
  remove(aor: string, contact?: string): void {
    this.#record(remove(aor, contact))
  }

  /** Forks to URIs, contacts or AORs; when the call has branches already, adds to them. */
  fork(targets: Targets, options?: ForkOptions): void {
    this.#record(fork(targets, options))
  }

  /** Cancels branches that have not answered: all, or those of one fork or contact. */
  cancel(options?: CancelOptions): void {
    this.#record(cancel(options))
  }

  /** Keeps the call open for late branches, also when every branch has failed. */
  halt(duration: Duration): void {
    this.#record(halt(duration))
  }

  /**
   * Reacts to events while this handler is not running: with a handler registered by `sip.on`, or with actions that need no
   * invocation at all (`[fork(fromEvent("contact"))]`).
   */
  subscribe(
    event: string,
    filter: Filter,
    reaction: string | readonly ReactionAction[],
    options?: SubscribeOptions,
  ): void {
    const subscribe: Record<string, unknown> = { action: 'subscribe', event, filter }
    if (typeof reaction === 'string') subscribe['handler'] = reaction
    else subscribe['actions'] = reaction
    this.#record({ ...subscribe, ...options })
  }

  /** Ends the subscription of that name; without a name, all of this call. */
  unsubscribe(name?: string): void {
    this.#record(unsubscribe(name))
  }

  /** Raises an event. */
  publish(type: string, attributes?: Values): void {
    this.#record(publish(type, attributes))
  }

  /** Wakes the sleeping devices of an AOR (default: the one that is called). */
  push(aor: string = this.aor, data?: Readonly<Record<string, string>>): void {
    this.#record(push(aor, data))
  }

  /** Ends the call: BYE both ways when it is answered, else a final response (default 480). */
  hangup(reason?: string, options?: HangupOptions): void {
    this.#record(hangup(reason, options))
  }

  /** Sends a new MESSAGE, NOTIFY or OPTIONS. */
  send(method: ActionOf<'send'>['method'], target: TargetLike, options?: SendOptions): void {
    this.#record(send(method, target, options))
  }

  /** Adds to the record of the call. */
  annotate(values: Values): void {
    this.#record(annotate(values))
  }

  /**
   * Waits for an event. Armed here, in the order of the actions; suspends at the `await`.
   * @returns the event, or null when `timeout` was over first
   */
  wait(event: string, filter: Filter, timeout: Duration): Promise<CallEvent | null>
  /** Waits for the first of several conditions. The outcome of a fork comes as an event of type `fork`. */
  wait(conditions: readonly WaitCondition[], timeout: Duration): Promise<CallEvent | null>
  wait(
    what: string | readonly WaitCondition[],
    filterOrTimeout: Filter | Duration,
    timeout?: Duration,
  ): Promise<CallEvent | null> {
    const any = typeof what === 'string' ? [{ event: what, filter: filterOrTimeout as Filter }] : [...what]
    const name = this.#execution.nextName('wait')
    this.#arm(name, any, typeof what === 'string' ? timeout! : (filterOrTimeout as Duration))
    return this.#execution.durable('wait', name, readEvent)
  }

  /**
   * Forks and waits for what comes of it.
   * @returns whether somebody answered, and the best final status; `{ answered: false, status: 408 }` when time was over, and then
   * what still rang has been cancelled
   */
  ring(targets: Targets, options: RingOptions): Promise<RingOutcome> {
    const { for: timeout, ...forkOptions } = options
    const name = this.#execution.nextName('ring')
    const id = forkOptions.id ?? name
    this.#record(fork(targets, { ...forkOptions, id }))
    this.#arm(name, [{ fork: id }], timeout)
    const value: RingOutcome = { answered: false, status: 408 }
    return this.#execution.durable('ring', name, readOutcome, { action: { action: 'cancel', fork: id }, value })
  }

  /** Reads the location of another AOR. */
  lookup(aor: string): Promise<readonly Readonly<Contact>[]> {
    const name = this.#execution.nextName('lookup')
    this.#record({ action: 'lookup', name, aor })
    return this.#execution.durable('lookup', name, (value) => value as Contact[])
  }

  /**
   * Does something once: on replay its first result comes back (as JSON keeps it), a failure included. Anything that is not a
   * function of the call belongs in it: requests to other services, the time, chance.
   */
  run<T>(name: string, task: () => T | Promise<T>): Promise<T> {
    return this.#execution.task(name, task)
  }

  /**
   * Checks the digest credentials of the request (RFC 8760, RFC 7616).
   * @returns the username; undefined when there are none or they are wrong: the challenge has been recorded then, just return
   */
  async authenticate(options: AuthenticateOptions): Promise<string | undefined> {
    const { auth, method } = this
    const check = () => checkCredentials(auth, method, this.#data.request, options)
    const { username, stale } = await this.run('authenticate', check)
    if (username !== undefined) return username
    const { realm, algorithms } = options
    this.challenge(realm, { ...(algorithms ? { algorithms } : {}), ...(stale ? { stale } : {}) })
    return undefined
  }

  #record(action: object): void {
    this.#execution.record(action as Action)
  }

  #arm(name: string, any: readonly WaitCondition[], timeout: Duration): void {
    const { handler } = this.#execution
    const wait = { action: 'wait', name, any, timeout }
    this.#record(handler === undefined ? wait : { ...wait, resume: handler })
  }

  #requestUri(): Address {
    this.#requested ??= new Address(this.uri)
    return this.#requested
  }
}

function readEvent(value: unknown): CallEvent | null {
  if (value === null || value === undefined) return null
  if ('attributes' in (value as object)) return callEvent(value as EventData)
  const { id, answered, status } = value as ForkOutcome
  return callEvent({ id, type: 'fork', time: '', attributes: { answered, status } })
}

function readOutcome(value: unknown): RingOutcome {
  const { answered, status } = value as ForkOutcome
  return { answered, status }
}

type ForkOutcome = NonNullable<WaitOutcome['fork']>
