import { performance } from 'node:perf_hooks'
import type { Endpoint } from './endpoint.ts'
import { Retries } from './retries.ts'
import type { Tally } from './tally.ts'
import { ackFailure, type DialogRoute, type Identity, inDialog, invite } from './templates.ts'
import { CALL_ID, CONTACT, headerOf, methodOf, routesOf, statusOf, TO, uriOf } from './wire.ts'

const T1_MS = 500
const MOST_TRIES = 6

type CallState = 'inviting' | 'proceeding' | 'leaving' | 'ended'

interface Call {
  readonly callId: string
  readonly user: string
  readonly tally: Tally
  readonly sentAt: number
  state: CallState
  tries: number
  rang: boolean
  route: DialogRoute | undefined
  /** Called once, with the first response of any kind. */
  onProceeding: ((callId: string) => void) | undefined
}

/** The calling side: INVITE → 100 → 180 → 200 → ACK, BYE → 200, for any number of calls at once over one socket. */
export class Caller {
  readonly #endpoint: Endpoint
  readonly #identity: Identity
  readonly #calls = new Map<string, Call>()
  readonly #retries: Retries<{ call: Call; state: CallState }>
  /** Messages for no call of ours. */
  strays = 0

  constructor(endpoint: Endpoint, domain: string) {
    this.#endpoint = endpoint
    this.#identity = { sentBy: endpoint.sentBy, domain }
    this.#retries = new Retries(T1_MS, ({ call, state }) => call.state === state && this.#again(call))
    endpoint.onMessage((text) => this.#receive(text))
  }

  call(callId: string, user: string, tally: Tally, onProceeding?: (callId: string) => void): void {
    tally.offered++
    const sentAt = performance.now()
    const call: Call = {
      callId,
      user,
      tally,
      sentAt,
      state: 'inviting',
      tries: 1,
      rang: false,
      route: undefined,
      onProceeding,
    }
    this.#calls.set(callId, call)
    this.#send(call)
  }

  /** Forgets every call, so that what still comes for them is a stray. */
  forget(): void {
    this.#calls.clear()
  }

  stop(): void {
    this.#retries.stop()
  }

  #send(call: Call): void {
    this.#endpoint.send(
      call.state === 'inviting'
        ? invite(this.#identity, call.user, call.callId)
        : inDialog(this.#identity, 'BYE', call.route!, call.callId),
    )
    if (call.tries === 1) this.#retries.add({ call, state: call.state })
  }

  /** @returns whether the call stays among the unanswered ones */
  #again(call: Call): boolean {
    if (call.tries >= MOST_TRIES) return false
    call.tries++
    call.tally.retransmitted++
    this.#send(call)
    return true
  }

  #receive(text: string): void {
    const call = this.#calls.get(headerOf(text, CALL_ID))
    const status = statusOf(text)
    if (call === undefined || status === 0) this.strays++
    else if (methodOf(text) === 'BYE') this.#byeAnswered(call, status)
    else this.#inviteAnswered(call, status, text)
  }

  #inviteAnswered(call: Call, status: number, text: string): void {
    const first = call.state === 'inviting'
    if (first) call.state = 'proceeding'
    if (first && call.onProceeding !== undefined) call.onProceeding(call.callId)
    if (status < 200) this.#provisional(call, status)
    else if (status < 300) this.#answered(call, text)
    else this.#refused(call, status, text)
  }

  #provisional(call: Call, status: number): void {
    if (status !== 180 || call.rang) return
    call.rang = true
    call.tally.ringing.add(performance.now() - call.sentAt)
  }

  #answered(call: Call, text: string): void {
    const repeated = call.state !== 'proceeding'
    if (repeated) call.tally.repeated++
    else call.tally.answered.add(performance.now() - call.sentAt)
    call.route ??= { target: uriOf(headerOf(text, CONTACT)), routes: routesOf(text), to: headerOf(text, TO) }
    this.#endpoint.send(inDialog(this.#identity, 'ACK', call.route, call.callId))
    if (!repeated) this.#leave(call)
  }

  #leave(call: Call): void {
    call.state = 'leaving'
    call.tries = 1
    this.#send(call)
  }

  #refused(call: Call, status: number, text: string): void {
    this.#endpoint.send(ackFailure(this.#identity, call.user, headerOf(text, TO), call.callId))
    if (call.state === 'ended') call.tally.repeated++
    else this.#end(call, String(status))
  }

  #byeAnswered(call: Call, status: number): void {
    if (call.state === 'ended') call.tally.repeated++
    else if (call.state !== 'leaving') call.tally.unexpected++
    else this.#end(call, status === 200 ? undefined : `BYE ${status}`)
  }

  #end(call: Call, failure: string | undefined): void {
    call.state = 'ended'
    if (failure === undefined) call.tally.completed++
    else call.tally.fail(failure)
  }
}
