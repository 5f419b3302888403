import type { Timer } from '../../../functions/contract/clock.ts'
import { reasonPhrase } from '../../sip/build.ts'
import type { SipMessage } from '../../sip/message.ts'
import type { ServerTransaction } from '../../transaction/types.ts'
import { dialogOfAnswer, dialogOfInvite, type PhoneDialog, withinDialog } from './dialog.ts'
import { type Asked, type IncomingRequests, UserAgent, type UserAgentOptions } from './user-agent.ts'

export interface PhoneOptions extends UserAgentOptions {
  user: string
  domain: string
  /** `urn:uuid:…`: which device of the user it is. */
  instance: string
  /** Contact URI parameters of RFC 8599; absent: no push can wake it. */
  push?: { provider: string; prid: string } | undefined
  onRing(from: string): void
  /** The other end has hung up, or given up. */
  onEnded(why: string): void
}

/** One way of a phone's only call. */
type Call =
  | { state: 'calling'; asked: Asked }
  | { state: 'ringing'; invite: ServerTransaction; tag: string }
  | { state: 'answered'; dialog: PhoneDialog; repeating?: Timer | undefined }

/** No media is sent: port 9 discards. */
const sdp = (address: string) =>
  `v=0\r\no=- 1 1 IN ${kindOf(address)}\r\ns=-\r\nc=IN ${kindOf(address)}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n`
const kindOf = (address: string) => `${address.includes(':') ? 'IP6' : 'IP4'} ${address}`

const T1_MS = 500
const T2_MS = 4000
/** How long a 2xx is repeated (RFC 3261 13.3.1.4). */
const PATIENCE_MS = 64 * T1_MS

/** A simulated phone: registers, sleeps and wakes, calls, rings, answers, declines, presses digits, hangs up. Signalling only. */
export class Phone implements IncomingRequests {
  readonly #options: PhoneOptions
  readonly #registerId: string
  #registers = 0
  #agent: UserAgent | undefined
  #call: Call | undefined

  constructor(options: PhoneOptions) {
    this.#options = options
    this.#registerId = options.ids.next('call')
  }

  get aor(): string {
    return `sip:${this.#options.user}@${this.#options.domain}`
  }

  /** `127.0.0.1:40512`; undefined while it sleeps. */
  get hostPort(): string | undefined {
    return this.#agent?.hostPort
  }

  /** Its app starts: on a port that is free, which is another one each time. */
  async wake(): Promise<void> {
    this.#agent ??= await UserAgent.open(this.#options, this)
  }

  /** The operating system stops its app: the sockets are gone, and what is sent to them is lost. */
  async sleep(): Promise<void> {
    const agent = this.#agent
    this.#agent = undefined
    this.#end()
    await agent?.close()
  }

