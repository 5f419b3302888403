import type { SipMessage } from '../sip/message.ts'
import { type Description, type Exchange, exchangeOfRequest, exchangeOfResponse } from './exchange.ts'
import type { MediaRelay } from './relay.ts'
import { findSdp, type SdpPlace, withoutBody, withSdp } from './sdp-body.ts'
import type { Session } from './session.ts'
import type { MediaLeg, MediaPolicy } from './types.ts'

export interface LegFacts {
  /** The session begins with it, and ends when nothing comes of it. */
  isFirst: boolean
  ifAway: MediaPolicy['ifAway']
  onBug(error: unknown): void
}

interface Waiting {
  response: SipMessage
  pass(fit: SipMessage | undefined): void
}

/** A far end that sends more provisional responses than this while one is being rewritten repeats itself. */
const MAX_WAITING = 16
/** Descriptions that a response may repeat. */
const MAX_REMEMBERED = 8

/** See MediaLeg. One exchange with the rtpengine at a time, so that nothing overtakes. */
export class Leg implements MediaLeg {
  readonly #session: Session
  readonly #relay: MediaRelay
  readonly #facts: LegFacts
  /** What the description of the request was; undefined when it had none. */
  #request: Exchange | undefined
  /** What the rtpengine was offered with the request, and what the far end has answered. */
  #offer: Description | undefined
  #answer: Description | undefined
  /** The media goes directly. */
  #isPassing = false
  #isOver = false
  readonly #waiting: Waiting[] = []
  /** What descriptions of responses have become, by what they were. */
  readonly #done = new Map<string, string>()

  constructor(relay: MediaRelay, session: Session, facts: LegFacts) {
    this.#relay = relay
    this.#session = session
    this.#facts = facts
  }

  get session(): Session | undefined {
    return this.#isPassing ? undefined : this.#session
  }

  /** The request went out before a restart. */
  goOn(request: SipMessage): void {
    this.#request = findSdp(request) && exchangeOfRequest(request, this.#session.name.isDelayed)
  }

  async open(request: SipMessage): Promise<SipMessage | number> {
    const place = findSdp(request)
    this.#request = place && exchangeOfRequest(request, this.#session.name.isDelayed)
    if (this.#session.restoring) await this.#session.restoring
    if (!this.#facts.isFirst && !(await this.#isInDialog(place, request))) return this.#passesOn(request)
    if (!place || !this.#request) return this.#withoutOffer(request)
    const described = { exchange: this.#request, sdp: request.text.slice(place.start, place.end) }
    const rewritten = await this.#relay.rewrite(this.#session, described)
    if (rewritten.ok) {
      if (this.#request.command === 'offer') this.#offer = described
      return withSdp(request, place, rewritten.sdp)
    }
    if (rewritten.isAway && this.#facts.ifAway === 'pass') return this.#passesOn(request)
    return rewritten.status
  }

  /** Only an INVITE can have an answer with a description without having one itself. */
  async #isInDialog(place: SdpPlace | undefined, { method }: SipMessage): Promise<boolean> {
    return (place !== undefined || method === 'INVITE') && (await this.#relay.has(this.#session))
  }

  #withoutOffer(request: SipMessage): SipMessage | number {
    if (!this.#facts.isFirst || this.#relay.settle(this.#session)) return request
    return this.#facts.ifAway === 'pass' ? this.#passesOn(request) : 503
  }

  #passesOn(request: SipMessage): SipMessage {
    this.#isPassing = true
    return request
  }

  receive(response: SipMessage, pass: Waiting['pass']): void {
    if (this.#waiting.length >= MAX_WAITING && response.status < 200) return
    this.#waiting.push({ response, pass })
    if (this.#waiting.length === 1) this.#goOn()
  }

  #goOn(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const fit = this.#fit(first.response)
      if (fit instanceof Promise) {
        void fit
          .then((made) => this.#passOn(first, made))
          .catch(this.#facts.onBug)
          .then(() => this.#goOn())
        return
      }
      this.#passOn(first, fit)
    }
  }

  #passOn({ response, pass }: Waiting, fit: SipMessage | undefined): void {
    this.#waiting.shift()
    if (fit && response.status >= 200 && response.status < 300) this.#answered()
    pass(fit)
  }

  #answered(): void {
    this.#relay.answered(this.#session)
    if (this.#offer && this.#answer) this.#session.agree(this.#offer, this.#answer)
    this.#offer = undefined
  }

  #fit(response: SipMessage): SipMessage | undefined | Promise<SipMessage | undefined> {
    const place = this.#isPassing ? undefined : findSdp(response)
    const exchange = place && exchangeOfResponse(response, this.#request)
    if (!exchange) return response
    // What it was about is over: its rtpengine would only begin anew.
    if (this.#isOver) return undefined
    const described = { exchange, sdp: response.text.slice(place.start, place.end) }
    if (exchange.command === 'answer') this.#answer = described
    else this.#session.offered = described
    const key = `${response.status < 200} ${response.toTag} ${described.sdp}`
    const done = this.#done.get(key)
    return done === undefined ? this.#rewrite(response, place, described, key) : withSdp(response, place, done)
  }

  async #rewrite(
    response: SipMessage,
    place: SdpPlace,
    described: Description,
    key: string,
  ): Promise<SipMessage | undefined> {
    const rewritten = await this.#relay.rewrite(this.#session, described)
    if (rewritten.ok) {
      this.#remember(key, rewritten.sdp)
      return withSdp(response, place, rewritten.sdp)
    }
    // Without early media it still rings; but whoever has to acknowledge a response reliably would miss what is in it.
    const isUnreliable = response.status < 200 && response.header('RSeq') === undefined
    return isUnreliable ? withoutBody(response) : undefined
  }

  #remember(key: string, sdp: string): void {
    if (this.#done.size >= MAX_REMEMBERED) this.#done.clear()
    this.#done.set(key, sdp)
  }

  failed(): void {
    this.#isOver = true
    if (this.#facts.isFirst) return this.#session.end()
    // Both ends go on as they were (RFC 3261 14.1), and the rtpengine has to.
    if (this.#offer) this.#relay.restore(this.#session, this.#offer)
    this.#offer = undefined
  }
}
