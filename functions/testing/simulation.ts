import type { ActionOf, Authorize } from '../contract/actions.ts'
import { type Duration, durationMs } from '../contract/duration.ts'
import type { Authorization, Manifest } from '../contract/envelope.ts'
import {
  type Attributes,
  attributeFault,
  type EventAttributes,
  type EventDetail,
  type RouseEvent,
} from '../contract/events.ts'
import { aorOf, parseUri } from '../contract/uri/uri.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { RegisterOutcome, Store } from '../store/store.ts'
import type { Target } from './branch.ts'
import { bindingOf, type PhoneContact } from './contacts.ts'
import { Functions, type TestedApp } from './functions.ts'
import { type RequestOptions, requestOf } from './request.ts'
import { RoutedCall } from './routed-call.ts'
import { SimulatedCall } from './simulated-call.ts'
import { GATEWAY } from './suspension.ts'
import { CountingIds, oneTurn, VirtualClock } from './virtual-clock.ts'

export interface SimulationOptions {
  /** Who is registered, by AOR: contact URIs, or phones with more to say about. */
  contacts?: Readonly<Record<string, readonly (string | PhoneContact)[]>>
  /** Domains the router is responsible for; default those of `contacts` and of every URI that is called. */
  domains?: readonly string[]
  /** What handlers find in `call.env`. */
  env?: unknown
  /** What the billing system says to `call.authorize`; default `{ authorized: true }`. A `maxDuration` ends the call. */
  authorize?: (asked: Omit<Authorize, 'action' | 'name'>) => Authorization
  /** When the virtual clock begins; default 2026-01-05T10:00:00Z. */
  now?: Date | string
}

/** Attributes of an event: a predefined one has its own only. Numbers and booleans match as they are written. */
export type RaisedAttributes<Type extends string> = {
  [Name in keyof EventAttributes<Type>]: EventAttributes<Type>[Name] | number | boolean
}

const MAX_CONTACTS = 10

/**
 * A router without SIP: it asks the functions what a gateway would ask, and performs what they answer, in virtual time.
 * Made by `simulate`.
 */
export class Simulation {
  /** @internal */
  readonly clock: VirtualClock
  /** @internal */
  readonly ids = new CountingIds()
  /** @internal */
  readonly store: Store
  /** @internal */
  readonly functions: Functions
  /** @internal */
  readonly billing: NonNullable<SimulationOptions['authorize']>
  /** Every call so far, oldest first. */
  readonly calls: SimulatedCall[] = []
  readonly #domains: Set<string>
  readonly #hasOwnDomains: boolean
  readonly #routed = new Map<string, RoutedCall>()
  readonly #asleep = new Set<string>()
  readonly #pending = new Set<Promise<unknown>>()
  #later: (() => void)[] = []
  readonly #errors: unknown[] = []
  readonly #ready: Promise<void>
  #manifest: Manifest | undefined

  constructor(app: TestedApp, options: SimulationOptions) {
    this.clock = new VirtualClock(new Date(options.now ?? '2026-01-05T10:00:00.000Z').getTime())
    this.store = createMemoryStore({ clock: this.clock, ids: this.ids })
    this.functions = new Functions(app, options.env)
    this.billing = options.authorize ?? (() => ({ authorized: true }))
    this.#hasOwnDomains = options.domains !== undefined
    const contacts = Object.entries(options.contacts ?? {})
    this.#domains = new Set(options.domains ?? contacts.map(([aor]) => parseUri(aor)?.host ?? ''))
    this.#ready = this.#start(contacts)
    // Told by the first step that waits for it.
    this.#ready.catch(() => {})
  }