  /**
   * @param expires seconds; 0 takes the registration out
   * @returns the final response; undefined when there was none
   */
  register(expires: number): Promise<SipMessage | undefined> {
    const { domain, instance, push, ids } = this.#options
    // Leaves room for the repetition with a password.
    this.#registers += 2
    const tokens = push ? `;pn-provider=${push.provider};pn-prid=${push.prid}` : ''
    const asked = this.#awake.ask({
      method: 'REGISTER',
      uri: `sip:${domain}`,
      from: `<${this.aor}>;tag=${ids.next('tag')}`,
      to: `<${this.aor}>`,
      callId: this.#registerId,
      cseq: this.#registers,
      contact: `<${this.#contactUri}${tokens}>;+sip.instance="<${instance}>";expires=${expires}`,
    })
    return asked.final
  }

  /** @returns the final response; undefined when nobody answered */
  async call(uri: string, onProvisional: (response: SipMessage) => void): Promise<SipMessage | undefined> {
    const { ids, address } = this.#options
    const request = {
      method: 'INVITE',
      uri,
      from: `<${this.aor}>;tag=${ids.next('tag')}`,
      to: `<${uri}>`,
      callId: ids.next('call'),
      cseq: 1,
      contact: this.#contact,
      contentType: 'application/sdp',
      body: sdp(address),
    }
    const onAgain = (answer: SipMessage) => this.#acknowledge(dialogOfAnswer(answer))
    const asked = this.#awake.ask(request, { onProvisional, onAgain })
    this.#call = { state: 'calling', asked }
    const final = await asked.final
    this.#call = undefined
    if (final === undefined || final.status >= 300) return final
    const dialog = dialogOfAnswer(final)
    this.#call = { state: 'answered', dialog }
    this.#acknowledge(dialog)
    return final
  }

  answer(): void {
    if (this.#call?.state !== 'ringing') return
    const { invite, tag } = this.#call
    const dialog = dialogOfInvite(invite.request, tag)
    const send = () => {
      this.#agent?.respond(invite, 200, 'OK', {
        toTag: tag,
        headers: [['Contact', this.#contact]],
        contentType: 'application/sdp',
        body: sdp(this.#options.address),
      })
    }
    this.#call = { state: 'answered', dialog }
    send()
    this.#repeat(this.#call, send, T1_MS, PATIENCE_MS)
  }

  decline(status: number): void {
    if (this.#call?.state !== 'ringing') return
    const { invite, tag } = this.#call
    this.#call = undefined
    this.#agent?.respond(invite, status, reasonPhrase(status), { toTag: tag })
  }

  /** Digits as SIP INFO, one after the other's answer. */
  async press(digits: string): Promise<void> {
    for (const digit of digits) {
      if (this.#call?.state !== 'answered') return
      const request = withinDialog(this.#call.dialog, 'INFO', this.#contact)
      const body = `Signal=${digit}\r\nDuration=160\r\n`
      await this.#awake.ask({ ...request, contentType: 'application/dtmf-relay', body }).final
    }
  }

  /** Ends whatever there is: BYE, CANCEL, or 486 while it rings. */
  async hangUp(): Promise<void> {
    const call = this.#call
    if (call?.state === 'calling') call.asked.cancel()
    if (call?.state === 'ringing') this.decline(486)
    if (call?.state !== 'answered') return
    const request = withinDialog(call.dialog, 'BYE', this.#contact)
    this.#end()
    await this.#awake.ask(request).final
  }

  onRequest(request: SipMessage, transaction: ServerTransaction): void {
    if (request.method === 'INVITE') return this.#onInvite(request, transaction)
    const answered = this.#call?.state === 'answered' && this.#call.dialog.callId === request.callId
    if (request.toTag !== '' && !answered) return this.#respond(transaction, 481)
    this.#respond(transaction, request.method === 'OPTIONS' || answered || request.method === 'MESSAGE' ? 200 : 501)
    if (request.method !== 'BYE') return
    this.#end()
    this.#options.onEnded('the other end has hung up')
  }

  onAck(ack: SipMessage): void {
    if (this.#call?.state === 'answered' && this.#call.dialog.callId === ack.callId) this.#call.repeating?.cancel()
  }

  onCancel(invite: ServerTransaction): void {
    if (this.#call?.state !== 'ringing' || this.#call.invite !== invite) return
    const { tag } = this.#call
    this.#call = undefined
    this.#agent?.respond(invite, 487, reasonPhrase(487), { toTag: tag })
    this.#options.onEnded('the caller is gone, or somebody else has answered')
  }

  #onInvite(invite: SipMessage, transaction: ServerTransaction): void {
    if (this.#call?.state === 'answered' && this.#call.dialog.callId === invite.callId && invite.toTag !== '') {
      return this.#respond(transaction, 488)
    }
    if (this.#call) return this.#respond(transaction, 486)
    const tag = this.#options.ids.next('tag')
    this.#call = { state: 'ringing', invite: transaction, tag }
    this.#agent?.respond(transaction, 180, 'Ringing', { toTag: tag, headers: [['Contact', this.#contact]] })
    this.#options.onRing(invite.from?.uri ?? '')
  }

  /** Until the ACK: over UDP nobody else repeats it. */
  #repeat(call: Extract<Call, { state: 'answered' }>, send: () => void, afterMs: number, leftMs: number): void {
    if (leftMs <= 0) return
    call.repeating = this.#options.clock.after(afterMs, () => {
      send()
      this.#repeat(call, send, Math.min(2 * afterMs, T2_MS), leftMs - afterMs)
    })
  }

  #respond(transaction: ServerTransaction, status: number): void {
    this.#agent?.respond(transaction, status, reasonPhrase(status), { toTag: this.#options.ids.next('tag') })
  }

  #acknowledge(dialog: PhoneDialog): void {
    this.#agent?.acknowledge(withinDialog(dialog, 'ACK', this.#contact))
  }

  #end(): void {
    if (this.#call?.state === 'answered') this.#call.repeating?.cancel()
    this.#call = undefined
  }

  get #awake(): UserAgent {
    if (!this.#agent) throw new Error('a phone that sleeps cannot send anything: wake it first')
    return this.#agent
  }

  get #contactUri(): string {
    const { user, transport } = this.#options
    return `sip:${user}@${this.#awake.hostPort}${transport === 'tcp' ? ';transport=tcp' : ''}`
  }

  get #contact(): string {
    return `<${this.#contactUri}>`
  }
}
