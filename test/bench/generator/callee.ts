import { performance } from 'node:perf_hooks'
import type { Address, Endpoint } from './endpoint.ts'
import { Retries } from './retries.ts'
import type { Tally } from './tally.ts'
import { answer, type Identity, register } from './templates.ts'
import { CALL_ID, headerOf, statusOf } from './wire.ts'

const T1_MS = 500
const MOST_TRIES = 6
/** Callees of this user name ring and never answer. */
const RINGS_ONLY = 'INVITE sip:late'

interface Registration {
  readonly callId: string
  readonly user: string
  readonly tally: Tally
  readonly sentAt: number
  tries: number
  done: boolean
}

/** The called side: it registers, rings, answers at once, and answers the BYE. */
export class Callee {
  readonly #endpoint: Endpoint
  readonly #identity: Identity
  readonly #registrations = new Map<string, Registration>()
  readonly #retries: Retries<Registration>
  /** Calls seen, with the count of ACKs. */
  readonly #calls = new Map<string, number>()
  /** Called with the Call-ID of every INVITE that is not a repetition. */
  onInvite: ((callId: string, atMs: number) => void) | undefined
  /** INVITEs that came again. */
  repeated = 0
  /** Messages for no call of ours. */
  strays = 0

  constructor(endpoint: Endpoint, domain: string) {
    this.#endpoint = endpoint
    this.#identity = { sentBy: endpoint.sentBy, domain }
    this.#retries = new Retries(T1_MS, (registration) => this.#again(registration))
    endpoint.onMessage((text, from) => this.#receive(text, from))
  }

  register(callId: string, user: string, tally: Tally): void {
    tally.offered++
    const registration = { callId, user, tally, sentAt: performance.now(), tries: 1, done: false }
    this.#registrations.set(callId, registration)
    this.#endpoint.send(register(this.#identity, user, callId))
    this.#retries.add(registration)
  }

  /** Answered calls that never got their ACK; a new run begins. */
  forget(): number {
    let withoutAck = 0
    for (const acks of this.#calls.values()) if (acks === 0) withoutAck++
    this.#calls.clear()
    this.#registrations.clear()
    this.repeated = 0
    this.strays = 0
    return withoutAck
  }

  stop(): void {
    this.#retries.stop()
  }

  #again(registration: Registration): boolean {
    if (registration.done || registration.tries >= MOST_TRIES) return false
    registration.tries++
    registration.tally.retransmitted++
    this.#endpoint.send(register(this.#identity, registration.user, registration.callId))
    return true
  }

  #receive(text: string, from: Address): void {
    const callId = headerOf(text, CALL_ID)
    if (statusOf(text) !== 0) this.#registered(callId, statusOf(text))
    else if (text.startsWith('INVITE ')) this.#invited(callId, text, from)
    else if (text.startsWith('ACK ')) this.#acknowledged(callId)
    else if (text.startsWith('BYE ') || text.startsWith('CANCEL ')) this.#endpoint.send(answer(text, 200, ''), from)
    else this.strays++
  }

  #invited(callId: string, text: string, from: Address): void {
    const ringsOnly = text.startsWith(RINGS_ONLY)
    if (this.#calls.has(callId)) this.repeated++
    else this.#began(callId, ringsOnly)
    this.#endpoint.send(answer(text, 180, this.#identity.sentBy), from)
    if (!ringsOnly) this.#endpoint.send(answer(text, 200, this.#identity.sentBy), from)
  }

  #began(callId: string, ringsOnly: boolean): void {
    this.#calls.set(callId, ringsOnly ? 1 : 0)
    this.onInvite?.(callId, performance.now())
  }

  #acknowledged(callId: string): void {
    const acks = this.#calls.get(callId)
    if (acks === undefined) this.strays++
    else this.#calls.set(callId, acks + 1)
  }

  #registered(callId: string, status: number): void {
    const registration = this.#registrations.get(callId)
    if (registration === undefined) this.strays++
    else if (registration.done) registration.tally.repeated++
    else this.#settle(registration, status)
  }

  #settle(registration: Registration, status: number): void {
    if (status < 200) return
    registration.done = true
    registration.tally.answered.add(performance.now() - registration.sentAt)
    if (status === 200) registration.tally.completed++
    else registration.tally.fail(`REGISTER ${status}`)
  }
}
