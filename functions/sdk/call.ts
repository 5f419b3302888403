import type { Action, ActionOf, Answer } from '../contract/actions.ts'
import type { Duration } from '../contract/duration.ts'
import type { Contact, EventData, WaitOutcome } from '../contract/envelope.ts'
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
  type PushOptions,
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
import { type AuthenticateOptions, checkCredentials } from './authenticate.ts'
import { CallView } from './call-view.ts'
import { type CallEvent, callEvent } from './event.ts'
import type { Lookup } from './lookup.ts'

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

/** Who pays for a call, and how; see `call.authorize`. */
export type AuthorizeOptions = Omit<ActionOf<'authorize'>, 'action' | 'name'>

/** `code` and `reason` are what to answer the caller with. */
export type Authorization =
  /** `maxDuration`: seconds the call may last; undefined: no end is known. */
  { authorized: true; maxDuration?: number } | { authorized: false; code: 402 | 403 | 503; reason: string }

export interface SubscribeOptions {
  /** Names it for `call.unsubscribe`. */
  name?: string
  /** How long it lives at most. */
  for?: Duration
  /** Until the final response, or until the call has ended. Default `ended` for `dtmf` and `call.*`, else `answered`. */
  until?: 'answered' | 'ended'
}

export interface CacheOptions {
  /** So long after `cacheFor` the answer may still be given while the function fails, before the fallback is asked. */
  staleIfError?: Duration
  /** To whom the answer may be given: `caller` (default), or `public`, to everybody. */
  scope?: 'caller' | 'public'
}

/**
 * One call, as a handler sees it. Its verbs record actions, which the gateway performs in this order once the handler has
 * returned or can only wait. `wait`, `ring`, `lookup`, `authorize`, `run` and `authenticate` are durable: the handler comes back to them.
 */
export class Call<
  Param extends string = string,
  Env = unknown,
  Context extends object = Record<string, unknown>,
