import type { Branch, Contact, Credentials, InvocationData } from '../contract/envelope.ts'
import { Address } from './address.ts'
import { type CallEvent, callEvent } from './event.ts'
import type { Execution } from './execution.ts'
import { longName } from './header-name.ts'
import type { Lookup } from './lookup.ts'

/** What a Call is made of. */
export interface CallParts {
  data: InvocationData
  execution: Execution
  env: unknown
  signal(): AbortSignal | undefined
  /** Path parameters. */
  param(name: string): string | undefined
  /** The way to look an AOR up without the gateway, if there is one. */
  lookup(): Lookup | undefined
}

/** What a handler can read of a call: the request, and where the call stands. */
export class CallView<Param extends string = string, Env = unknown, Context extends object = Record<string, unknown>> {
  protected readonly parts: CallParts
  #from: Address | undefined
  #to: Address | undefined
  #requested: Address | undefined

  constructor(parts: CallParts) {
    this.parts = parts
  }

  /** The SIP Call-ID: the attribute `callId` of events. */
  get id(): string {
    return this.parts.data.call.id
  }
  /** The SIP Call-ID. */
  get callId(): string {
    return this.parts.data.call.callId
  }
  /** `INVITE`, `REGISTER`, … */
  get method(): string {
    return this.parts.data.request.method
  }
  /** The request as the gateway tells it. */
  get request(): Readonly<InvocationData['request']> {
    return this.parts.data.request
  }
  /** Whether the Request-URI is in a domain of this router. True when the gateway does not say. */
  get isLocal(): boolean {
    return this.parts.data.request.isLocal !== false
  }
  /** The Request-URI as received. */
  get uri(): string {
    return this.parts.data.request.uri
  }
  /** The address-of-record that is called, or registered. */
  get aor(): string {
    return this.parts.data.request.aor
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
    this.#from ??= new Address(this.parts.data.request.from)
    return this.#from
  }
  get to(): Address {
    this.#to ??= new Address(this.parts.data.request.to)
    return this.#to
  }
  /** Every header of the request in order, with repeats. */
  get headers(): readonly (readonly [string, string])[] {
    return this.parts.data.request.headers
  }
  /** The body as text; `''` when it is not UTF-8, see `bodyBase64`. */
  get body(): string {
    return this.parts.data.request.body
  }
  /** A body that is not UTF-8. */
  get bodyBase64(): string | undefined {
    return this.parts.data.request.bodyBase64
  }
  /** Where the request came from. */
  get received(): Readonly<InvocationData['received']> {
    return this.parts.data.received
  }
  /** Digest credentials of the request, if any. To check them use `authenticate`. */
  get auth(): Readonly<Credentials> | undefined {
    return this.parts.data.auth
  }
  /** The registered contacts of the AOR, best first; `[]` when nobody is registered. Fresh after each await. */
  get contacts(): readonly Readonly<Contact>[] {
    return this.parts.execution.observe('contacts', this.parts.data.contacts)
  }
  /** The branches of the call so far. Fresh after each await. */
  get branches(): readonly Readonly<Branch>[] {
    return this.parts.execution.observe('branches', this.parts.data.transaction.branches)
  }
  /** `proceeding`, `answered` or `ended`. Fresh after each await. */
  get state(): InvocationData['transaction']['state'] {
    return this.parts.execution.observe('state', this.parts.data.transaction.state)
  }
  /** The event a named handler was invoked for. */
  get event(): CallEvent | undefined {
    const { event } = this.parts.execution.journal.start
    return event && callEvent(event)
  }
  /** The branch that failed, in a handler named by `onFailed`. */
  get branch(): Readonly<Branch> | undefined {
    return this.parts.execution.journal.start.branch
  }
  /** When the handler was invoked first: the same after every await. For the time as it goes on, `now`. */
  get time(): Date {
    return new Date(this.parts.execution.journal.start.time)
  }
  /** JSON data kept with the call and shared by its handlers. */
  get context(): Context {
    return this.parts.execution.context.object as Context
  }
  /** Aborts when the answer is not wanted any more (CANCEL). */
  get signal(): AbortSignal | undefined {
    return this.parts.signal()
  }
  /** Bindings of the platform the function runs on: the second argument of `fetch`. */
  get env(): Env {
    return this.parts.env as Env
  }

  /** A parameter of the route's path, unescaped: `call.param("user")` for `/:domain/:user`. */
  param(name: Param): string {
    return this.parts.param(name) ?? ''
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

  #requestUri(): Address {
    this.#requested ??= new Address(this.uri)
    return this.#requested
  }
}
