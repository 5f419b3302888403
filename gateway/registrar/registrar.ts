import type { Clock, IdSource, Timer } from '../../functions/contract/clock.ts'
import type { RouseEvent } from '../../functions/contract/events.ts'
import type { RegisterChange, Store } from '../../functions/store/store.ts'
import type { Pusher } from '../push/types.ts'
import type { SipMessage } from '../sip/message.ts'
import { canonicalAor, parseUri } from '../sip/uri.ts'
import type { Flow } from '../transport/types.ts'
import { answer, type RegisterAnswer, refusal } from './answer.ts'
import { contactKey } from './device.ts'
import { REGISTRAR_DEFAULTS, type RegisterOverrides, type RegistrarOptions, withOverrides } from './options.ts'
import { planRegister } from './plan.ts'
import { contactWithoutPush } from './push-parameters.ts'
import { Refresher } from './refresher.ts'

export { answer, type RegisterAnswer } from './answer.ts'
export { REGISTRAR_DEFAULTS, type RegisterOverrides, type RegistrarOptions } from './options.ts'
export { type Planned, planRegister, type RegisterPlan } from './plan.ts'

/** Expired bindings taken out in one step. */
const SWEEP_AT_ONCE = 500

export interface RegistrarParts {
  store: Store
  clock: Clock
  options: Pick<RegistrarOptions, 'gateway' | 'isLocalDomain'> & Partial<RegistrarOptions>
  /** Takes the events of expired bindings. What a REGISTER causes is handed to its caller instead. */
  publish(events: RouseEvent[]): unknown
  /** Asks devices to refresh their bindings in time; absent: nobody is asked. */
  refreshes?: { pusher: Pusher; ids: IdSource }
  /** A sweep failed, as when the store is away, and the one before had not; the next one makes up for it. */
  onSweepFailure?(error: unknown): void
}

export interface Registrar {
  /**
   * Processes a REGISTER that has passed `checkRequest` and, where asked for, authentication. Send the response first and then publish
   * the events: a phone that woke up must have its 200 before the late INVITE that its own registration sets off.
   * @returns rejects when the store is away: answer 503
   */
  register(request: SipMessage, flow: Flow, overrides?: RegisterOverrides): Promise<RegisterAnswer>
  /** Removes one contact of an AOR, or all; returns the events to publish. */
  remove(aor: string, contact?: string): Promise<RouseEvent[]>
  /** Takes out what has expired and publishes `contact.expired`. Runs by itself while there are bindings. */
  sweep(): Promise<void>
  /** Begins to sweep: bindings may be left from before this process. */
  start(): void
  stop(): void
}

/** The registrar and location service's writer: RFC 3261 10.3. Decisions are in `plan.ts` and `answer.ts`. */
export function createRegistrar(parts: RegistrarParts): Registrar {
  const options: RegistrarOptions = { ...REGISTRAR_DEFAULTS, ...parts.options }
  if (!parts.refreshes) options.refreshLead = 0
  return new StoreRegistrar(parts, options)
}

class StoreRegistrar implements Registrar {
  readonly #parts: RegistrarParts
  readonly #options: RegistrarOptions
  readonly #refresher: Refresher | undefined
  #timer: Timer | undefined
  #isStopped = false
  #isSweeping = false
  /** The last sweep has failed. */
  #hasFailed = false
  /** There may be bindings: another sweep has to follow. */
  #isWanted = false

  constructor(parts: RegistrarParts, options: RegistrarOptions) {
    this.#parts = parts
    this.#options = options
    const { store, clock, publish, refreshes } = parts
    this.#refresher = refreshes && new Refresher({ store, clock, publish, ...refreshes, options })
  }

  async register(request: SipMessage, flow: Flow, overrides: RegisterOverrides = {}): Promise<RegisterAnswer> {
    const options = withOverrides(this.#options, overrides)
    const planned = planRegister(request, flow, options, this.#parts.clock.now(), overrides.aor)
    if ('refuse' in planned) return refusal(planned)
    const outcome = await this.#parts.store.register(planned.change)
    if (outcome.bindings.length > 0 || outcome.asleep) this.#arm()
    return answer(planned, outcome)
  }

  async remove(aor: string, contact?: string): Promise<RouseEvent[]> {
    const outcome = await this.#parts.store.register(removal(aor, contact, this.#parts.clock.now()))
    return outcome.ok ? outcome.events : []
  }

  async sweep(): Promise<void> {
    const { store, clock, publish } = this.#parts
    for (let count = SWEEP_AT_ONCE; count === SWEEP_AT_ONCE; ) {
      const events = await store.expire(clock.now(), SWEEP_AT_ONCE)
      count = events.length
      if (count > 0) await publish(events)
    }
  }

  start(): void {
    this.#isStopped = false
    this.#arm()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Sees to it that a sweep comes, also when one is under way and may have looked too early. */
  #arm(): void {
    this.#isWanted = true
    if (this.#timer || this.#isSweeping || this.#isStopped) return
    this.#timer = this.#parts.clock.after(this.#options.sweepMs, () => void this.#tick())
  }

  async #tick(): Promise<void> {
    this.#timer = undefined
    this.#isSweeping = true
    this.#isWanted = false
    try {
      await this.sweep()
      await this.#refresher?.step()
      this.#isWanted ||= await this.#hasBindings()
      this.#hasFailed = false
    } catch (error) {
      this.#isWanted = true
      if (!this.#hasFailed) this.#parts.onSweepFailure?.(error)
      this.#hasFailed = true
    }
    this.#isSweeping = false
    if (this.#isWanted) this.#arm()
  }

  async #hasBindings(): Promise<boolean> {
    const { bindings, cursor } = await this.#parts.store.registrations('', 1)
    return bindings.length > 0 || cursor !== ''
  }
}

/** A Call-ID that no REGISTER has: what a handler removes is never out of order. */
function removal(aor: string, contact: string | undefined, now: number): RegisterChange {
  const uri = contact === undefined ? undefined : parseUri(contact)
  const named =
    uri && contact !== undefined ? [{ contact: contactWithoutPush(contact, uri), device: contactKey(uri) }] : []
  const remove = contact === undefined ? '*' : named
  return { aor: canonicalAor(aor), callId: '', cseq: 0, now, put: [], remove, maxContacts: 0 }
}