> extends CallView<Param, Env, Context> {
  /** What `cacheFor` has said: fields of the answer. */
  caching: Pick<Answer, 'cacheFor' | 'staleIfError' | 'cacheScope'> | undefined

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
    if (typeof reaction === 'string') subscribe.handler = reaction
    else subscribe.actions = reaction
    this.#record({ ...subscribe, ...options })
  }

  /** Ends the subscription of that name; without a name every one of this call, and whatever its handlers wait for. */
  unsubscribe(name?: string): void {
    this.#record(unsubscribe(name))
  }

  /** Raises an event. */
  publish(type: string, attributes?: Values): void {
    this.#record(publish(type, attributes))
  }

  /** Wakes the sleeping devices of an AOR (default: the one that is called). `data` is added to the payload. */
  push(aor: string = this.aor, data?: Readonly<Record<string, string>>, options?: PushOptions): void {
    this.#record(push(aor, data, options))
  }

  /** Ends the call: BYE both ways when it is answered, by FreeSWITCH with `via`, else a final response (default 480). */
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
   * Lets the gateway give this answer to the same caller, who asks for the same Request-URI while the same contacts are registered there,
   * without asking again. Only of a route, and only of an answer that waits for nothing, subscribes to nothing and keeps no `call.context`;
   * an answer to a request with credentials is never kept. See "Answers that are given again" in the README of this room.
   */
  cacheFor(duration: Duration, { staleIfError, scope }: CacheOptions = {}): void {
    this.caching = {
      cacheFor: duration,
      ...(staleIfError === undefined ? {} : { staleIfError }),
      ...(scope === undefined ? {} : { cacheScope: scope }),
    }
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
    const name = this.parts.execution.nextName('wait')
    this.#arm(name, any, typeof what === 'string' ? timeout! : (filterOrTimeout as Duration))
    return this.parts.execution.durable('wait', name, readEvent)
  }

  /**
   * Forks and waits for what comes of it.
   * @returns whether somebody answered, and the best final status: 480 when there was nobody to ring, 6xx at once, and 408 when time was over;
   * what still rang then has been cancelled
   */
  ring(targets: Targets, options: RingOptions): Promise<RingOutcome> {
    const { for: timeout, ...forkOptions } = options
    const name = this.parts.execution.nextName('ring')
    const id = forkOptions.id ?? name
    this.#record(fork(targets, { ...forkOptions, id }))
    this.#arm(name, [{ fork: id }], timeout)
    const value: RingOutcome = { answered: false, status: 408 }
    return this.parts.execution.durable('ring', name, readOutcome, {
      action: { action: 'cancel', fork: id, reason: 'No answer' },
      value,
    })
  }

  /**
   * Reads the location of another AOR: in the store of the router, when it has one that answers; else the gateway is asked, and the
   * handler suspends meanwhile.
   * @returns its contacts, as `call.contacts` has them; `[]` when nobody is registered
   */
  lookup(aor: string): Promise<readonly Readonly<Contact>[]> {
    const before = this.parts.execution.stepBefore
    // On replay the way it was done, also where a store has come or gone since.
    if (before !== undefined) return before.startsWith('run ') ? this.#lookUp(aor, undefined) : this.#askFor(aor)
    const lookup = this.parts.lookup()
    return lookup ? this.#lookUp(aor, lookup) : this.#askFor(aor)
  }

  /**
   * Asks the billing system whether the call may be made. One that may is billed: its session begins when it is answered and ends with it,
   * and when the balance ends the router hangs up. Refused, it is the handler's to say so: `call.reply(auth.code, auth.reason)`.
   */
  authorize(options: AuthorizeOptions): Promise<Authorization> {
    const name = this.parts.execution.nextName('authorize')
    this.#record({ action: 'authorize', name, ...options })
    return this.parts.execution.durable('authorize', name, (value) => value as Authorization)
  }

  /**
   * Does something once: on replay its first result comes back (as JSON keeps it), a failure included. Anything that is not a
   * function of the call belongs in it: requests to other services, above all. When the answer of an invocation is lost, another
   * process may do it once more: `key` is the same then, an idempotency key for whom it asks.
   * @throws TypeError for a result that is not JSON data; what `task` throws, with its `name`, `message` and `code`
   */
  run<T>(name: string, task: (key: string) => T | Promise<T>): Promise<T> {
    return this.parts.execution.task(name, task)
  }

  /** Whether the newest `call.wait` ended before its time, since none of the devices that were pushed can come: their tokens are dead. */
  get noDevice(): boolean {
    return this.parts.execution.noDevice
  }

  /** Milliseconds since the epoch when the handler came back from its newest await, as the gateway has it. The same on replay. */
  now(): number {
    return this.parts.execution.now
  }

  /** From 0 up to but not including 1, the same on replay. Not for secrets: it can be computed from the ids of the call. */
  random(): number {
    return this.parts.execution.chance.next()
  }

  /** A UUID made of `random`, the same on replay. Not for secrets. */
  uuid(): string {
    return this.parts.execution.chance.uuid()
  }

  /**
   * Lets new code and calls that are under way live side by side.
   * @param change a name of your own
   * @returns false when the handler had passed here before the code knew of this change, also on every later replay; else true
   */
  patched(change: string): boolean {
    return this.parts.execution.patched(change)
  }

  /**
   * Checks the digest credentials of the request (RFC 8760, RFC 7616).
   * @returns the username; undefined when there are none or they are wrong: the challenge has been recorded then, just return
   */
  async authenticate(options: AuthenticateOptions): Promise<string | undefined> {
    const { auth, method } = this
    const check = () => checkCredentials(auth, method, this.parts.data.request, options)
    const { username, stale } = await this.run('authenticate', check)
    if (username !== undefined) return username
    const { realm, algorithms } = options
    this.challenge(realm, { ...(algorithms ? { algorithms } : {}), ...(stale ? { stale } : {}) })
    return undefined
  }

  async #lookUp(aor: string, lookup: Lookup | undefined): Promise<readonly Readonly<Contact>[]> {
    const found = await this.run(`lookup ${aor}`, () => lookup?.(aor))
    return found ?? this.#askFor(aor)
  }

  #askFor(aor: string): Promise<readonly Readonly<Contact>[]> {
    const name = this.parts.execution.nextName('lookup')
    this.#record({ action: 'lookup', name, aor })
    return this.parts.execution.durable('lookup', name, (value) => value as Contact[])
  }

  #record(action: object): void {
    this.parts.execution.record(action as Action)
  }

  #arm(name: string, any: readonly WaitCondition[], timeout: Duration): void {
    const { handler } = this.parts.execution
    const wait = { action: 'wait', name, any, timeout }
    this.#record(handler === undefined ? wait : { ...wait, resume: handler })
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
