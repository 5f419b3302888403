import type { Attributes, RouseEvent } from '../../functions/contract/events.ts'
import type { DialogEnd } from '../dialog/dialog.ts'
import { redactedText } from '../observe/redact.ts'
import { reasonPhrase } from '../sip/build.ts'
import type { SipMessage } from '../sip/message.ts'
import { ownText } from '../sip/own-text.ts'
import { withoutPush } from '../sip/push-params.ts'
import type { Call } from './call.ts'
import { cdrOf, wholeSeconds } from './cdr.ts'

/** What happened to a call, for people who look. */
export interface TimelineEntry {
  at: number
  what: string
  /** Of a divergence, see `Problem`. */
  diff?: readonly string[]
}

/** What a call says of itself: to people by its timeline, to everybody by events, and by one record at its end. */
export class Telling {
  readonly timeline: TimelineEntry[] = []
  readonly #call: Call
  #isRecorded = false
  #names: { callId: string; from: string; to: string } | undefined

  constructor(call: Call) {
    this.#call = call
  }

  note(what: string): void {
    this.timeline.push({ at: this.#now, what: withoutPush(what) })
  }

  /** What a function would have done before, and does now. */
  noteDiff(what: string, diff: readonly string[] | undefined): void {
    this.timeline.push({ at: this.#now, what: redactedText(what), ...(diff ? { diff: diff.map(redactedText) } : {}) })
  }

  /** A handler is not obeyed, or nobody could be asked. */
  handlerFailed(handler: string, error: string): void {
    this.publish('handler.failed', { callId: this.#call.request.callId, handler, error })
  }

  publish(type: string, attributes: Attributes): void {
    this.#call.parts.publish([this.#event(type, attributes)])
  }

  /** `call.…`, of what is a call. */
  publishCall(type: string, code: number, reason: string): void {
    if (this.#isCall) this.publish(type, this.#attributes(code, reason))
  }

  /** Its last dialog is over. @param endedAt when, as far as anybody has seen it; milliseconds since the epoch */
  ended(status: number, reason: string, by: DialogEnd, endedAt = this.#now): void {
    const { parts, request, answeredAt } = this.#call
    const durationSeconds = wholeSeconds(endedAt - (answeredAt ?? endedAt))
    this.note('ended')
    parts.log.info('call ended', { callId: request.callId, durationSeconds, reason })
    const attributes = this.#attributes(status, reason)
    const ended = this.#event('call.ended', { ...attributes, duration: durationSeconds })
    parts.publish([ended, ...this.#record(attributes, by, endedAt)])
  }

  /** It was never answered. @param from the response that decided, if it is somebody else's */
  failed(status: number, from: SipMessage | undefined): void {
    if (!this.#isCall) return
    const attributes = this.#attributes(status, from?.reason ?? reasonPhrase(status))
    const { cancelled } = this.#call.context
    const by = cancelled ? 'caller' : from ? 'callee' : 'router'
    const failed = cancelled ? [] : [this.#event('call.failed', attributes)]
    this.#call.parts.publish([...failed, ...this.#record(attributes, by)])
  }

  /** It was answered, and is not followed any more, or never was: this much is known. */
  lostSight(why: string): void {
    if (this.#isCall) this.#call.parts.publish(this.#record(this.#attributes(200, why), 'router'))
  }

  /** `cdr.created`, once. */
  #record(attributes: Attributes, endedBy: DialogEnd, endedAt = this.#now): RouseEvent[] {
    if (this.#isRecorded) return []
    this.#isRecorded = true
    this.#call.charged?.end(endedAt)
    return [cdrOf(this.#call, { attributes, endedBy, endedAt })]
  }

  get #now(): number {
    return this.#call.parts.clock.now()
  }

  get #isCall(): boolean {
    return this.#call.request.method === 'INVITE'
  }

  /** Events outlive the call for a while, and must not keep its messages. */
  #attributes(code: number, reason: string): Attributes {
    const { request, uri } = this.#call
    this.#names ??= {
      callId: ownText(request.callId),
      from: ownText(withoutPush(request.from?.uri ?? '')),
      to: ownText(withoutPush(uri)),
    }
    const { callId, from, to } = this.#names
    const usual = reasonPhrase(code)
    return { callId, from, to, code, reason: reason === usual ? usual : ownText(reason) }
  }

  #event(type: string, attributes: Attributes): RouseEvent {
    const { clock, ids } = this.#call.parts
    return { id: ids.next('event'), type, time: clock.now(), attributes }
  }
}