  async #start(contacts: [string, readonly (string | PhoneContact)[]][]): Promise<void> {
    await this.store.inbox(GATEWAY, (deliveries) => {
      for (const delivery of deliveries) this.#routed.get(delivery.transaction)?.suspension.deliver(delivery)
    })
    for (const [aor, phones] of contacts) {
      for (const phone of phones) await this.#register(aor, typeof phone === 'string' ? { uri: phone } : phone)
    }
    this.#manifest = await this.functions.manifest
  }

  /** Virtual time. */
  get now(): Date {
    return new Date(this.clock.now())
  }

  /** `INVITE`: somebody calls. Resolves when the function has answered and everything was done that can be done at once. */
  invite(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('INVITE', uri, options)
  }

  /** `REGISTER` of the user `uri`; `contact` and `expires` say what is registered. */
  register(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('REGISTER', uri, { contact: contactOf(uri), ...options })
  }

  message(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('MESSAGE', uri, options)
  }

  options(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('OPTIONS', uri, options)
  }

  subscribe(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('SUBSCRIBE', uri, options)
  }

  notify(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('NOTIFY', uri, options)
  }

  publishes(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('PUBLISH', uri, options)
  }

  refer(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('REFER', uri, options)
  }

  info(uri: string, options?: RequestOptions): Promise<SimulatedCall> {
    return this.request('INFO', uri, options)
  }

  /**
   * Any initial request.
   * Rejects with the handler's own error when it throws, and with an `Error` that names the fault when a gateway would refuse its answer.
   */
  async request(method: string, uri: string, options: RequestOptions = {}): Promise<SimulatedCall> {
    await this.#ready
    const host = parseUri(uri)?.host
    if (!this.#hasOwnDomains && host) this.#domains.add(host)
    const name = method.toUpperCase()
    const callId = `${this.ids.next('call-')}@simulated`
    const routed = new RoutedCall(
      this,
      await requestOf(name, uri, options, { callId, isLocal: (each) => this.isLocal(each) }),
    )
    this.#routed.set(routed.id, routed)
    const call = new SimulatedCall(this, routed)
    this.calls.push(call)
    await call.begins(() => routed.start(this.#hasRoute(name)))
    return call
  }

  /** A phone registers, as a REGISTER that nobody asks the function about; a sleeping one is awake then. */
  async registers(aor: string, phone: string | PhoneContact): Promise<void> {
    await this.step(() => this.track(this.#register(aor, typeof phone === 'string' ? { uri: phone } : phone)))
  }

  /**
   * Raises an event: every call that waits for it, or has subscribed to it, goes on. `contact.registered` also registers its contact.
   * @returns how many waits and subscriptions it has met
   */
  async event<Type extends string>(type: Type, attributes?: RaisedAttributes<Type>): Promise<number> {
    let matched = 0
    const given = (attributes ?? {}) as Attributes
    checkAttributes(type, given)
    await this.step(() => this.track(this.raised(type, given).then((count) => (matched = count))))
    return matched
  }

  /** Lets time pass, `'15s'` or milliseconds, and everything happen that is due meanwhile. */
  async advance(duration: Duration): Promise<void> {
    const ms = durationMs(duration)
    if (ms === undefined) throw new TypeError(`advance: expected a duration such as "15s", got ${String(duration)}`)
    await this.step(() => {})
    await this.clock.advance(ms, () => this.#idle())
    this.#throwFirst()
  }

  // What its calls need

  /** @internal Does something, and waits until everything that it sets off at once is done. */
  async step(action: () => void): Promise<void> {
    await this.#ready
    action()
    await this.#idle()
    this.#throwFirst()
  }

  /** @internal Work that a step is to wait for. */
  track(work: Promise<unknown>): void {
    const done = work.catch((error: unknown) => this.failed(error)).finally(() => this.#pending.delete(done))
    this.#pending.add(done)
  }

  /** @internal Trouble that the step under way is to tell. */
  failed(error: unknown): void {
    this.#errors.push(error)
  }

  #throwFirst(): void {
    const [first] = this.#errors.splice(0)
    if (first !== undefined) throw first
  }

  /** @internal */
  later(action: () => void): void {
    this.#later.push(action)
  }

  /** Functions first, then what phones say to it. */
  async #idle(): Promise<void> {
    for (;;) {
      while (this.#pending.size > 0) await Promise.all([...this.#pending])
      await oneTurn()
      if (this.#pending.size > 0) continue
      const due = this.#later
      if (due.length === 0) return
      this.#later = []
      for (const action of due) action()
    }
  }

  /** @internal */
  isLocal(host: string): boolean {
    return this.#domains.has(host.toLowerCase())
  }

  /** @internal */
  isAwake({ uri }: Target): boolean {
    return !this.#asleep.has(uri)
  }

  #hasRoute(method: string): boolean {
    return this.#manifest?.routes.some((route) => route.method === method || route.method === '*') ?? true
  }

  /** @internal */
  get wantsCancelled(): boolean {
    return this.#manifest?.wants?.includes('transaction.cancelled') ?? false
  }

  /** @internal A subscription to a handler that is not there is refused. */
  knowsHandler({ handler, event }: ActionOf<'subscribe'>): boolean {
    if (handler === undefined || !this.#manifest || this.#manifest.handlers.includes(handler)) return true
    const known = this.#manifest.handlers.join(', ') || 'none'
    this.failed(new Error(`subscribe to ${event}: the function has no handler "${handler}"; it has ${known}`))
    return false
  }

  /** @internal */
  raise(type: string, attributes: Attributes, detail?: EventDetail): void {
    const event = { id: this.ids.next('event'), type, time: this.clock.now(), attributes }
    this.publish([detail ? { ...event, detail } : event])
  }

  /** @internal */
  publish(events: RouseEvent[]): void {
    this.track(this.store.publish(events))
  }

  /** @internal The same for an event that comes from outside. @returns how many it has met */
  async raised(type: string, attributes: Attributes): Promise<number> {
    const { aor, contact, instance, kind, expires } = attributes
    if (type === 'contact.registered' && typeof aor === 'string' && typeof contact === 'string') {
      const phone = { uri: contact, ...(expires === undefined ? {} : { expires: Number(expires) }) }
      const outcome = await this.registration(aor, instance ? { ...phone, instance: String(instance) } : phone)
      const events = outcome.ok ? outcome.events : []
      for (const event of events) if (kind !== undefined) event.attributes.kind = kind
      return this.store.publish(events)
    }
    return this.store.publish([{ id: this.ids.next('event'), type, time: this.clock.now(), attributes }])
  }

  async #register(aor: string, phone: PhoneContact): Promise<void> {
    const outcome = await this.registration(aor, phone)
    if (!outcome.ok) throw new Error(`${phone.uri} cannot register as ${aor}: ${outcome.why}`)
    await this.store.publish(outcome.events)
  }

  /** @internal A registrar's step; `expires` 0 takes the contact out. */
  async registration(aor: string, phone: PhoneContact, maxContacts = MAX_CONTACTS): Promise<RegisterOutcome> {
    const now = this.clock.now()
    const { bindings } = await this.store.lookup(aorOf(aor))
    const before = bindings.find(({ contact, instance }) =>
      phone.instance === undefined ? contact === phone.uri : instance === phone.instance,
    )
    // Who registers anew says what it said before, unless it says otherwise.
    const instance = phone.instance ?? before?.instance
    const known = { q: before?.q ?? 1, push: before?.push !== undefined, ...(instance ? { instance } : {}) }
    const binding = bindingOf(aor, { ...known, ...phone }, now)
    if (phone.asleep) this.#asleep.add(phone.uri)
    else this.#asleep.delete(phone.uri)
    const isRemoval = phone.expires === 0
    return this.store.register({
      aor: binding.aor,
      callId: this.ids.next('registration'),
      cseq: 1,
      now,
      put: isRemoval ? [] : [binding],
      remove: isRemoval ? [binding] : [],
      maxContacts,
    })
  }

  /** @internal Bindings that a handler removes: one, or all. */
  async removes(aor: string, contact: string | undefined): Promise<void> {
    const { bindings } = await this.store.lookup(aorOf(aor))
    const outcome = await this.store.register({
      aor: aorOf(aor),
      callId: '',
      cseq: 0,
      now: this.clock.now(),
      put: [],
      remove: contact === undefined ? '*' : bindings.filter((binding) => binding.contact === contact),
      maxContacts: 0,
    })
    if (outcome.ok) this.publish(outcome.events)
  }
}

/** @throws TypeError as a gateway refuses such an event */
export function checkAttributes(type: string, attributes: Attributes): void {
  const fault = attributeFault(type, Object.keys(attributes))
  if (fault) throw new TypeError(`event: ${fault.message}`)
}

function contactOf(uri: string): string {
  const user = parseUri(uri)?.user ?? ''
  return `sip:${user === '' ? '' : `${user}@`}192.0.2.1:5060`
}
